"""What servers of Part 2 answer to a harvest: a kernel of ZOO as it was observed, proxies, and busy ones."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from tests.loopback import serving_handler
from zoo_runner.api_client import UnansweredError
from zoo_runner.harvest.server import ProcessServer, RefusedError, ShutError
from zoo_runner.harvest.workflows import Workflow
from zoo_runner.model.package import NO_PACKAGE

JSON = "application/json"
Said = tuple[int, str, str, str]
"""A status, the media type, the body and a header field that an answer has."""


class Kernel:
    """Processes as a kernel of ZOO keeps them: 201 at a place, 204 without a word, 404 and 403 with an exception."""

    def __init__(self) -> None:
        self.processes: dict[str, str] = {}
        self.fixed = {"echo"}
        # what is answered first, by method
        self.before: dict[str, list[Said]] = {}

    def answer(self, method: str, path: str, body: str) -> Said:
        if said := self.before.get(method):
            return said.pop(0) if len(said) > 1 else said[0]
        parts = urlsplit(path)
        if method == "POST":
            return self._deploy(parse_qs(parts.query)["w"][0], body)
        name = unquote(parts.path.removeprefix("/processes").strip("/"))
        if not name or (method == "GET" and name in self.processes):
            return 200, JSON, "{}", ""
        return self._change(method, name, body)

    def _deploy(self, name: str, body: str) -> Said:
        if name in self.processes:
            return 409, JSON, '{"title": "DuplicatedProcess"}', f"Location: /processes/{name}"
        self.processes[name] = body
        return 201, JSON, "", f"Location: /base/processes/{name}"

    def _change(self, method: str, name: str, body: str) -> Said:
        if method != "GET" and name in self.fixed:
            return 403, JSON, '{"title": "ImmutableProcess"}', ""
        if name not in self.processes:
            return 404, JSON, '{"title": "NoSuchProcess"}', ""
        if method == "PUT":
            self.processes[name] = body
            return 204, "", "", f"Location: /processes/{name}"
        del self.processes[name]
        return 204, "", "", ""


@contextmanager
def serving(kernel: Kernel) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            status, kind, content, field = kernel.answer(self.command, self.path, body)
            self.send_response(status)
            for name, value in (("Content-Type", kind), tuple(field.split(": ")) if field else ("", "")):
                if value:
                    self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content.encode())

        do_GET = do_POST = do_PUT = do_DELETE = handle_any

        def log_message(self, *_: object) -> None:
            pass

    with serving_handler(Handler) as url:
        yield url


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


@pytest.fixture
def server(kernel: Kernel) -> Iterator[ProcessServer]:
    with serving(kernel) as url:
        yield ProcessServer(url)


def build(name: str, text: str) -> Workflow:
    return Workflow(f"{name}.cwl", replace(NO_PACKAGE, workflow_id=name), text)


def test_a_kernel_of_zoo_is_brought_up_to_date(kernel: Kernel, server: ProcessServer) -> None:
    assert server.deploy(build("a b", "one"), is_ours=False) == "a b"
    with pytest.raises(RefusedError):
        server.ensure_free("a b")
    with pytest.raises(RefusedError):
        server.deploy(build("a b", "theirs"), is_ours=False)
    assert kernel.processes == {"a b": "one"}
    # begun by a run that was killed
    assert server.deploy(build("a b", "two"), is_ours=True) == "a b"
    assert server.replace("a b", build("a b", "three")) == "a b"
    assert (kernel.processes, server.has("a b")) == ({"a b": "three"}, True)
    for _ in range(2):
        server.undeploy("a b", "a b")
        assert (kernel.processes, server.has("a b")) == ({}, False)
    server.ensure_free("a b")
    # somebody has removed it
    assert server.replace("a b", build("a b", "four")) == "a b"
    assert kernel.processes == {"a b": "four"}


def test_a_process_of_the_server_itself_is_refused_with_what_to_do(server: ProcessServer) -> None:
    for change in (lambda: server.replace("echo", build("echo", "one")), lambda: server.undeploy("echo", "echo")):
        with pytest.raises(RefusedError) as caught:
            change()
        assert "another id" in caught.value.diagnosis.remedy


BUSY: Said = (429, JSON, "{}", "Retry-After: 0")
PROXY: Said = (404, "text/plain", "default backend - 404", "")
DENIED: Said = (401, JSON, '{"detail": "expired"}', "")


def test_a_server_that_is_busy_is_asked_again_and_what_it_had_is_found(kernel: Kernel, server: ProcessServer) -> None:
    kernel.before = {"POST": [BUSY, BUSY, (409, JSON, "{}", "")]}
    # it had none of the requests
    with pytest.raises(RefusedError):
        server.deploy(build("a", "one"), is_ours=False)
    kernel.before = {"POST": [(502, JSON, "{}", ""), (409, JSON, "{}", "")]}
    kernel.processes = {"a": "one"}
    # it may have had the first one
    assert server.deploy(build("a", "two"), is_ours=False) == "a"
    assert kernel.processes == {"a": "two"}
    kernel.before = {"PUT": [BUSY]}
    with pytest.raises(UnansweredError):
        server.replace("a", build("a", "three"))
    kernel.before = {"PUT": [(413, JSON, '{"detail": "too large"}', "")]}
    with pytest.raises(RefusedError):
        server.replace("a", build("a", "three"))


@pytest.mark.parametrize(
    "said", [PROXY, DENIED, (302, "text/html", "", "Location: /login"), (200, "text/html", "<p>", "")]
)
def test_what_says_nothing_of_a_process_is_an_outage(kernel: Kernel, server: ProcessServer, said: Said) -> None:
    kernel.processes = {"a": "one"}
    kernel.before = {method: [said] for method in ("GET", "POST", "PUT", "DELETE")}
    for change in (
        lambda: server.ensure_free("b"),
        lambda: server.deploy(build("b", "one"), is_ours=True),
        lambda: server.replace("a", build("a", "two")),
        lambda: server.undeploy("a", "a"),
        lambda: server.has("a"),
    ):
        with pytest.raises(ShutError) as caught:
            change()
        # so nothing has begun
        assert not caught.value.sent
    assert kernel.processes == {"a": "one"}
