"""Following the log of a job over HTTP: it ends with the job, whatever else happens beside it."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from watchfiles import watch

from tests.contract.stores import PACKAGE
from zoo_runner.execution.growing_log import GrowingLog
from zoo_runner.model.job import Job, Status
from zoo_runner.server.following import Following, WatchFiles
from zoo_runner.server.streams import follow_log
from zoo_runner.store.files import FileStore

NOW = "2026-01-01T00:00:00.000Z"
# looks are a second apart, so the end is seen well before this
PATIENCE_SECONDS = 8


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "state")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    log = tmp_path / "shared" / "j1.log"
    log.parent.mkdir()
    log.write_text("first\n")
    return log


def create_job(store: FileStore, log: Path, status: Status = Status.RUNNING) -> Job:
    job = Job("j1", "default", "water", "water", "fake", PACKAGE.digest, {}, "/out", NOW, NOW, status)
    return store.create(replace(job, log=str(log)), PACKAGE)


@contextmanager
def noise(log: Path) -> Iterator[None]:
    """Another job of the workspace, that logs all the time."""
    over = threading.Event()

    def write() -> None:
        with log.with_name("j2.log").open("a") as other:
            while not over.wait(0.05):
                print("more", file=other, flush=True)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def follow(store: FileStore, job: Job, log: Path, watch_files: WatchFiles = watch) -> str:
    """Follow the log of a job that writes its last line after a while, and has its end stored after that."""

    async def end() -> None:
        await asyncio.sleep(0.5)
        log.write_text("first\nlast\n")
        await asyncio.sleep(0.5)
        store.update(job.moved_to(Status.SUCCESSFUL, NOW))

    async def read() -> bytes:
        api: Any = SimpleNamespace(following=Following(watch_files), store=SimpleNamespace(jobs=store))
        ending = asyncio.create_task(end())
        content = b"".join([chunk async for chunk in follow_log(api, job, log)])
        await ending
        return content

    return asyncio.run(asyncio.wait_for(read(), PATIENCE_SECONDS)).decode()


def test_a_followed_log_ends_while_another_job_logs_all_the_time(store: FileStore, log: Path) -> None:
    with noise(log):
        assert follow(store, create_job(store, log), log) == "first\nlast\n"


def test_a_followed_log_ends_where_its_folder_cannot_be_watched(store: FileStore, log: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert follow(store, create_job(store, tmp_path / "file" / "j1.log"), log) == "first\nlast\n"


@pytest.mark.parametrize("error", [OSError(24, "too many"), RuntimeError("gone")])
def test_a_followed_log_ends_where_no_watch_can_start(store: FileStore, log: Path, error: Exception) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    assert follow(store, create_job(store, log), log, fail) == "first\nlast\n"


def test_a_line_is_read_once_it_is_complete_and_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    log = GrowingLog(path)
    assert log.read() == b""
    path.write_text("first\nhal")
    assert log.read() == b"first\n"
    # whoever goes on writes the line again
    path.write_text("first\nhalf\nlast")
    assert (log.read(), log.read()) == (b"half\n", b"")
    assert (log.read(whole=True), log.read(whole=True)) == (b"last", b"")


def test_what_is_put_in_the_place_of_a_log_is_read_from_its_begin(tmp_path: Path) -> None:
    path = tmp_path / "step.log"
    path.write_text("first\n")
    log = GrowingLog(path)
    assert log.read() == b"first\n"
    path.rename(tmp_path / "old")
    path.write_text("second\nthird\n")
    assert log.read() == b"second\nthird\n"


def test_a_line_that_is_longer_than_a_piece_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "step.log"
    path.write_text(f"{'x' * 200_000}\nend\n")
    log = GrowingLog(path)
    assert b"".join(iter(log.read, b"")) == path.read_bytes()


def test_the_log_of_a_job_that_has_ended_is_not_watched(store: FileStore, log: Path) -> None:
    job = create_job(store, log, Status.SUCCESSFUL)
    api: Any = SimpleNamespace(following=None, store=None)

    async def read() -> bytes:
        return b"".join([chunk async for chunk in follow_log(api, job, log)])

    assert asyncio.run(read()) == b"first\n"
