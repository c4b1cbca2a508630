"""Requests to the Kubernetes API that share a connection, over a server of HTTP/2 that is as small as possible."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.servers import make_certificate
from zoo_runner.engines.kubernetes.background import Background, find_background
from zoo_runner.engines.kubernetes.connection import Connection
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_staging.curl import Tls

# of frames (RFC 9113, section 6): types and flags
DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, ACK, END_HEADERS = 1, 1, 4
PREFACE_BYTES, HEAD_BYTES = 24, 9
# ":status: 200" of the static table (RFC 7541, appendix A)
OK = b"\x88"


@dataclass
class Access:
    """How the server is reached: nobody logs in."""

    url: str
    tls: Tls
    proxy: str | None = None
    no_proxy: str = ""
    renews: bool = True
    is_quick: bool = True

    def headers(self) -> dict[str, str]:
        return {}


@dataclass
class Api:
    """Answers the first request with a stream that goes on, others with an object, or not at all."""

    is_silent: bool = False
    connections: int = 0
    asked: list[int] = field(default_factory=list)
    stream: tuple[asyncio.StreamWriter, int] | None = None
    first_is_closed: threading.Event = field(default_factory=threading.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer what comes on a connection."""
        number, self.connections = self.connections, self.connections + 1
        writer.write(build_frame(SETTINGS, 0, 0))
        try:
            await reader.readexactly(PREFACE_BYTES)
            while True:
                head = await reader.readexactly(HEAD_BYTES)
                await reader.readexactly(int.from_bytes(head[:3], "big"))
                if head[3] == SETTINGS and not head[4] & ACK:
                    writer.write(build_frame(SETTINGS, ACK, 0))
                elif head[3] == HEADERS:
                    self._answer(number, writer, int.from_bytes(head[5:], "big"))
        except (asyncio.IncompleteReadError, ConnectionError):
            if number == 0:
                self.first_is_closed.set()
        writer.close()

    def _answer(self, number: int, writer: asyncio.StreamWriter, stream: int) -> None:
        self.asked.append(number)
        if self.stream is None:
            self.stream = (writer, stream)
            writer.write(build_frame(HEADERS, END_HEADERS, stream, OK) + build_frame(DATA, 0, stream, b"one\n"))
        elif not (self.is_silent and number == 0):
            writer.write(build_frame(HEADERS, END_HEADERS, stream, OK) + build_frame(DATA, END_STREAM, stream, b"{}"))

    def end_stream(self) -> None:
        """Send the last line of the stream."""
        assert self.stream
        writer, stream = self.stream
        writer.write(build_frame(DATA, END_STREAM, stream, b"two\n"))


def build_frame(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
    """Build a frame of HTTP/2."""
    return len(content).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + content


@pytest.fixture
def api(tmp_path: Path) -> Iterator[tuple[Api, Connection, Background]]:
    """A server of HTTP/2, and a connection to it whose requests wait ten seconds for an answer."""
    background, served = find_background(), Api()
    certificate, key = make_certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2"])

    async def start() -> asyncio.Server:
        return await asyncio.start_server(served.serve, "127.0.0.1", 0, ssl=context)

    server = background.run(start())
    port = server.sockets[0].getsockname()[1]
    access = Access(f"https://127.0.0.1:{port}", Tls(str(certificate)))
    connection = Connection(access, background, read_seconds=10)
    yield served, connection, background
    background.run(connection.close())
    background.loop.call_soon_threadsafe(server.close)


def test_after_a_request_without_an_answer_others_have_a_new_connection_and_streams_go_on(
    api: tuple[Api, Connection, Background],
) -> None:
    served, connection, background = api
    lines: list[str] = []
    has_begun = threading.Event()

    async def read() -> None:
        async for some in connection.read_stream("/log", "reading a log", {}, 300):
            lines.extend(some)
            has_begun.set()

    reading = background.start(read())
    assert has_begun.wait(60)
    assert background.run(connection.call("GET", "/one", "asking")) == {}
    served.is_silent = True
    with pytest.raises(ApiError) as caught:
        background.run(connection.call("GET", "/two", "asking"))
    assert caught.value.status == 0
    assert background.run(connection.call("GET", "/three", "asking")) == {}
    # the stream, two requests on its connection, and one on another
    assert served.asked == [0, 0, 0, 1]
    background.call_soon(served.end_stream)
    reading.result(60)
    assert lines == ["one", "two"]
    assert served.first_is_closed.wait(60)
