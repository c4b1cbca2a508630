"""Answers what an API server asks kubelets for: the logs of simulated pods, in the words of a real job pod.

A pod says that its step has begun, and after `run_seconds` that it was successful, with results of its own. It says
that its logs are published, as pods do, so that the worker stores the record of the job and not the logs.
"""

import asyncio
import contextlib
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from bench.many_jobs import build_ended
from zoo_runner.engines.kubernetes.pod_log import encode_line
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.events import Event, Published, StageStarted, StepEnded, StepLines, StepStarted
from zoo_runner.model.job import Outcome, Status

_ASKED = re.compile(r"GET /containerLogs/(?P<namespace>[^/]+)/job-(?P<job>[^/]+)-[a-z0-9]{5}/(?P<container>[^/?]+)")


class Kubelet:
    """A server of logs on this machine; `open_logs` is the number of logs that are read now, `most_open` the most."""

    def __init__(self, port: int, run_seconds: float) -> None:
        self.port, self.run_seconds = port, run_seconds
        self.open_logs = self.most_open = self.begun = 0
        self._ends: dict[str, float] = {}

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request for a log."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            asked = _ASKED.match(head)
            status = "200 OK" if asked else "404 Not Found"
            writer.write(f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n".encode())
            if asked:
                await self._write_log(asked["job"], writer)
            await writer.drain()
        writer.close()

    async def _write_log(self, job: str, writer: asyncio.StreamWriter) -> None:
        self.open_logs += 1
        self.most_open = max(self.most_open, self.open_logs)
        loop = asyncio.get_running_loop()
        self.begun += job not in self._ends
        end = self._ends.setdefault(job, loop.time() + self.run_seconds)
        try:
            begun = datetime.now(timezone.utc).timestamp()
            _write(writer, StageStarted(Stage.STAGE_IN, "2 inputs"), StageStarted(Stage.EXECUTE, "1 step"))
            _write(writer, StepStarted("ndvi", "ndvi", begun))
            _write(writer, StepLines("ndvi", ("reading the bands", "writing the index")))
            await writer.drain()
            await asyncio.sleep(max(end - loop.time(), 0))
            _write(writer, *_build_end(job))
        finally:
            self.open_logs -= 1


def _build_end(job: str) -> Iterator[Event | Outcome]:
    place = f"s3://results/scale/{job}"
    yield StepEnded("ndvi", 1.7e9, 1.7e9 + 60, 0, 55.5, 812.0)
    yield StageStarted(Stage.STAGE_OUT, "1 output")
    yield Published(f"{place}/logs/")
    ended = build_ended(Status.SUCCESSFUL).outcome
    assert ended is not None
    yield ended


def _write(writer: asyncio.StreamWriter, *events: Event | Outcome) -> None:
    for event in events:
        for line in encode_line(event):
            now = datetime.now(timezone.utc).isoformat()[:26]
            writer.write(f"{now}000Z {line}\n".encode())


async def _end(server: asyncio.Server) -> None:
    """Close the server and what it still answers."""
    server.close()
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


@contextmanager
def serve_logs(port: int, run_seconds: float, certificate: Path, key: Path) -> Iterator[Kubelet]:
    """Serve logs while the block runs, in a thread."""
    kubelet, loop = Kubelet(port, run_seconds), asyncio.new_event_loop()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = loop.run_until_complete(asyncio.start_server(kubelet.answer, "127.0.0.1", port, ssl=context, backlog=4096))
    thread = threading.Thread(target=loop.run_forever, name="simulated-kubelet", daemon=True)
    thread.start()
    try:
        yield kubelet
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
