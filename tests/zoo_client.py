"""A client of a ZOO kernel, for live tests and measurements: users, their processes and jobs."""

import json
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CWL = "application/cwl"
JSON = "application/json"


@dataclass(frozen=True)
class Answer:
    code: int
    headers: Any
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(method: str, url: str, body: bytes | None = None, media: str = JSON, **headers: str) -> Answer:
    request = urllib.request.Request(url, method=method, data=body, headers={"Accept": JSON, **headers})
    if body is not None:
        request.add_header("Content-Type", media)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return Answer(answer.status, answer.headers, answer.read().decode("utf-8", "replace"))
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read().decode("utf-8", "replace"))


@dataclass(frozen=True)
class Job:
    url: str

    @property
    def id(self) -> str:
        return self.url.rpartition("/")[2]

    def status(self) -> Any:
        return ask("GET", self.url).json

    def wait(self, seconds: float = 240, pause_seconds: float = 0.2) -> list[Any]:
        """Every status seen until the end, the last one final; raises `TimeoutError`."""
        seen: list[Any] = []
        deadline = time.monotonic() + seconds
        pause = threading.Event()
        while time.monotonic() < deadline:
            status = self.status()
            if not seen or status != seen[-1]:
                seen.append(status)
            if status["status"] not in ("accepted", "running"):
                return seen
            pause.wait(pause_seconds)
        raise TimeoutError(f"job {self.id} did not end in {seconds} s; last: {seen[-1]}")

    def results(self) -> Any:
        return ask("GET", f"{self.url}/results").json

    def links(self) -> dict[str, str]:
        return {link["title"]: link["href"] for link in self.status()["links"]}


@dataclass(frozen=True)
class User:
    kernel: str
    name: str

    @property
    def api(self) -> str:
        return f"{self.kernel}/{self.name}/ogc-api"

    def deploy(self, path: Path, **query: str) -> Answer:
        return ask("POST", f"{self.api}/processes", path.read_bytes(), CWL)

    def execute(self, process: str, inputs: Any, **request: Any) -> Job:
        body = json.dumps({"inputs": inputs, **request}).encode()
        answer = ask("POST", f"{self.api}/processes/{process}/execution", body, Prefer="respond-async")
        assert answer.code == 201, answer.body
        return Job(answer.headers["Location"])


@contextmanager
def make_user(kernel: str, prefix: str) -> Iterator[User]:
    """A user of this run's own on the kernel at this URL; what it deployed is removed at the end."""
    user = User(kernel, f"{prefix}{uuid.uuid4().hex[:8]}")
    yield user
    for process in ask("GET", f"{user.api}/processes").json["processes"]:
        if process.get("mutable"):
            ask("DELETE", f"{user.api}/processes/{process['id']}")
