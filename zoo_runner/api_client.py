"""Requests to a server of OGC API - Processes, ours or another, repeated until there is an answer that counts."""

import asyncio
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from zoo_runner.model.errors import NotReachedError, SettingsError
from zoo_runner.model.masking import Masker
from zoo_staging.curl import Curl, CurlError, Request
from zoo_staging.http_errors import RETRYABLE, read_retry_after
from zoo_staging.proxies import NO_PROXIES, Proxies

_CONNECT_SECONDS, _ANSWER_SECONDS = 10.0, 120.0
_ATTEMPTS, _FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 4, 1.0, 30.0
_LARGEST_ANSWER_BYTES = 4 << 20
# a proxy that gave up says nothing of the server behind it
_MAYBE_DONE = (500, 502, 504)
_NEVER_SENT = ("unreachable", "untrusted")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Answer:
    """What the server answered; `repeated`: an earlier attempt may have been carried out, and was not answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    repeated: bool = False

    def read_object(self) -> Mapping[str, Any]:
        """Return the JSON object in the body; an empty one where it has none."""
        try:
            document = json.loads(self.body)
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}

    def read_cause(self) -> str:
        """Return what the server says of a refusal (RFC 9457, or an exception of the standard), on one line."""
        document = self.read_object()
        said = next(
            (str(document[name]) for name in ("detail", "description", "title", "message") if document.get(name)), ""
        )
        return " ".join((said or self.body[:300].decode(errors="replace")).split())[:1000]


class UnansweredError(NotReachedError):
    """The server did not answer; `sent`: a request may have reached it, and have been carried out."""

    default_code = "api.unreachable"
    sent = False


class ApiClient:
    """Sends requests to the API at `base`. The bearer token is sent there and to no other server."""

    def __init__(self, base: str, token: str = "", proxies: Proxies = NO_PROXIES, attempts: int = _ATTEMPTS) -> None:
        self._base, self._token, self._proxies, self._attempts = base.rstrip("/"), token, proxies, attempts
        self.mask = Masker([token] if token else []).mask

    def replace_token(self, token: str) -> "ApiClient":
        """Return a client of the same API with another token."""
        return ApiClient(self._base, token, self._proxies, self._attempts)

    def call(self, method: str, path: str, body: bytes | None = None, *fields: str) -> Answer:
        """Send a request to a path below the base, or to an address, and return the answer.

        `fields` are header fields, as "Name: value". Raises `UnansweredError` where no attempt is answered.
        """
        return asyncio.run(self._insist(method, self._find_url(path), body, fields))

    def _find_url(self, path: str) -> str:
        return f"{self._base}{path}" if path.startswith("/") else urljoin(f"{self._base}/", path)

    async def _insist(self, method: str, url: str, body: bytes | None, fields: Sequence[str]) -> Answer:
        """Ask until there is an answer that another attempt would not change."""
        wait, sent = _FIRST_WAIT_SECONDS, False
        for attempt in range(1, self._attempts + 1):
            try:
                answer = await self._ask(method, url, body, fields)
            except (CurlError, OSError, asyncio.TimeoutError) as error:
                why, after = f"does not answer: {str(error) or 'time-out'}", None
                sent = sent or not (isinstance(error, CurlError) and error.kind in _NEVER_SENT)
            else:
                is_last = attempt == self._attempts and answer.status == HTTPStatus.INTERNAL_SERVER_ERROR
                if answer.status not in RETRYABLE or is_last:
                    return replace(answer, repeated=sent)
                why, after = f"answers HTTP {answer.status}", read_retry_after(answer.headers.get("retry-after"))
                sent = sent or answer.status in _MAYBE_DONE
            if attempt < self._attempts:
                # a second client would ask at the same moments
                await asyncio.sleep(min(after or wait * random.uniform(0.75, 1.25), _LONGEST_WAIT_SECONDS))
                wait *= 2
        unanswered = UnansweredError(
            self.mask(f"{self._base} {why}, {self._attempts} times"),
            "Check the address of the server and the network, and try again.",
        )
        unanswered.sent = sent
        raise unanswered

    async def _ask(self, method: str, url: str, body: bytes | None, fields: Sequence[str]) -> Answer:
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            if url.startswith(self._base):
                raise UnansweredError(
                    self.mask(f"{self._base!r} is no address of a server"),
                    "Give one with http: or https: and the name of a host, such as https://hub.example.org.",
                )
            raise UnansweredError(
                self.mask(f"{url} is no address of the web"), "Open it with a program for that scheme."
            )
        headers = ["Expect:", *fields]
        headers += [] if any(one.startswith("Accept:") for one in fields) else ["Accept: application/json"]
        headers += [f"Authorization: Bearer {self._token}"] if self._token and self._is_own(url) else []
        curl = Curl()
        transfer = curl.start(
            Request(
                url,
                str(parts.hostname),
                parts.port or _PORTS[parts.scheme],
                tuple(headers),
                body,
                self._proxies.find(parts.scheme, str(parts.hostname)),
                (),
                None,
                _CONNECT_SECONDS,
                method,
            )
        )
        try:
            status, _, answered = await transfer.read_head(_ANSWER_SECONDS)
            content = bytearray()
            async for chunk in transfer.read(_ANSWER_SECONDS):
                content += chunk[: _LARGEST_ANSWER_BYTES - len(content)]
            return Answer(status, answered, bytes(content))
        finally:
            transfer.close()
            curl.close()

    def _is_own(self, url: str) -> bool:
        return _find_origin(url) == _find_origin(self._base)


def _find_origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def read_token(token_file: str, code: str) -> str:
    """Read the bearer token in a file, empty without one; raises `SettingsError` with this code."""
    if not token_file:
        return ""
    try:
        return Path(token_file).read_text(encoding="utf-8").strip().removeprefix("Bearer ")
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"the token file {token_file} cannot be read: {error}",
            "Correct the name of the file, or its permissions.",
            code=code,
        ) from error
