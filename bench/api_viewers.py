"""Many viewers of the live log of one job: what each costs the server, and whether the job takes longer."""

import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from bench.commands import read_mib
from tests.serving import Server

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "bench" / "ticking.cwl"
LINES = 50
_VIEWERS = """
import resource, selectors, socket, sys
port, job, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
selector = selectors.DefaultSelector()
for _ in range(count):
    viewer = socket.create_connection(("127.0.0.1", port))
    viewer.sendall(f"GET /jobs/{job}/logs/job.log?follow=true HTTP/1.0\\r\\n\\r\\n".encode())
    selector.register(viewer, selectors.EVENT_READ)
print("ready", flush=True)
seen = {fd: b"" for fd in selector.get_map()}
while selector.get_map():
    for key, _ in selector.select():
        if chunk := key.fileobj.recv(65536):
            seen[key.fd] += chunk
        else:
            selector.unregister(key.fileobj)
lines = [content.count(b"line ") for content in seen.values()]
print(min(lines), max(lines))
"""


def measure_viewers(server: Server, count: int, rounds: int) -> tuple[float, float]:
    """Return MiB for each viewer, and the job's time with viewers beside that without, the median of the rounds."""
    server.deploy(PACKAGE)
    _run_job(server, 0)
    before = read_mib(server.process.pid, "Rss")
    grown, ratios = [], []
    for _ in range(rounds):
        alone, _ = _run_job(server, 0)
        viewed, size = _run_job(server, count)
        ratios.append(viewed / alone)
        grown.append((size - before) / count)
    return max(grown), statistics.median(ratios)


def _run_job(server: Server, viewers: int) -> tuple[float, float]:
    """Run the job; return its seconds from start to end, as the server stored them, and the server's size during it."""
    job = server.execute("ticking", {})
    server.wait(job, "running")
    with _viewing(server, job, viewers):
        size = read_mib(server.process.pid, "Rss")
        status = server.wait(job)
    assert status["status"] == "successful", status
    return _count_seconds(status), max(size, read_mib(server.process.pid, "Rss"))


def _count_seconds(status: dict[str, str]) -> float:
    start, end = (datetime.fromisoformat(status[name].replace("Z", "+00:00")) for name in ("started", "finished"))
    return (end - start).total_seconds()


@contextmanager
def _viewing(server: Server, job: str, count: int) -> Iterator[None]:
    if not count:
        yield
        return
    words = [sys.executable, "-c", _VIEWERS, str(server.port), job, str(count)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield
        least, most = map(int, process.stdout.readline().split())
        assert LINES <= least == most, "a viewer missed lines"
