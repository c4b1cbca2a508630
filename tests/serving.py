"""A real server process of the runner for tests, and a client that holds every answer against the OpenAPI document."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from tests.waiting import wait_for

START_SECONDS, LONGEST_SECONDS = 60, 120
ASYNC = {"Prefer": "respond-async"}
CWL = "application/cwl+yaml"
FINAL = ("successful", "failed", "dismissed")

# documents that describe the API, and what is for browsers
_UNDESCRIBED = re.compile(
    r"/api(/3\.0)?$|/assets/|[^?]*\.html(\?|$)|.*/jobs/[^/]+/(dismiss|start|again|edit)(\?|$)|.*/(form|revoke)$"
)


@dataclass(frozen=True)
class Answer:
    """What the server has answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The document in the body."""
        return json.loads(self.body)


@dataclass
class Server:
    """A running server; `kill` ends it without any chance to tidy up."""

    port: int
    environ: Mapping[str, str]
    log: Path
    process: "subprocess.Popen[bytes]" = field(init=False)

    @property
    def url(self) -> str:
        """The address of the API."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, "-m", "zoo_runner", "serve", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=dict(self.environ), stdout=log, stderr=log)
        wait_for(self._answers, START_SECONDS)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with socket.socket() as connection:
            return connection.connect_ex(("127.0.0.1", self.port)) == 0

    def find_workers(self) -> list[int]:
        """Process ids of the workers."""
        children = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(pid) for path in children for pid in path.read_text().split()]

    def kill(self) -> None:
        """Kill the server; its workers end by themselves."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Stop the server as an operator does."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(START_SECONDS)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request, JSON where the body is no text, and check what comes back."""
        sent = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            sent.setdefault("Content-Type", "application/json")
            body = json.dumps(body).encode()
        url = path if path.startswith("http") else self.url + path
        request = urllib.request.Request(url, body, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=LONGEST_SECONDS) as response:
                answer = Answer(response.status, dict(response.headers), response.read())
        except urllib.error.HTTPError as error:
            answer = Answer(error.code, dict(error.headers), error.read())
        answer = Answer(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.body)
        self.check(method, url.removeprefix(self.url), answer)
        return answer

    @cached_property
    def openapi(self) -> dict[str, Any]:
        """The server's OpenAPI document."""
        with urllib.request.urlopen(f"{self.url}/api", timeout=START_SECONDS) as response:
            document: dict[str, Any] = json.load(response)
        return document

    def check(self, method: str, path: str, answer: Answer) -> None:
        """Hold an answer against the OpenAPI document."""
        operation = self._find_operation(method, path.partition("?")[0])
        if operation is None:
            refused = 400 if "%00" in path else 404
            assert answer.status in (refused, 405) or method in ("HEAD", "OPTIONS") or _UNDESCRIBED.match(path)
            return
        responses = operation["responses"]
        described = responses.get(str(answer.status)) or responses.get(f"{answer.status // 100}XX")
        assert described is not None, f"{method} {path} answers {answer.status}, which its description lacks"
        contents, media_type = described.get("content", {}), answer.headers.get("content-type", "").partition(";")[0]
        if answer.status in (204, 304):
            assert answer.body == b""
            return
        content = contents.get(media_type, contents.get("*/*"))
        whole = f"{answer.status} {answer.headers} {answer.body[:1000]!r}"
        assert content is not None, f"{method} {path} answers {media_type!r}, which its description lacks: {whole}"
        if schema := content.get("schema"):
            Draft202012Validator({**schema, "components": self.openapi["components"]}).validate(answer.json)

    def _find_operation(self, method: str, path: str) -> dict[str, Any] | None:
        # templates with the fewest parameters first, so that fixed paths win
        for template in sorted(self.openapi["paths"], key=lambda one: one.count("{")):
            pattern = re.sub(r"\\\{path\\\}", ".+", re.escape(template))
            if re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", pattern), path):
                operation: dict[str, Any] | None = self.openapi["paths"][template].get(method.lower())
                if operation:
                    return operation
        return None

    def deploy(self, package: Path, base: str = "") -> str:
        """Deploy a package; return the id of its process."""
        answer = self.request("POST", f"{base}/processes", package.read_bytes(), {"Content-Type": CWL})
        assert answer.status == 201, answer.body
        return str(answer.json["id"])

    def execute(self, process: str, inputs: Mapping[str, Any], base: str = "") -> str:
        """Start a job; return its id."""
        answer = self.request("POST", f"{base}/processes/{process}/execution", {"inputs": inputs}, ASYNC)
        assert answer.status == 201, answer.body
        return str(answer.json["jobID"])

    def wait(self, job: str, *statuses: str, base: str = "", seconds: float = LONGEST_SECONDS) -> Any:
        """Wait until a job has one of the statuses, by default one at its end; return its status document."""
        found: list[Any] = []

        def look() -> bool:
            found[:] = [self.request("GET", f"{base}/jobs/{job}").json]
            return found[0]["status"] in (statuses or FINAL)

        wait_for(look, seconds)
        return found[0]


@contextmanager
def serving(environ: Mapping[str, str], folder: Path) -> Iterator[Server]:
    """Run a server on a free port while the block runs."""
    server = Server(find_free_port(), environ, folder / "server.log")
    server.start()
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()


def find_free_port() -> int:
    """Return a port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def kill(pid: int) -> None:
    """End a process without any chance to tidy up."""
    os.kill(pid, signal.SIGKILL)
