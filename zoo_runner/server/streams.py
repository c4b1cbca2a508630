"""Answers that go on while a job runs: a log that grows, and events of a job as server-sent events."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

from fastapi.concurrency import run_in_threadpool

from zoo_runner.execution.growing_log import GrowingLog
from zoo_runner.model.codec import event_to_plain
from zoo_runner.model.errors import JobNotFoundError
from zoo_runner.model.job import FINAL, Job
from zoo_runner.server.api import Api, Call
from zoo_runner.server.following import has_ended
from zoo_runner.server.jobs import describe_job

_EVENTS_AT_ONCE = 500
_ALIVE_SECONDS = 15.0
_ALIVE = b": the job goes on\n\n"


async def follow_log(api: Api, job: Job, path: Path) -> AsyncIterator[bytes]:
    """Yield a log from its begin, and go on as it grows until the job has ended: each line once, as it is complete."""
    log = GrowingLog(path)
    async with aclosing(_follow(api, job)) as turns:
        async for ended in turns:
            while chunk := await run_in_threadpool(log.read, whole=ended):
                yield chunk


async def _follow(api: Api, job: Job) -> AsyncGenerator[bool, None]:
    """Yield whenever a job may have written more, and whether it has ended; that is the last time."""
    if job.status in FINAL:
        yield True
        return
    ended = False
    async with api.following.watching(job, api.store.jobs) as watch:
        while True:
            changed, ended = watch.changed, ended or watch.ended
            yield ended
            if ended:
                return
            try:
                await asyncio.wait_for(changed.wait(), _ALIVE_SECONDS)
            except asyncio.TimeoutError:
                ended = await run_in_threadpool(has_ended, job.id, api.store.jobs)


async def stream_events(api: Api, call: Call, job: Job, after: int, log: Path | None = None) -> AsyncIterator[bytes]:
    """Yield the events of a job that follow the number `after`, then its status, as they come until it has ended.

    The form is that of server-sent events (HTML, section 9.2). The id of an event is its number, so that a client that
    reconnects goes on behind the last one that it had. The last status has the number that follows, others have none.
    Where `log` is the path of one, an event `log` has its size, whenever it has grown.
    """
    shown, ended, size = 0, False, await run_in_threadpool(_measure, log)
    async with api.following.watching(job, api.store.jobs) as watch:
        while True:
            # the end is noted first: sending takes as long as a client reads, and a job may end meanwhile
            changed, ended = watch.changed, ended or watch.ended
            with suppress(JobNotFoundError):
                # what is stored is read after the job: of one that has ended, nothing follows
                job = await run_in_threadpool(api.store.jobs.get, job.id)
            while page := await run_in_threadpool(_read_events, api, job.id, after):
                after = page[-1][0]
                yield b"".join(_write(kind, data, number) for number, kind, data in page)
            if (measured := await run_in_threadpool(_measure, log)) != size:
                size = measured
                yield _write("log", {"size": size})
            ended = ended or job.status in FINAL
            if ended or job.version != shown:
                shown = job.version
                yield _write("status", describe_job(job, call), after + 1 if ended else None)
            if ended:
                return
            try:
                await asyncio.wait_for(changed.wait(), _ALIVE_SECONDS)
            except asyncio.TimeoutError:
                yield _ALIVE


def _measure(log: Path | None) -> int:
    try:
        return log.stat().st_size if log else 0
    except OSError:
        # not written yet, or removed
        return 0


def _read_events(api: Api, job_id: str, after: int) -> list[tuple[int, str, Any]]:
    found = []
    for number, event in api.store.events.read(job_id, after, _EVENTS_AT_ONCE):
        data = event_to_plain(event)
        found.append((number, data.pop("event"), data))
    return found


def _write(kind: str, data: Any, number: int | None = None) -> bytes:
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {kind}\ndata: {json.dumps(data)}\n\n".encode()
