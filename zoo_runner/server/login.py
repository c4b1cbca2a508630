"""The paths by which people log in and out with a browser, and learn who they are."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from zoo_runner.config.identity import LOOPBACK
from zoo_runner.model.errors import EngineError, InputError, SettingsError
from zoo_runner.server.access.audit import find_note
from zoo_runner.server.access.callers import Identity
from zoo_runner.server.access.login import begin_attempt, build_address, read_attempt, read_code, write_attempt
from zoo_runner.server.access.provider import Provider
from zoo_runner.server.access.sessions import LOGIN, FindBase, Sessions, build_login_address
from zoo_runner.server.access.tokens import Caller
from zoo_runner.server.api import Api
from zoo_runner.server.documents import Link, LoggedOut, SessionInfo
from zoo_runner.server.pages.document import Document, describe_document, prefers_html

CALLBACK, LOGOUT, SESSION = f"{LOGIN}/callback", "/logout", "/session"
_ATTEMPT_SECONDS = 600
_REDIRECTED: dict[str, Any] = {
    "status_code": 303,
    "response_class": Response,
    "responses": {303: {"description": "Where it goes on."}},
}


@dataclass(frozen=True)
class Login:
    """What people log in with: the provider, and the sessions of those who have."""

    provider: Provider
    sessions: Sessions


def open_login(api: Api, provider: Provider | None, find_base: FindBase) -> Login | None:
    """Open what the settings say, None: nobody logs in; raises `SettingsError`."""
    if provider is None or not api.identity.client:
        return None
    address = api.settings.base_url
    if address and not _is_safe(address):
        raise SettingsError(
            f"ZOO_RUNNER_BASE_URL={address!r} is not https: logins there are not secure",
            "Set it to the https address of this server, or unset ZOO_RUNNER_OIDC_CLIENT.",
        )
    is_secure = urlsplit(address).scheme == "https"
    return Login(provider, Sessions(api, find_base, is_secure=is_secure))


def _is_safe(address: str) -> bool:
    """Whether cookies are kept from others on the way; to this machine there is none."""
    parts = urlsplit(address)
    return parts.scheme == "https" or parts.hostname in LOOPBACK


def redirect_to_login(request: Request, login: Login | None, code: str) -> Response | None:
    """Send a person who reads pages and has no session to the login; None: any other request, or another error."""
    if login is None or code not in ("identity.missing", "identity.session"):
        return None
    if request.method != "GET" or request.url.path in (CALLBACK, LOGOUT) or not prefers_html(request.scope):
        return None
    return RedirectResponse(build_login_address(request, login.sessions.find_base(request)), 303)


def add_login(app: FastAPI, api: Api, login: Login, identity: Identity) -> None:
    """Add the paths."""
    _add_entry(app, api, login)
    _add_exit(app, login)
    _add_session(app, login, identity)


def _add_entry(app: FastAPI, api: Api, login: Login) -> None:
    sessions = login.sessions

    @app.get(LOGIN, tags=["login"], **_REDIRECTED)
    async def log_in(request: Request, path: Annotated[str, Query(alias="next")] = "/") -> Response:
        """Send a browser to the provider to log in; `next` is the path of this server where it goes then."""
        base = _find_safe_base(sessions, request)
        attempt, endpoints = begin_attempt(path), await login.provider.find_endpoints()
        address = build_address(endpoints.authorization, api.identity, attempt, f"{base}{CALLBACK}")
        response = RedirectResponse(address, 303, {"Cache-Control": "no-store"})
        sessions.set_cookie(response, "login", write_attempt(attempt), _ATTEMPT_SECONDS)
        return response

    @app.get(CALLBACK, tags=["login"], **_REDIRECTED)
    async def finish_login(request: Request) -> Response:
        """Take a browser back from the provider: its session begins."""
        base = _find_safe_base(sessions, request)
        kept = read_attempt(request.cookies.get(sessions.name("login")))
        attempt, code = read_code(request.query_params, kept, api.identity.issuer)
        caller = await login.provider.exchange(code, attempt.verifier, f"{base}{CALLBACK}", attempt.nonce)
        note = find_note(request)
        note.action, note.caller = "session.begin", caller.name
        secret, seconds = await run_in_threadpool(sessions.begin, caller)
        await run_in_threadpool(sessions.end, request.cookies.get(sessions.name("session")))
        response = RedirectResponse(f"{base}{attempt.path}", 303, {"Cache-Control": "no-store"})
        sessions.set_cookie(response, "session", secret, seconds)
        sessions.delete_cookie(response, "login")
        return response


def _find_safe_base(sessions: Sessions, request: Request) -> str:
    base = sessions.find_base(request)
    # where only a proxy knows of https, the cookies would not be marked as secure
    if not _is_safe(base) or not (sessions.is_secure or urlsplit(base).hostname in LOOPBACK):
        raise InputError(
            f"logins at {base} are not secure: others could read the session",
            "Use the https address of this server. Operators: set ZOO_RUNNER_BASE_URL to it.",
            code="login.insecure",
        )
    return base


def _add_exit(app: FastAPI, login: Login) -> None:
    sessions = login.sessions

    @app.post(LOGOUT, tags=["login"], **describe_document(LoggedOut))
    async def log_out(request: Request) -> Response:
        """End the session of a browser, here; the answer has the address at which it ends at the provider too."""
        secret = request.cookies.get(sessions.name("session"))
        if secret:
            sessions.ensure_own(request)
            note, caller = find_note(request), await run_in_threadpool(sessions.end, secret)
            note.action, note.caller = "session.end" if caller else "", caller
        base = sessions.find_base(request)
        links: list[Link] = [{"href": f"{base}{LOGIN}", "rel": "login", "title": "Log in again"}]
        # the session here has ended, also where the provider does not answer
        with suppress(EngineError):
            if end_session := (await login.provider.find_endpoints()).end_session:
                href = f"{end_session}?{urlencode({'client_id': login.provider.client})}"
                links.append({"href": href, "rel": "logout", "title": "Log out at the provider too"})
        response = Document({"title": "Logged out", "links": links}, "logged_out", base)
        sessions.delete_cookie(response, "session")
        return response


def _add_session(app: FastAPI, login: Login, identity: Identity) -> None:
    sender = Annotated[Caller, Depends(identity.depend)]

    @app.get(SESSION, tags=["login"], **describe_document(SessionInfo))
    async def get_session(request: Request, caller: sender) -> Response:
        """Show who sends this request: name, workspaces and roles."""
        names = {"workspaces": sorted(caller.workspaces), "roles": sorted(caller.roles)}
        document = {"title": caller.name, "name": caller.name, "by": caller.by, **names}
        return Document(document, base=login.sessions.find_base(request))
