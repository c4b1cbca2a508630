"""A server of the runner with one job of the tour, to be looked at in a browser."""

import json
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from demo.servers import dies_with_parent

_START_SECONDS, _JOB_SECONDS = 60, 300
_PAUSE_SECONDS = 0.2
_BOUNDARY = "part-of-the-package"


@contextmanager
def serve_service(environ: Mapping[str, str], folder: Path) -> Iterator[str]:
    """Run `zoo-runner serve` on a free port; yields its address. Raises `RuntimeError` where it does not start."""
    folder.mkdir(parents=True)
    address, log = f"http://127.0.0.1:{(port := _find_free_port())}", folder / "server.log"
    command = [*dies_with_parent(), "zoo-runner", "serve", "--port", str(port)]
    with log.open("wb") as printed, subprocess.Popen(command, env=environ, stdout=printed, stderr=printed) as process:
        try:
            _wait_until_ready(address, process, log)
            yield address
        finally:
            process.terminate()


def run_job(address: str, package: Path, inputs: Mapping[str, Any]) -> str:
    """Deploy a package with the files beside it, execute it, and return the page of the job once that has ended.

    Raises `RuntimeError` where the server refuses it.
    """
    try:
        return _run(address, package, inputs)
    except OSError as error:
        raise RuntimeError(f"the server at {address} does not run {package.name}: {error}") from error


def _run(address: str, package: Path, inputs: Mapping[str, Any]) -> str:
    others = sorted(path for path in package.parent.glob("*.py"))
    body = b"".join(
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="{path.name}"\r\n\r\n'.encode()
        + path.read_bytes()
        + b"\r\n"
        for path in (package, *others)
    )
    form = f"multipart/form-data; boundary={_BOUNDARY}"
    process = _ask(f"{address}/processes", body + f"--{_BOUNDARY}--\r\n".encode(), {"Content-Type": form})
    sent = {"Content-Type": "application/json", "Prefer": "respond-async"}
    execution = f"{address}/processes/{process['id']}/execution"
    job = f"{address}/jobs/{_ask(execution, json.dumps({'inputs': inputs}).encode(), sent)['jobID']}"
    deadline = time.monotonic() + _JOB_SECONDS
    while (status := _ask(job)["status"]) in ("accepted", "running"):
        if time.monotonic() > deadline:
            raise RuntimeError(f"the job {job} has not ended within {_JOB_SECONDS} s: it is {status}")
        threading.Event().wait(_PAUSE_SECONDS)
    return f"{job}.html"


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not _is_ready(address):
        if process.poll() is not None or time.monotonic() > deadline:
            printed = log.read_text(encoding="utf-8", errors="replace").strip()
            raise RuntimeError(f"the server did not start: {printed or 'it does not answer'}")
        threading.Event().wait(_PAUSE_SECONDS)


def _is_ready(address: str) -> bool:
    try:
        _ask(f"{address}/health/ready")
    except OSError:
        return False
    return True


def _ask(address: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Any:
    request = urllib.request.Request(address, body, dict(headers or {}))
    with urllib.request.urlopen(request, timeout=_START_SECONDS) as answer:
        return json.load(answer)
