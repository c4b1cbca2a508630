"""Stores for tests, and the values that they keep."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from tests.postgres import find_postgres, use_schema
from zoo_runner.model.job import Job
from zoo_runner.model.package import Package
from zoo_runner.store.protocol import EventLog, JobStore

PACKAGE = Package({"cwlVersion": "v1.2", "class": "Workflow"}, "#main", "w", {}, "a" * 64)
DATABASES = ("sqlite", "postgresql")
LONG, OVER = 600.0, 0.0


class Store(Protocol):
    """What keeps jobs and their events."""

    @property
    def jobs(self) -> JobStore: ...

    @property
    def events(self) -> EventLog: ...


@dataclass(frozen=True)
class Pair:
    """A job store and an event log."""

    jobs: JobStore
    events: EventLog


def build_job(number: int = 1, **more: object) -> Job:
    created = f"2026-01-01T00:{number // 60:02d}:{number % 60:02d}.000Z"
    job = Job(f"job-{number}", "ws", "p", "w", "local", PACKAGE.digest, {"x": 1}, "/out", created, created)
    return replace(job, **more)  # type: ignore[arg-type]


def create(store: Store, *jobs: Job) -> None:
    for job in jobs:
        store.jobs.create(job, PACKAGE)


@contextmanager
def use_database(kind: str) -> Iterator[str]:
    """Give the URL of an empty PostgreSQL, or none: a server then has an SQLite of its own."""
    if kind == "sqlite":
        yield ""
        return
    with use_schema(find_postgres()) as url:
        yield url
