"""A worker of the server takes jobs from the queue."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any, NoReturn, cast

import pytest

from tests.jobs import accepted, leave_submitted
from tests.values import configuration_in
from tests.waiting import wait_for
from zoo_runner.config.server import ServerSettings
from zoo_runner.engines.fake import FakeEngine
from zoo_runner.engines.protocol import Plan
from zoo_runner.execution.context import MOST_AT_ONCE, Context, open_context
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import EngineError, NotReachedError, SettingsError
from zoo_runner.model.events import Report
from zoo_runner.model.job import FINAL, Job, Status
from zoo_runner.server.worker import AwayJobs, Worker
from zoo_runner.store.protocol import JobQueue, Share


class Queue:
    """A queue that always has the jobs of a store, as a database has them."""

    def __init__(self, context: Context, *job_ids: str) -> None:
        self.claimed: list[str] = []
        self.tried = threading.Semaphore(0)
        self._context, self._ids = context, job_ids

    def claim(self, owner: str, seconds: float, share: Share) -> Job | None:
        waiting = (self._context.store.get(job_id) for job_id in self._ids if job_id not in share.without)
        job = next((job for job in waiting if job.status not in FINAL), None)
        if job:
            self.claimed.append(job.id)
            self.tried.release()
        return job


@contextmanager
def working(context: Context, queue: Any, away_seconds: float = 60) -> Iterator[Worker]:
    """A worker in a thread of its own."""
    worker = Worker(context, cast(JobQueue, queue), ServerSettings(), 1, away_seconds=away_seconds)
    running = threading.Thread(target=worker.run, args=(None, io.StringIO()))
    running.start()
    try:
        yield worker
    finally:
        worker.stop()
        running.join(20)
    assert not running.is_alive()


def test_a_job_whose_engine_is_away_is_not_tried_again_at_once(tmp_path: Path) -> None:
    engine = FakeEngine(configuration_in(tmp_path))
    context = open_context(configuration_in(tmp_path), engine)
    leave_submitted(context, engine, tmp_path)
    engine.failure = NotReachedError("away", "Try again.")
    queue = Queue(context, "j1")
    with working(context, queue, away_seconds=0.5):
        assert queue.tried.acquire(timeout=20)
        again_at_once = queue.tried.acquire(timeout=0.3)
        assert queue.tried.acquire(timeout=20)
    assert not again_at_once


def test_jobs_behind_one_that_cannot_be_reached_start_at_once(tmp_path: Path) -> None:
    engine = FakeEngine(configuration_in(tmp_path))
    context = open_context(configuration_in(tmp_path), engine)
    leave_submitted(context, engine, tmp_path)
    accepted(context, tmp_path, "j2")
    engine.failure = NotReachedError("away", "Try again.")
    queue = Queue(context, "j1", "j2")
    with working(context, queue):
        assert queue.tried.acquire(timeout=20)
        assert queue.tried.acquire(timeout=20)
    assert queue.claimed == ["j1", "j2"]


def test_a_job_that_cannot_be_reached_is_left_longer_each_time() -> None:
    away, found = AwayJobs(10.0), []
    for _ in range(5):
        away.add("j1")
        found.append(round(away.find_seconds()))
    assert found == [10, 20, 40, 60, 60]
    away.discard("j1")
    assert (away.list_waiting(), away.find_seconds()) == (frozenset(), inf)


@pytest.mark.parametrize("is_submitted", [True, False])
def test_a_job_that_its_engine_has_goes_on_where_a_setting_cannot_be_read(is_submitted: bool, tmp_path: Path) -> None:
    engine = FakeEngine(configuration_in(tmp_path))
    context = open_context(configuration_in(tmp_path), engine)
    if is_submitted:
        leave_submitted(context, engine, tmp_path)
    else:
        accepted(context, tmp_path)

    def fail(*_: object) -> NoReturn:
        raise SettingsError("/mnt/credentials of alpha cannot be read", "Mount it.")

    queue = Queue(context, "j1")
    with working(replace(context, find_workspace=fail), queue):
        assert queue.tried.acquire(timeout=20)
    job = context.store.get("j1")
    assert engine.removed == []
    if is_submitted:
        assert job.status is Status.RUNNING
        return
    assert job.status is Status.FAILED
    assert job.outcome
    assert job.outcome.diagnosis
    assert "/mnt" not in str(job.outcome.diagnosis)


def test_a_worker_that_is_stopped_leaves_jobs_on_a_cluster_and_shows_that_it_lives(tmp_path: Path) -> None:
    engine = FakeEngine(configuration_in(tmp_path))
    engine.waits = True
    context = open_context(configuration_in(tmp_path), engine)
    accepted(context, tmp_path)
    alive = tmp_path / "alive"

    class Queue:
        begun = threading.Semaphore(0)
        jobs = iter([context.store.get("j1")])

        def claim(self, owner: str, seconds: float, share: Share) -> Job | None:
            self.begun.release()
            return next(self.jobs, None)

    queue = Queue()
    worker = Worker(context, cast(JobQueue, queue), ServerSettings(lease_seconds=0.3, alive_file=alive), 2)
    running = threading.Thread(target=worker.run, args=(None, io.StringIO()))
    running.start()
    assert queue.begun.acquire(timeout=20)
    assert queue.begun.acquire(timeout=20)
    wait_for(lambda: "j1" in engine.submitted, 20)
    worker.stop()
    running.join(20)
    assert not running.is_alive()
    assert worker.follows
    assert alive.exists()
    # what the process that leaves does not do any more
    engine.submitted["j1"].cancel()


def test_a_worker_takes_no_more_jobs_than_it_can_begin_so_that_those_that_end_do_not_wait(tmp_path: Path) -> None:
    class Busy(FakeEngine):
        let_go = threading.Event()

        def submit(self, plan: Plan, report: Report, cancellation: Cancellation) -> None:
            assert self.let_go.wait(20)
            super().submit(plan, report, cancellation)

    engine = Busy(configuration_in(tmp_path))
    context = open_context(configuration_in(tmp_path), engine)
    ids = [f"j{number}" for number in range(3 * MOST_AT_ONCE)]
    for job_id in ids:
        accepted(context, tmp_path, job_id)

    class Queue:
        taken = threading.Semaphore(0)
        jobs = iter([context.store.get(job_id) for job_id in ids])

        def claim(self, owner: str, seconds: float, share: Share) -> Job | None:
            self.taken.release()
            return next(self.jobs, None)

    queue = Queue()
    worker = Worker(context, cast(JobQueue, queue), ServerSettings(), 1000)
    running = threading.Thread(target=worker.run, args=(None, io.StringIO()))
    running.start()
    for _ in range(2 * MOST_AT_ONCE):
        assert queue.taken.acquire(timeout=20)
    takes_more = queue.taken.acquire(timeout=0.3)
    engine.let_go.set()
    wait_for(lambda: all(context.store.get(job_id).status in FINAL for job_id in ids), 20)
    worker.stop()
    running.join(20)
    assert not takes_more


def test_a_worker_outlives_a_database_that_does_not_answer(tmp_path: Path) -> None:
    asked = threading.Semaphore(0)

    class Queue:
        def claim(self, owner: str, seconds: float, share: Share) -> Job:
            asked.release()
            raise EngineError("away", "Try again.", code="store.unreachable")

    engine = FakeEngine(configuration_in(tmp_path))
    context = open_context(configuration_in(tmp_path), engine, beat_seconds=0.1)
    worker = Worker(context, cast(JobQueue, Queue()), ServerSettings(lease_seconds=0.3), 1)
    running = threading.Thread(target=worker.run, args=(None, io.StringIO()))
    running.start()
    assert asked.acquire(timeout=20)
    assert asked.acquire(timeout=20)
    worker.stop()
    running.join(20)
    assert not running.is_alive()
