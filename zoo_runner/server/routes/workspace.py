"""Paths of a workspace: files, usage, audit, operations, tokens, secrets."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from zoo_runner.server import operations, quotas, results, uploads, workspace_secrets
from zoo_runner.server.access import audit, personal_tokens
from zoo_runner.server.answers import answer_content, answer_file, see_other
from zoo_runner.server.api import Api
from zoo_runner.server.bodies import read_body, read_document
from zoo_runner.server.documents import (
    EngineChecks,
    MadeToken,
    Operations,
    People,
    SecretList,
    TokenList,
    UploadInfo,
    Usage,
)
from zoo_runner.server.json_answer import JsonAnswer
from zoo_runner.server.pages.document import Document, describe_document
from zoo_runner.server.pages.submitting import is_form
from zoo_runner.server.pages.tokens_page import TokensPage, read_token_form
from zoo_runner.server.pages.workspace_page import build_workspace_page
from zoo_runner.server.parameters import Since
from zoo_runner.server.routes.described import DOCUMENT, NDJSON, ONE_FILE, UPLOAD, describe_answer


def add_workspace(router: APIRouter, api: Api, of: Any) -> None:
    """Add the paths of a workspace."""
    _add_files(router, api, of)
    _add_workspace(router, api, of)
    _add_operations(router, api, of)
    _add_tokens(router, api, of)
    _add_secrets(router, api, of)


def _add_files(router: APIRouter, api: Api, of: Any) -> None:
    @router.post("/files", tags=["files"], status_code=201, responses=describe_answer(UploadInfo, 201), **UPLOAD)
    async def send_files(call: of, request: Request) -> Response:
        """Send files to be inputs of jobs, as a form; the answer has the addresses by which inputs refer to them."""
        upload = await uploads.receive_upload(api, call, request)
        audit.find_note(request).ids["upload_id"] = upload.id
        headers = {"Location": call.link(uploads.PATH, upload.id)}
        return JsonAnswer(uploads.describe_upload(upload, call), 201, headers=headers)

    @router.get("/files/{upload_id}", tags=["files"], **describe_document(UploadInfo))
    def describe_files(call: of, upload_id: str) -> Response:
        """List the files that were sent at once, until they expire."""
        return Document(uploads.describe_upload(uploads.get_upload(api, call, upload_id), call), base=call.base)

    @router.delete("/files/{upload_id}", tags=["files"], status_code=204)
    async def delete_files(call: of, upload_id: str) -> Response:
        """Delete the files that were sent at once."""
        await uploads.remove_upload(api, await run_in_threadpool(uploads.get_upload, api, call, upload_id))
        return Response(status_code=204)

    @router.get("/files/{upload_id}/{path:path}", tags=["files"], responses=ONE_FILE)
    def get_file(call: of, request: Request, upload_id: str, path: str) -> Response:
        """Get a file that was sent; one that lies elsewhere is a link in the header."""
        place = uploads.find_file(uploads.get_upload(api, call, upload_id), path)
        if isinstance(place, str):
            return answer_content(request, results.Content(link=place))
        return answer_file(request, place)


def _add_workspace(router: APIRouter, api: Api, of: Any) -> None:
    lines: dict[int | str, dict[str, Any]] = {200: {"content": {NDJSON: {}}}}

    @router.get("/usage", tags=["workspace"], **describe_document(Usage))
    def get_usage(call: of) -> Response:
        """Show what the workspace uses, and what it may use."""
        usage = quotas.describe_usage(api, call)
        return Document(usage, "usage", call.base, view=lambda: build_workspace_page(usage, call))

    @router.get("/audit", tags=["workspace"], responses=lines)
    def get_audit(call: of, since: Since = None) -> Response:
        """Export the audit log of the workspace, one entry a line, oldest first; for operators."""
        return StreamingResponse(audit.export_entries(api, call.workspace, since), media_type=NDJSON)


def _add_operations(router: APIRouter, api: Api, of: Any) -> None:
    @router.get("/operations", tags=["workspace"], **describe_document(Operations))
    def get_operations(call: of) -> Response:
        """Show the queue, the workers and the workspaces of the installation; for operators."""
        return Document(operations.describe_operations(api, call), "operations", call.base)

    @router.get("/operations/people", tags=["workspace"], **describe_document(People))
    def list_people(call: of) -> Response:
        """List who asked for jobs in the workspaces of the installation, and how many; for operators."""
        return Document(operations.list_people(api, call), "people", call.base)

    @router.get("/operations/engine", tags=["workspace"], **describe_document(EngineChecks))
    async def check_engine(call: of) -> Response:
        """Check the engine and the protections of the installation, as `zoo-runner doctor` does; for operators."""
        found = await api.resolving.run(call.workspace, operations.check_engine, api, call)
        return Document(found, "engine", call.base)


def _add_tokens(router: APIRouter, api: Api, of: Any) -> None:
    @router.post("/tokens", status_code=201, tags=["workspace"], **describe_document(MadeToken, 201), **DOCUMENT)
    async def create_token(call: of, request: Request) -> Response:
        """Make a personal token for this workspace: `title`, `scopes`, `days`. Its text is in this answer only."""
        by_form = is_form(request)
        body = read_token_form(await read_body(request, api)) if by_form else await read_document(request, api)
        made = await run_in_threadpool(personal_tokens.create_token, api, call, body)
        audit.find_note(request).ids["token_id"] = made["id"]
        headers = {"Location": call.link("tokens", made["id"]), "Cache-Control": "no-store"}
        return Document(made, "token", call.base, status_code=201, headers=headers)

    @router.get("/tokens", tags=["workspace"], **describe_document(TokenList))
    def list_tokens(call: of) -> Response:
        """List the personal tokens of the caller in this workspace."""
        listed = personal_tokens.list_tokens(api, call)
        return Document(listed, "tokens", call.base, view=lambda: TokensPage(api.identity.token_days))

    @router.delete("/tokens/{token_id}", tags=["workspace"], status_code=204)
    def revoke_token(call: of, token_id: str) -> Response:
        """Revoke a personal token of the caller: no request is let in by it any more."""
        personal_tokens.revoke_token(api, call, token_id)
        return Response(status_code=204)

    @router.post("/tokens/{token_id}/revoke", include_in_schema=False)
    def revoke_by_form(call: of, token_id: str) -> Response:
        """Revoke a personal token of the caller."""
        personal_tokens.revoke_token(api, call, token_id)
        return see_other(call.link("tokens"))


def _add_secrets(router: APIRouter, api: Api, of: Any) -> None:
    @router.get("/secrets", tags=["workspace"], **describe_document(SecretList))
    def list_secrets(call: of) -> Response:
        """List the names of the secrets of this workspace; their values are in no answer."""
        return Document(workspace_secrets.list_secrets(api, call), base=call.base)

    @router.put("/secrets/{secret_name}", tags=["workspace"], status_code=204, **DOCUMENT)
    async def put_secret(call: of, secret_name: str, request: Request) -> Response:
        """Set a secret of this workspace, `{"value": "…"}`, which its jobs use from then on."""
        body = await read_document(request, api)
        await run_in_threadpool(workspace_secrets.put_secret, api, call, secret_name, body)
        return Response(status_code=204)

    @router.delete("/secrets/{secret_name}", tags=["workspace"], status_code=204)
    def remove_secret(call: of, secret_name: str) -> Response:
        """Remove a secret of this workspace."""
        api.vault.remove(call.workspace, secret_name)
        return Response(status_code=204)
