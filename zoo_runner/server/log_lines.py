"""How servers and their workers log: one line for each event, as JSON or, for terminals, as text; secrets are masked.

    logger.info("job ended", extra=about(job, {"status": "successful"}))

Lines of libraries, such as uvicorn, have the same form.
"""

import json
import logging
import re
import secrets
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import datetime, timezone
from time import perf_counter
from types import MappingProxyType
from typing import Any, TextIO
from urllib.parse import unquote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zoo_runner.config.server import ServerSettings
from zoo_runner.model import clock
from zoo_runner.model.job import Job
from zoo_runner.model.masking import Masker

REQUEST_HEADER = "X-Request-Id"
SHARED = "/shared"
"""Below it, a path by itself lets its reader in: no log has one."""
CURRENT_WORKSPACE: ContextVar[str | None] = ContextVar("workspace", default=None)
_CURRENT_REQUEST: ContextVar[str | None] = ContextVar("request", default=None)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_OURS = ("zoo_runner", "uvicorn")
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_READS = ("GET", "HEAD", "OPTIONS")

logger = logging.getLogger(__name__)


def about(job: Job, more: Mapping[str, Any] = _NOTHING) -> dict[str, Any]:
    """Return what a line says of a job, for the argument `extra` of a logger."""
    return {"about": {"job": job.id, "workspace": job.workspace, "processID": job.process_id, **more}}


def get_request_id() -> str | None:
    """Return the id of the request that is being answered."""
    return _CURRENT_REQUEST.get()


def set_up_logging(settings: ServerSettings, secrets: tuple[str, ...], part: str, stream: TextIO | None = None) -> None:
    """Have everything that is logged in this process written to standard error, or to `stream`, in one form.

    `part` is the name of this process in the lines: server or worker.
    """
    stream = stream or sys.stderr
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Lines(Masker([*secrets, *_list_own_secrets(settings)]), part, as_json=as_json))
    logging.root.handlers = [handler]
    logging.root.setLevel(logging.WARNING)
    for name in _OURS:
        logging.getLogger(name).setLevel(settings.log_level.upper())


def _list_own_secrets(settings: ServerSettings) -> tuple[str, ...]:
    password = urlsplit(settings.database).password if "://" in settings.database else None
    return tuple(
        text
        for text in (
            *(settings.callback_secret, settings.link_secret),
            *(password, unquote(password or "")),
            *settings.encryption_keys,
        )
        if text
    )


class Lines(logging.Formatter):
    """Writes a record as one line."""

    def __init__(self, masker: Masker, part: str, *, as_json: bool) -> None:
        super().__init__()
        self._masker, self._part, self._as_json = masker, part, as_json

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        time = clock.format_time(datetime.fromtimestamp(record.created, timezone.utc))
        head = {"time": time, "level": record.levelname.lower(), "message": record.getMessage()}
        context = {"workspace": CURRENT_WORKSPACE.get(), "request": _CURRENT_REQUEST.get()}
        fields = {name: value for name, value in context.items() if value} | getattr(record, "about", {})
        if record.exc_info:
            fields["trace"] = self.formatException(record.exc_info)
        return self._write(self._masker.mask_data(head), self._masker.mask_data(fields), record.name)

    def _write(self, head: Mapping[str, str], fields: Mapping[str, Any], name: str) -> str:
        if self._as_json:
            return json.dumps({**head, **fields, "part": self._part, "logger": name}, ensure_ascii=False)
        words = "".join(f" {key}={value}" for key, value in fields.items() if key != "trace")
        trace = "".join(f"\n  {_escape(line)}" for line in fields.get("trace", "").splitlines())
        return f"{head['time']} {head['level'].upper()} {self._part}: {_escape(head['message'] + words)}{trace}"


def _escape(text: str) -> str:
    """Escape what is not printable: a path with a line break must not look like a second line."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


class Logged:
    """ASGI middleware: gives each request an id, that of the client where it sent one, and logs what came of it.

    Reads are logged at level debug, where they succeed: metrics count them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, request, status = perf_counter(), _find_id(scope), 500
        _CURRENT_REQUEST.set(request)
        CURRENT_WORKSPACE.set(None)

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_HEADER] = request
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            level = logging.INFO if status >= 500 or scope["method"] not in _READS else logging.DEBUG
            if logger.isEnabledFor(level):
                client = (scope.get("client") or ("",))[0]
                said = {"method": scope["method"], "path": _hide(scope["path"]), "status": status, "client": client}
                seconds = round(perf_counter() - started, 4)
                logger.log(level, "request answered", extra={"about": {**said, "seconds": seconds}})


def _hide(path: str) -> str:
    return f"{SHARED}/…" if path.startswith(f"{SHARED}/") else path


def _find_id(scope: Scope) -> str:
    name = REQUEST_HEADER.lower().encode()
    given = next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
