"""A worker of the server takes jobs from the queue."""

import io
import threading
from pathlib import Path
from typing import cast

from tests.jobs import leave_submitted
from tests.values import configuration_in
from zoo_runner.config.server import ServerSettings
from zoo_runner.engines.fake import FakeEngine
from zoo_runner.execution.context import open_context
from zoo_runner.model.errors import EngineError, NotReachedError
from zoo_runner.model.job import Job
from zoo_runner.server.worker import Worker
from zoo_runner.store.protocol import JobQueue, Share


def test_a_job_whose_engine_is_away_is_not_tried_again_at_once(tmp_path: Path) -> None:
    engine = FakeEngine(configuration_in(tmp_path))
    context = open_context(configuration_in(tmp_path), engine)
    leave_submitted(context, engine, tmp_path)
    engine.failure = NotReachedError("away", "Try again.")
    claimed, tried = list[Job](), threading.Semaphore(0)

    class Queue:
        def claim(self, owner: str, seconds: float, share: Share) -> Job:
            claimed.append(context.store.get("j1"))
            tried.release()
            return claimed[-1]

    worker = Worker(context, cast(JobQueue, Queue()), ServerSettings(), 1, away_seconds=0.5)
    running = threading.Thread(target=worker.run, args=(None, io.StringIO()))
    running.start()
    assert tried.acquire(timeout=20)
    again_at_once = tried.acquire(timeout=0.3)
    assert tried.acquire(timeout=20)
    worker.stop()
    running.join(20)
    assert not again_at_once


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
