"""The web application: landing page, conformance, health, errors, and the API for each place where it lies."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import URL
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect

from zoo_runner.access_documents import WORKSPACE
from zoo_runner.config.profiles import StepToken
from zoo_runner.config.server import ServerSettings
from zoo_runner.model.errors import InputError, NotReachedError, RunnerError
from zoo_runner.model.masking import Masker
from zoo_runner.model.outcomes import build_defect
from zoo_runner.model.step_token import IssuedToken
from zoo_runner.server.access.actions import ACTIONS
from zoo_runner.server.access.admission import Admission, Members, open_admission
from zoo_runner.server.access.audit import Audited, find_note
from zoo_runner.server.access.callers import Identity, Means, build_identity, find_challenge
from zoo_runner.server.access.development import open_development_token
from zoo_runner.server.access.exchange import exchange_token
from zoo_runner.server.access.personal_tokens import ensure_scope, is_in_scope
from zoo_runner.server.access.provider import Provider, open_provider
from zoo_runner.server.access.sessions import Personal
from zoo_runner.server.access.tokens import Caller
from zoo_runner.server.api import Api, Call
from zoo_runner.server.bodies import BodiesInTime
from zoo_runner.server.cross_site import ensure_own_post
from zoo_runner.server.documents import Conformance, LandingPage, Link
from zoo_runner.server.health import add_health
from zoo_runner.server.hidden_settings import hide_settings
from zoo_runner.server.hosts import HostsCompared
from zoo_runner.server.invalid_requests import build_invalid
from zoo_runner.server.limiting import Limited, read_rate
from zoo_runner.server.log_lines import CURRENT_WORKSPACE, REQUEST_HEADER, Logged
from zoo_runner.server.login import Login, add_login, open_login, redirect_to_login
from zoo_runner.server.methods import MoreMethods, list_methods
from zoo_runner.server.metrics import add_metrics
from zoo_runner.server.null_characters import NullsRefused
from zoo_runner.server.openapi import PATHS, add_documents, get_media_type
from zoo_runner.server.pages.addresses import PageAddresses
from zoo_runner.server.pages.assets import add_assets
from zoo_runner.server.pages.document import Document, describe_document
from zoo_runner.server.preconditions import ensure_no_version
from zoo_runner.server.problems import ERRORS, build_problem
from zoo_runner.server.routes.router import ReadCall, build_router, ensure_acceptable
from zoo_runner.server.shared_results import add_shared_results
from zoo_runner.server.tracing import Traced, Tracing

PART_1 = "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf"
PART_4 = "http://www.opengis.net/spec/ogcapi-processes-4/1.0/conf"
PART_1_DRAFT = "http://www.opengis.net/spec/ogcapi-processes-1/2.0/conf"
PART_2 = "http://www.opengis.net/spec/ogcapi-processes-2/1.0/conf"
CONFORMANCE = (
    *(
        f"{PART_1}/{name}"
        for name in ("core", "ogc-process-description", "json", "html", "oas30", "job-list", "callback", "dismiss")
    ),
    *(f"{PART_1_DRAFT}/{name}" for name in ("oas31", "kvp-execute")),
    *(f"{PART_2}/{name}" for name in ("deploy-replace-undeploy", "ogcapppkg", "cwl")),
    *(f"{PART_4}/{name}" for name in ("job-management", "ogcapi-processes")),
)
TITLE = "zoo-runner"
DESCRIPTION = "Runs Earth-observation application packages (CWL) near the data."
_CORS: dict[str, Any] = {
    "allow_methods": ["*"],
    "allow_headers": ["*"],
    "expose_headers": ["Location", "Link", "ETag", "Preference-Applied", "Retry-After", REQUEST_HEADER],
}
logger = logging.getLogger(__name__)

_RETRY_SECONDS = "10"
_HTTP_CODES = {404: "request.unknown-path", 405: "request.method"}


def build_app(
    api: Api, version: str, count_workers: Callable[[], int], hosts: Iterable[str], tracing: Tracing | None = None
) -> FastAPI:
    """Build the application; `count_workers` returns how many workers of this server run, `hosts` are its names."""
    provider = _open_provider(api)
    login = open_login(api, provider, partial(_find_base, api))
    development = open_development_token(api.identity, api.configuration.workspace.name)
    identity = build_identity(Means(api, provider, development, login.sessions if login else None))
    app = FastAPI(
        title=TITLE,
        description=DESCRIPTION,
        version=version,
        openapi_url=None,
        # its pages load scripts from other hosts
        docs_url=None,
        redoc_url=None,
        responses=ERRORS,
        dependencies=[Depends(ensure_acceptable), Depends(_refuse_others(api))],
    )
    _add_middleware(app, api, login, hosts, tracing, count_workers)
    _add_errors(app, api, login)
    for add in (add_documents, add_assets):
        add(app)
    add_health(app, api, count_workers)
    if login:
        add_login(app, api, login, identity)
    add_shared_results(app, api, partial(_find_base, api))
    plain = _Calls(api, identity, open_admission(api), provider)
    _add_api(app, api, "", plain, replace(plain, identity=build_identity(None), admission=Members()))
    if prefix := api.settings.workspace_prefix.strip("/"):
        hub = replace(plain, hub=True)
        _add_api(app, api, f"/{prefix}/{{workspace}}", hub, hub)
    return app


def _add_middleware(
    app: FastAPI,
    api: Api,
    login: Login | None,
    hosts: Iterable[str],
    tracing: Tracing | None,
    count_workers: Callable[[], int],
) -> None:
    """Add what every request passes, from the inside to the outside."""
    app.add_middleware(MoreMethods)
    app.add_middleware(NullsRefused)
    app.add_middleware(PageAddresses)
    _add_limits(app, api.settings)
    app.add_middleware(Audited, log=api.store.audit)
    add_metrics(app, api, count_workers)
    if origins := api.settings.cors_origins:
        # outside of the others: pages of these origins read errors and refusals too
        app.add_middleware(CORSMiddleware, allow_origins=origins, **_CORS)
    if login:
        app.add_middleware(Personal, sessions=login.sessions)
    app.add_middleware(HostsCompared, hosts=hosts)
    if tracing:
        app.add_middleware(Traced, tracing=tracing)
    app.add_middleware(Logged)


def _add_limits(app: FastAPI, settings: ServerSettings) -> None:
    app.add_middleware(BodiesInTime, seconds=settings.body_seconds)
    if settings.rate_limit:
        app.add_middleware(Limited, rate=read_rate(settings.rate_limit))


def _open_provider(api: Api) -> Provider | None:
    return open_provider(api.identity, api.configuration.settings.proxies) if api.identity.issuer else None


def _refuse_others(api: Api) -> Callable[..., Awaitable[None]]:
    async def refuse_other_sites(request: Request) -> None:
        ensure_own_post(request, api.settings)

    return refuse_other_sites


@dataclass(frozen=True)
class _Calls:
    """Reads calls of the plain API or, for a `hub`, of that of each workspace, and lets in who sends them."""

    api: Api
    identity: Identity
    admission: Admission
    provider: Provider | None = None
    hub: bool = False

    def build_dependency(self) -> ReadCall:
        """Build the dependency of FastAPI that reads a call."""
        # coroutines, as they only read: FastAPI would take a thread for each request otherwise
        sender = Annotated[Caller | None, Depends(self.identity.depend)]

        async def read_call(request: Request, caller: sender) -> Call:
            return await self._admit(request, caller)

        async def read_hub_call(request: Request, workspace: str, caller: sender) -> Call:
            return await self._admit(request, caller)

        return read_hub_call if self.hub else read_call

    async def find(self, request: Request) -> Call:
        """Read the call of a request."""
        return await self._admit(request, await self.identity.find(request))

    async def _admit(self, request: Request, caller: Caller | None) -> Call:
        workspace, root = self.api.configuration.workspace.name, _find_base(self.api, request)
        base, prefix = root, self.api.settings.workspace_prefix.strip("/")
        if self.hub:
            workspace = request.path_params["workspace"]
            if not WORKSPACE.fullmatch(workspace):
                raise InputError(f"{workspace!r} is not a workspace", "Check the path.", code="request.unknown-path")
            base = f"{root}/{prefix}/{workspace}"
        request.state.base = base
        CURRENT_WORKSPACE.set(workspace)
        action = ACTIONS[request.scope["route"].name]
        _write_note(request, workspace, caller, action)
        ensure_scope(caller, action)
        admitted = await self.admission.admit(request, caller, workspace)
        ensure_no_version(request)
        call = Call(
            workspace,
            base,
            self.hub,
            query=tuple(request.query_params.multi_items()),
            visible=admitted.visible,
            published=admitted.published,
            admit_job=admitted.admit_job,
            may=lambda other: is_in_scope(caller, other) and admitted.may(other),
            may_with=lambda other, job_id: is_in_scope(caller, other) and admitted.may_with(other, job_id),
            hub_base=f"{root}/{prefix}" if prefix else None,
        )
        if caller is None:
            return call
        exchange = _build_exchange(self.provider, caller)
        return replace(call, caller=caller.name, member_of=caller.workspaces, exchange=exchange)


def _build_exchange(provider: Provider | None, caller: Caller) -> Callable[[StepToken], IssuedToken] | None:
    """Build what exchanges the token of a caller, who must have one of the provider."""
    if provider is None or caller.text is None:
        return None
    loop, subject = asyncio.get_running_loop(), caller.text

    def exchange(wanted: StepToken) -> IssuedToken:
        return asyncio.run_coroutine_threadsafe(exchange_token(provider, subject, wanted), loop).result()

    return exchange


def _write_note(request: Request, workspace: str, caller: Caller | None, action: str) -> None:
    note = find_note(request)
    note.workspace, note.action, note.ids = workspace, action, dict(request.path_params)
    if caller:
        note.caller, note.by, note.token = caller.name, caller.by, caller.token


def _find_base(api: Api, request: Request) -> str:
    if api.settings.base_url:
        return api.settings.base_url.rstrip("/")
    scope = request.scope
    root = scope.get("app_root_path", scope.get("root_path", ""))
    return _build_base(scope["scheme"], scope.get("server"), request.headers.get("host"), root)


# to take an address apart and to build it again takes a twentieth of a short answer
@lru_cache(256)
def _build_base(scheme: str, server: tuple[str, int | None] | None, host: str | None, root: str) -> str:
    headers = [] if host is None else [(b"host", host.encode("latin-1"))]
    scope = {"scheme": scheme, "server": server, "path": root, "query_string": b"", "headers": headers}
    return str(URL(scope=scope)).rstrip("/")


def _add_api(app: FastAPI, api: Api, path: str, calls: _Calls, open_calls: _Calls) -> None:
    """Add an API; `open_calls` reads requests for what anybody may see."""
    read_open_call = open_calls.build_dependency()

    @app.get(f"{path}/", tags=["api"], **describe_document(LandingPage))
    def get_landing_page(request: Request, call: Annotated[Call, Depends(read_open_call)]) -> Response:
        """Show what there is."""
        return Document(_build_landing_page(call, _find_base(api, request)), "landing", call.base)

    @app.get(f"{path}/conformance", tags=["api"], **describe_document(Conformance))
    def get_conformance(call: Annotated[Call, Depends(read_open_call)]) -> Response:
        """List the conformance classes."""
        return Document({"conformsTo": list(CONFORMANCE)}, "conformance", call.base)

    app.include_router(build_router(api, calls.build_dependency(), calls.find), prefix=path)


def _build_landing_page(call: Call, root: str) -> LandingPage:
    json = "application/json"
    links: list[Link] = [
        {"href": f"{call.base}/", "rel": "self", "type": json, "title": "This document"},
    ]
    for version, path in PATHS.items():
        media_type, title = get_media_type(version), f"OpenAPI {version} document"
        links.append({"href": f"{root}{path}", "rel": "service-desc", "type": media_type, "title": title})
    for name, rel, title in (
        ("conformance", "http://www.opengis.net/def/rel/ogc/1.0/conformance", "Conformance classes"),
        ("processes", "http://www.opengis.net/def/rel/ogc/1.0/processes", "Processes"),
        ("jobs", "http://www.opengis.net/def/rel/ogc/1.0/job-list", "Jobs"),
    ):
        links.append({"href": call.link(name), "rel": rel, "type": json, "title": title})
    return {"title": TITLE, "description": DESCRIPTION, "links": links}


def _add_errors(app: FastAPI, api: Api, login: Login | None) -> None:
    answer = partial(_answer_error, api, login)

    @app.exception_handler(RunnerError)
    async def answer_error(request: Request, error: RunnerError) -> Response:
        return await answer(request, error)

    @app.exception_handler(RequestValidationError)
    async def answer_invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return await answer(request, build_invalid(f"{where}: {first['msg']}", "Correct the parameter."))

    @app.exception_handler(HTTPException)
    async def answer_http(request: Request, error: HTTPException) -> Response:
        code = _HTTP_CODES.get(error.status_code, "request.invalid")
        problem = InputError(f"{request.method} {request.url.path}: {error.detail}", "See /api.", code=code)
        response = await answer(request, problem)
        response.headers.update(error.headers or {})
        if error.status_code == 405:
            response.headers["Allow"] = ", ".join(list_methods(request.scope))
        return response

    @app.exception_handler(ClientDisconnect)
    async def answer_gone(request: Request, error: ClientDisconnect) -> Response:
        # nobody reads it, but it is no internal error
        cause = "the client closed the connection before its request ended"
        return await answer(request, build_invalid(cause, "Send the request again."))

    @app.exception_handler(Exception)
    async def answer_defect(request: Request, error: Exception) -> Response:
        return await answer(request, build_defect(error))


_build_masker = lru_cache(maxsize=64)(Masker)


async def _answer_error(api: Api, login: Login | None, request: Request, error: RunnerError) -> Response:
    if redirect := redirect_to_login(request, login, error.diagnosis.code):
        return redirect
    # the database that does not answer has those of the workspace
    workspace = None if isinstance(error, NotReachedError) else CURRENT_WORKSPACE.get()
    secrets = await run_in_threadpool(api.find_secrets, workspace)
    base = getattr(request.state, "base", _find_base(api, request))
    return _answer_problem(request, hide_settings(error), _build_masker(secrets), base)


def _answer_problem(request: Request, error: RunnerError, masker: Masker, base: str) -> Response:
    """Answer with a problem document, secrets masked.

    A client that asked for plain JSON, or for nothing, gets that media type.
    """
    problem = masker.mask_data(build_problem(error))
    headers = {}
    if job := getattr(request.state, "job", None):
        # the client learns of a job that goes on, or has a log, although its request failed
        problem["jobID"], headers["Location"] = job
    find_note(request).code = error.diagnosis.code
    accept = request.headers.get("accept", "")
    plain = accept in ("", "application/json") or ("application/json" in accept and "problem+json" not in accept)
    if challenge := find_challenge(error.diagnosis.code):
        headers["WWW-Authenticate"] = challenge
    if problem["status"] == 503:
        headers["Retry-After"] = _RETRY_SECONDS
    media_type = None if plain else "application/problem+json"
    status = problem["status"]
    return Document(problem, "problem", base, status_code=status, headers=headers, media_type=media_type)
