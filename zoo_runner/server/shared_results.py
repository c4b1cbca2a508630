"""Links that give everyone who has them one file of results, until they expire.

A link says what it is for and until when, and is signed with a secret of the server: nothing of it is stored. It ends
with its time, with the results, and, as all others do, with another secret.
Source: RFC 2104 (HMAC), RFC 4648, section 5 (base64url).
"""

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from math import ceil
from time import time
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response

from zoo_runner.model import base64url, clock
from zoo_runner.model.errors import EngineError, InputError
from zoo_runner.server.access.audit import find_note
from zoo_runner.server.answers import Downloads, answer_any_file
from zoo_runner.server.api import Api, Call
from zoo_runner.server.documents import SharedLink
from zoo_runner.server.invalid_requests import build_invalid
from zoo_runner.server.jobs import get_job
from zoo_runner.server.log_lines import CURRENT_WORKSPACE, SHARED
from zoo_runner.server.requests import ensure_members, read_days
from zoo_runner.server.results import read_any_file

USUAL_DAYS = 7
_ACTION = "link.read"
# what else the secret may sign some day is not taken for a link
_PURPOSE = b"zoo-runner result link 1\n"
_LONGEST = 8192
_MEMBERS = ("path", "days")


@dataclass(frozen=True)
class Grant:
    """What a link is for: a file of the results of a job, by its path below them; `expires` is in seconds of Unix.

    `hub`: the link was made at the API of a workspace, below the prefix of workspaces.
    """

    workspace: str
    job: str
    path: str
    expires: int
    hub: bool = False


def write_token(grant: Grant, secret: str) -> str:
    """Write a grant with its signature."""
    body = json.dumps(list(asdict(grant).values()), separators=(",", ":")).encode()
    return f"{base64url.encode(body)}.{base64url.encode(_sign(body, secret))}"


def read_token(token: str, secret: str) -> Grant:
    """Read what a link is for; raises `InputError` (`link.invalid`) unless it was signed with the secret."""
    try:
        signed = _read_signed(token, secret)
        values = json.loads(signed or b"")
        return Grant(**dict(zip((one.name for one in fields(Grant)), values, strict=True)))
    except (ValueError, TypeError) as error:
        raise InputError(
            "the link was not made by this server, was changed, or was revoked",
            "Ask who sent it for a new one.",
            code="link.invalid",
        ) from error


def _read_signed(token: str, secret: str) -> bytes | None:
    """Return what was signed; None unless it was signed with the secret, and is written as links are.

    There is one way of writing a link: of others, the last character could be changed. Raises `ValueError`.
    """
    body, _, signature = token.partition(".")
    if not secret or len(token) > _LONGEST:
        return None
    signed = base64url.decode(body)
    is_ours = hmac.compare_digest(base64url.encode(_sign(signed, secret)).encode(), signature.encode())
    return signed if is_ours and base64url.encode(signed) == body else None


def _sign(body: bytes, secret: str) -> bytes:
    return hmac.new(secret.encode(), _PURPOSE + body, sha256).digest()


def ensure_current(grant: Grant, now: float) -> None:
    """Refuse a link whose time is over; raises `InputError` (`link.expired`)."""
    if now >= grant.expires:
        raise InputError(
            f"the link to {grant.path!r} has expired at {clock.from_seconds(grant.expires)}",
            "Ask who sent it for a new one.",
            code="link.expired",
        )


def share_result(api: Api, call: Call, job_id: str, request: Mapping[str, Any]) -> SharedLink:
    """Make a link to a file of results, on the server or in a bucket; `request` has `path`, and may have `days`.

    Who may not read the results makes none. Raises `JobNotFoundError`, `InputError`, and `EngineError` (`link.off`).
    """
    job = get_job(api, call, job_id)
    if not call.may("job.results"):
        raise InputError(
            f"the results of job {job_id} may not be read by this caller, and so not be shared",
            "Ask the owner of the workspace.",
            code="policy.denied",
        )
    secret = _get_secret(api)
    path, days = _read(request, api.settings.link_days)
    read_any_file(job, call, path, lambda: api.find_workspace_of(job).storage)
    grant = Grant(call.workspace, job_id, path, ceil(time() + days * clock.SECONDS_PER_DAY), call.hub)
    return {
        "href": f"{_find_root(api, call)}{SHARED}/{write_token(grant, secret)}",
        "jobID": job_id,
        "path": path,
        "expires": clock.from_seconds(grant.expires),
        "links": [{"href": call.link("jobs", job_id, "files", quote(path)), "rel": "item", "title": "The file itself"}],
    }


def _read(request: Mapping[str, Any], most_days: float) -> tuple[str, float]:
    ensure_members(request, _MEMBERS)
    path = request.get("path")
    if not isinstance(path, str) or not path:
        raise build_invalid("path names no file", "Give what follows /files/ in the address of a result.")
    return path, read_days(request, min(USUAL_DAYS, most_days), most_days)


def _get_secret(api: Api) -> str:
    if not api.settings.link_secret:
        raise EngineError(
            "this server makes no links to results, as it has no secret to sign them",
            "Ask the operator to set ZOO_RUNNER_LINK_SECRET.",
            code="link.off",
        )
    return api.settings.link_secret


def _find_root(api: Api, call: Call) -> str:
    """Return the address of the server, below which the API of the workspace lies."""
    prefix = api.settings.workspace_prefix.strip("/")
    return (call.hub_base or "").removesuffix(f"/{prefix}") if call.hub else call.base


def add_shared_results(app: FastAPI, api: Api, find_base: Callable[[Request], str]) -> None:
    """Add the path at which links are read: without a token, as the link is the permission."""

    @app.get(f"{SHARED}/{{token}}", tags=["jobs"], responses=_ONE_FILE)
    def get_shared_result(request: Request, token: str) -> Response:
        """Get the file that a link was made for, with ranges, until the link expires."""
        grant = read_token(token, api.settings.link_secret)
        note = find_note(request)
        note.workspace, note.action, note.ids = grant.workspace, _ACTION, {"job_id": grant.job}
        CURRENT_WORKSPACE.set(grant.workspace)
        ensure_current(grant, time())
        call = _build_call(api, grant, find_base(request))
        job = get_job(api, call, grant.job)
        content = read_any_file(job, call, grant.path, lambda: api.find_workspace_of(job).storage)
        name = quote(grant.path.rpartition("/")[2])
        headers = {**_HEADERS, "Content-Disposition": f"inline; filename*=UTF-8''{name}"}
        return answer_any_file(request, content, Downloads(api.downloading, grant.workspace), headers)


def _build_call(api: Api, grant: Grant, root: str) -> Call:
    prefix = api.settings.workspace_prefix.strip("/")
    base = f"{root}/{prefix}/{grant.workspace}" if grant.hub else root
    return Call(grant.workspace, base, grant.hub)


_HEADERS = {"Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}
_ONE_FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"*/*": {}}},
    206: {"content": {"*/*": {}}, "description": "The range asked for."},
    304: {"description": "The client has it, by its entity tag or its time."},
}
