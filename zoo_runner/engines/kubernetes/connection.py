"""Requests to the API and streams of lines from it, on the event loop; errors translated."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from zoo_runner.engines.kubernetes.access import Access
from zoo_runner.engines.kubernetes.background import Background
from zoo_runner.engines.kubernetes.counts import NO_ANSWER, REQUESTS, find_verb
from zoo_runner.engines.kubernetes.errors import ApiError, read_refusal
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_staging.curl import Curl, CurlError, Request, Transfer

_CONNECT_SECONDS, _READ_SECONDS = 10.0, 60.0


@dataclass(frozen=True)
class Head:
    """The head of an answer: HTTP status, and headers with names in lower case."""

    status: int
    headers: Mapping[str, str]


class Connection:
    """Connections to one API server. Its coroutines run on the loop of the background.

    A request that has no answer for `read_seconds` fails.
    """

    def __init__(self, access: Access, background: Background, read_seconds: float = _READ_SECONDS) -> None:
        self._access, self._background, self._read_seconds = access, background, read_seconds
        self._curl: Curl | None = None
        # connections of before, which only streams use that began on them
        self._retired: list[Curl] = []

    async def close(self) -> None:
        """End all streams and close the connections."""
        for curl in (*self._retired, *([self._curl] if self._curl else [])):
            curl.close()
        self._retired, self._curl = [], None

    async def call(
        self, method: str, path: str, what: str, query: Mapping[str, str] | None = None, body: Manifest | None = None
    ) -> Manifest:
        """Make a request and return the answer; `what` describes the request in an `ApiError`."""
        async with self._open(method, path, what, query or {}, body) as transfer:
            with _translating(what, self._access.url), self._leaving_silent():
                status, _ = await _read_head(transfer, find_verb(method, path, query or {}), self._read_seconds)
                content = b"".join([chunk async for chunk in transfer.read(self._read_seconds)])
        if status >= 400:
            raise read_refusal(what, status, content)
        with _translating(what, self._access.url):
            return _read_object(content)

    async def read_stream(
        self, path: str, what: str, query: Mapping[str, str], silence_seconds: float
    ) -> AsyncIterator[list[str]]:
        """Yield whole lines as they arrive, several at once; `ApiError` of status 0 if the connection breaks.

        A connection on which nothing comes for `silence_seconds` counts as broken.
        """
        async with self._open("GET", path, what, query, None) as transfer:
            with _translating(what, self._access.url):
                status, _ = await _read_head(transfer, find_verb("GET", path, query), silence_seconds)
                chunks = transfer.read(silence_seconds)
                if status < 400:
                    async for lines in split_lines(chunks):
                        yield lines
                    return
                content = b"".join([chunk async for chunk in chunks])
        raise read_refusal(what, status, content)

    async def download(
        self, path: str, what: str, take: Callable[[bytes], object], more: Mapping[str, str], silence_seconds: float
    ) -> Head:
        """Call `take` with the bytes of an answer as they arrive; none of a redirect. `more` are further headers.

        Raises `ApiError`; of status 0 if the connection breaks or nothing comes for `silence_seconds`.
        """
        async with self._open("GET", path, what, {}, None, more) as transfer:
            with _translating(what, self._access.url):
                status, headers = await _read_head(transfer, find_verb("GET", path, {}), silence_seconds)
                chunks = transfer.read(silence_seconds)
                if 300 <= status < 400:
                    return Head(status, headers)
                if status < 400:
                    async for chunk in chunks:
                        take(chunk)
                    return Head(status, headers)
                content = b"".join([chunk async for chunk in chunks])
        raise read_refusal(what, status, content)

    @contextmanager
    def _leaving_silent(self) -> Iterator[None]:
        """Make new connections after a request that had no answer.

        Requests share a connection (HTTP/2), and the system needs a quarter of an hour to notice that its peer has
        disappeared: until then all others would be sent to it as well.
        """
        curl = self._curl
        try:
            yield
        except TimeoutError:
            if curl is not None and curl is self._curl:
                self._curl = None
                self._retired = [*(one for one in self._retired if not one.is_closed), curl]
                curl.retire()
            raise

    @asynccontextmanager
    async def _open(
        self,
        method: str,
        path: str,
        what: str,
        query: Mapping[str, str],
        body: Manifest | None,
        more: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Transfer]:
        url = f"{self._access.url}{path}" + (f"?{urlencode(query)}" if query else "")
        with _translating(what, self._access.url):
            fields = await self._build_fields(method, more or {})
        if self._curl is None:
            self._curl = Curl()
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        transfer = self._curl.start(
            Request(
                url,
                str(parts.hostname),
                port,
                fields,
                None if body is None else json.dumps(body).encode(),
                self._access.proxy,
                (),
                None,
                _CONNECT_SECONDS,
                method,
                self._access.tls,
                self._access.no_proxy,
                wake_bytes=1,
                multiplexed=True,
            )
        )
        try:
            yield transfer
        finally:
            transfer.close()

    async def _build_fields(self, method: str, more: Mapping[str, str]) -> tuple[str, ...]:
        loop, kind = asyncio.get_running_loop(), "application/json"
        if self._access.is_quick:
            login = self._access.headers()
        else:
            login = await loop.run_in_executor(self._background.login, self._access.headers)
        if method == "PATCH":
            kind = "application/merge-patch+json"
        fields = {"Accept": "application/json", "Content-Type": kind, "Expect": "", **more, **login}
        return tuple(f"{name}: {value}" if value else f"{name}:" for name, value in fields.items())


async def _read_head(transfer: Transfer, verb: str, seconds: float) -> tuple[int, Mapping[str, str]]:
    """Return status and headers of an answer; the request is counted."""
    try:
        status, _, headers = await transfer.read_head(seconds)
    except (CurlError, TimeoutError):
        REQUESTS.add(verb, NO_ANSWER)
        raise
    REQUESTS.add(verb, status)
    return status, headers


@contextmanager
def _translating(what: str, url: str) -> Iterator[None]:
    """Translate errors of the connection into `ApiError` of status 0."""
    try:
        yield
    except CurlError as error:
        if error.kind == "untrusted":
            raise ApiError(what, 0, error.kind, f"{url} is not trusted: {error}") from error
        raise ApiError(what, 0, error.kind, f"{url} does not answer: {error}") from error
    except TimeoutError as error:
        raise ApiError(what, 0, "timeout", f"{url} does not answer") from error
    except (OSError, ValueError) as error:
        # no token to log in with, or an answer that is not Kubernetes'
        raise ApiError(what, 0, type(error).__name__, f"{url} cannot be used: {error}") from error


def _read_object(content: bytes) -> Manifest:
    answer = json.loads(content)
    if not isinstance(answer, dict):
        raise ValueError(f"expected an object, got {type(answer).__name__}")  # noqa: TRY004 one error for bad answers
    return answer


async def split_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[str]]:
    """Cut bytes into lines, those of a chunk at once."""
    rest: list[bytes] = []  # of a line that goes on: a tool may print a hundred megabytes without an end of line
    async for chunk in chunks:
        first, *others = chunk.split(b"\n")
        rest.append(first)
        if others:
            whole = [b"".join(rest), *others[:-1]]
            rest = [others[-1]]
            yield [line.decode("utf-8", "replace") for line in whole]
    if last := b"".join(rest):
        yield [last.decode("utf-8", "replace")]
