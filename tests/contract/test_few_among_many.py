"""Few jobs among many that have ended: found without a look through all of them, and kept as long as they should be."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from sqlalchemy import event

from bench.many_jobs import LARGE, RUNNING, UNSTARTED, WAITING, fill
from tests.contract.stores import LONG, PACKAGE, build_job, create
from tests.server_api import opened_api
from zoo_runner.model import clock
from zoo_runner.model.job import Status
from zoo_runner.model.workspace import Quota
from zoo_runner.server.housekeeping import find_old, find_overdue, find_unstarted, remove_expired
from zoo_runner.store.protocol import JobQuery, Share
from zoo_runner.store.sql import SqlStore, open_sql_store

ENDED = 3000
QUOTA = Quota(running_jobs=10_000, cores=1e6, memory_mib=1e9)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStore]:
    """A database with jobs of two years."""
    url = f"sqlite:///{tmp_path_factory.mktemp('filled') / 'runner.db'}"
    store = open_sql_store(url)
    create(store, build_job())
    store.jobs.delete("job-1")
    fill(url, ENDED)
    yield store
    store.close()


@contextmanager
def watching_plans(store: SqlStore) -> Iterator[list[str]]:
    """The plans of all statements in the block that read or change jobs."""
    plans: list[str] = []

    def explain(connection: sqlalchemy.Connection, _: object, words: str, values: Any, *__: object) -> None:
        if words.startswith(("SELECT", "UPDATE")):
            raw = connection.connection.cursor()
            raw.execute(f"EXPLAIN QUERY PLAN {words}", values)
            plans.extend(str(row[3]) for row in raw.fetchall())

    engines = (store.database._engine, store.database._reader)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", explain)
    try:
        yield plans
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", explain)


LOOKS: dict[str, Callable[[SqlStore], object]] = {
    "claim": lambda store: store.jobs.claim("me", LONG),
    "claim-with-quotas": lambda store: store.jobs.claim("me", LONG, Share((), 10_000, lambda _: QUOTA)),
    "release": lambda store: store.jobs.release_all("me"),
    "measure-all": lambda store: store.jobs.measure_all(),
    "measure-one": lambda store: store.jobs.measure_leased(LARGE),
    "by-worker": lambda store: store.jobs.count_by_worker(),
    "oldest": lambda store: store.jobs.find_oldest_waiting(),
    "abandoned": lambda store: store.jobs.find_abandoned(),
    "overdue": lambda store: list(find_overdue(store.jobs, clock.days_after(-1))),
    "unstarted": lambda store: list(find_unstarted(store.jobs, clock.days_after(-1))),
    "uncounted": lambda store: store.results.count_missed(clock.to_seconds(clock.days_after(-1))),
}


@pytest.mark.parametrize("look", LOOKS)
def test_what_is_asked_again_and_again_looks_at_few_jobs_only(filled: SqlStore, look: str) -> None:
    with watching_plans(filled) as plans:
        LOOKS[look](filled)
    assert plans
    whole = [plan for plan in plans if plan.startswith("SCAN jobs") and "jobs_un" not in plan]
    assert whole == []


def test_a_filled_database_has_what_a_platform_has(filled: SqlStore) -> None:
    counts = {
        status: filled.jobs.count(JobQuery(statuses=(status,)))
        for status in (Status.ACCEPTED, Status.RUNNING, Status.CREATED)
    }
    assert counts == {Status.ACCEPTED: WAITING, Status.RUNNING: RUNNING, Status.CREATED: UNSTARTED}
    assert filled.jobs.count(JobQuery()) == ENDED + WAITING + RUNNING + UNSTARTED
    job = filled.jobs.find(JobQuery(workspace=LARGE, statuses=(Status.SUCCESSFUL,), limit=1)).jobs[0]
    assert (job.workspace, job.id in job.destination) == (LARGE, True)


def test_what_is_old_is_found_of_one_workspace_or_of_all_but_some(filled: SqlStore) -> None:
    until = clock.days_after(-300)
    every = {job.id for job in find_old(filled.jobs, until)}
    large = {job.id for job in find_old(filled.jobs, until, LARGE)}
    others = {job.id for job in find_old(filled.jobs, until, apart_from=[LARGE])}
    assert large | others == every
    assert not large & others
    assert len(large) > ENDED / 5
    assert all(filled.jobs.get(job_id).workspace == LARGE for job_id in list(large)[:10])


def test_each_workspace_keeps_its_jobs_as_long_as_it_says(tmp_path: Path) -> None:
    (tmp_path / "workspaces.json").write_text(
        '{"*": {"retentionDays": 20}, "short": {"retentionDays": 5}, "long": {"retentionDays": 400}}'
    )
    with opened_api(tmp_path, tmp_path / "workspaces.json") as api:
        for workspace in ("short", "long", "other"):
            for days in (1, 10, 100):
                then = clock.days_after(-days)
                times = {"created": then, "updated": then, "started": then, "finished": then}
                job = build_job(1, id=f"{workspace}-{days}", workspace=workspace, status=Status.SUCCESSFUL, **times)
                api.store.jobs.create(job, PACKAGE)
        assert remove_expired(api, threading.Event()) == 3
        left = {job.id for job in api.store.jobs.find(JobQuery()).jobs}
    assert left == {"short-1", "long-1", "long-10", "long-100", "other-1", "other-10"}


def test_a_job_that_waits_is_leased_to_the_workspace_with_the_fewest(tmp_path: Path) -> None:
    store = open_sql_store(f"sqlite:///{tmp_path / 'runner.db'}")
    create(store, *(build_job(number, workspace="many") for number in range(1, 4)), build_job(9, workspace="few"))
    claimed = [store.jobs.claim("me", LONG) for _ in range(4)]
    assert [job and job.id for job in claimed] == ["job-1", "job-9", "job-2", "job-3"]
    left = store.jobs.claim("me", LONG, replace(Share(), most_per_workspace=1))
    assert left is None
    store.close()
