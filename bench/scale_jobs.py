"""What reads and writes of a database take that has millions of jobs: lists, the queue, what is done once an hour.

    python -m bench.scale_jobs [--jobs 10000000] [--sqlite-jobs 1000000] [--rounds 20] [--no-page]

The jobs are written by the database itself (bench/many_jobs.py): ten million take 25 GB and about a quarter of an hour
on the PostgreSQL of `make postgres`, in a database of their own that is dropped at the end. Try it with `--jobs 20000
--sqlite-jobs 20000 --no-page`: that takes seconds. Exits with 1 where a limit is missed, and writes its part of
docs/scale.md.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from itertools import count, islice
from pathlib import Path
from time import perf_counter, time

from bench.commands import describe_machine
from bench.many_jobs import DAYS, LARGE, RUNNING, SMALL, UNSTARTED, WAITING, fill
from bench.options import whole
from bench.own_database import use_database
from bench.page import SCALE, write_part
from tests.contract.stores import PACKAGE, build_job
from zoo_runner.model import clock
from zoo_runner.model.ids import new_job_id
from zoo_runner.model.job import Job, Status
from zoo_runner.model.workspace import Quota
from zoo_runner.server.housekeeping import find_old, find_overdue, find_unstarted
from zoo_runner.store.protocol import JobQuery, Share
from zoo_runner.store.selection import iterate_jobs
from zoo_runner.store.sql import SqlStore, open_sql_store

TITLE = "A database of millions of jobs"
_LONGEST_SECONDS = 20.0
_EXPORTED = 100_000
# three operations take a waiting job each round, and each takes a thousand at most
MOST_ROUNDS = WAITING // 3
_PAGE = JobQuery(limit=100)
_QUOTA = Quota(running_jobs=100_000, cores=1e6, memory_mib=1e9)


@dataclass(frozen=True)
class Operation:
    """Something that is timed; `limit_ms` is that of the 95th percentile, None where it grows with the jobs."""

    name: str
    run: Callable[[], object]
    limit_ms: float | None = None


def main() -> int:
    """Fill, measure, print, write the page; 1 where a limit is missed."""
    parser = argparse.ArgumentParser(
        prog="bench.scale_jobs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=whole(0), default=10_000_000, help="of PostgreSQL; 0: without")
    parser.add_argument("--sqlite-jobs", type=whole(0), default=1_000_000, help="of SQLite; 0: without")
    parser.add_argument("--rounds", type=whole(1, MOST_ROUNDS), default=20)
    parser.add_argument("--no-page", action="store_true", help="do not write docs/scale.md")
    parser.add_argument("--url", help="measure a database that was filled before, and leave it")
    parser.add_argument("--only", default="", help="only what has this text in its name; writes no page")
    given = parser.parse_args()
    rows: list[str] = []
    parts: list[str] = []
    for kind, jobs in (("postgresql", given.jobs), ("sqlite", given.sqlite_jobs)):
        if jobs:
            table, size = _measure_database(kind, jobs, given)
            rows += table
            parts.append(f"### {'PostgreSQL' if kind == 'postgresql' else 'SQLite'}: {jobs:,} jobs, {size}\n\n")
            parts[-1] += "\n".join(["| what | p50, ms | p95, ms | limit |", "|---|---|---|---|", *table])
    if not (given.no_page or given.only):
        write_part(TITLE, _build_part("\n\n".join(parts), given.rounds), SCALE)
    return 1 if any("missed" in row for row in rows) else 0


def _measure_database(kind: str, jobs: int, given: argparse.Namespace) -> tuple[list[str], str]:
    print(f"{kind}: {jobs:,} jobs", flush=True)
    with tempfile.TemporaryDirectory(prefix="zoo-runner-bench-") as folder:
        filled = given.url if kind == "postgresql" else None
        with _use(kind, Path(folder), filled) as url, closing(open_sql_store(url)) as store:
            begun = perf_counter()
            if not filled:
                store.jobs.create(build_job(0), PACKAGE)
                store.jobs.delete("job-0")
                fill(url, jobs, lambda text: print(f"  {perf_counter() - begun:.0f} s: {text}", flush=True))
            size = _measure_size(store)
            table = []
            for operation in build_operations(store, jobs):
                if given.only in operation.name:
                    table.append(_write_row(operation, time_operation(operation, given.rounds)))
                    print(table[-1], flush=True)
    return table, size


@contextmanager
def _use(kind: str, folder: Path, filled: str | None) -> Iterator[str]:
    """Give the URL of an empty database of its own, or of the one that is filled."""
    if filled or kind == "sqlite":
        yield filled or f"sqlite:///{folder}/runner.db"
        return
    with use_database() as url:
        yield url


def _measure_size(store: SqlStore) -> str:
    if store.database.is_file:
        return f"{Path(store.database.path).stat().st_size / 1e9:.1f} GB"
    with store.database.reading() as connection:
        found = connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one()
    return f"{found / 1e9:.1f} GB"


def build_operations(store: SqlStore, jobs: int) -> Iterator[Operation]:
    """Yield what is measured, in an order in which nothing disturbs what follows."""
    yield from _build_lists(store, jobs)
    yield from _build_queue(store)
    yield from _build_chores(store)
    yield from _build_exports(store)
    yield from _build_changes(store)


def _build_lists(store: SqlStore, jobs: int) -> Iterator[Operation]:
    some = store.jobs.find(replace(_PAGE, workspace=LARGE, skip=jobs // 10)).jobs[0]
    for workspace, its_jobs in ((LARGE, jobs // 2), (SMALL, jobs // 100)):
        query = replace(_PAGE, workspace=workspace)
        day = (clock.days_after(-100), clock.days_after(-99))
        lists: tuple[tuple[str, JobQuery], ...] = (
            ("first page", query),
            ("page in the middle, by `skip`", replace(query, skip=its_jobs // 2)),
            ("last page, by `skip`", replace(query, skip=max(its_jobs - query.limit, 0))),
            ("status=failed", replace(query, statuses=(Status.FAILED,))),
            ("status=running", replace(query, statuses=(Status.RUNNING,))),
            ("processID", replace(query, process_ids=("p-3",))),
            ("processID, status=failed", replace(query, process_ids=("p-3",), statuses=(Status.FAILED,))),
            ("datetime: a day", replace(query, created_from=day[0], created_to=day[1])),
            ("minDuration: half of all", replace(query, min_seconds=1800)),
            ("q: the id of one job", replace(query, text=some.id)),
            ("q: of none", replace(query, text="nothing")),
            ("code=image.pull", replace(query, codes=("image.pull",))),
        )
        whose = f"of {its_jobs:,}"
        for name, one in lists:
            limit = 50.0 if workspace == SMALL else None
            yield Operation(f"list {whose}: {name}", partial(store.jobs.find_counted, one), limit)
        middle = replace(query, cursor=store.jobs.find(replace(query, skip=its_jobs // 2)).next)
        yield Operation(f"list {whose}: page by cursor", partial(store.jobs.find, middle), 20)
        yield Operation(f"`numberTotal` {whose}", partial(store.jobs.count, query))
        yield Operation(f"failures by cause {whose}", partial(store.jobs.count_causes, query, 20))
    yield Operation("status of a job", lambda: store.jobs.get(some.id), 20)


def _build_queue(store: SqlStore) -> Iterator[Operation]:
    def claim(share: Share) -> None:
        job = store.jobs.claim("worker-2", 600, share)
        assert job is not None

    quota = Share(quota_of=lambda _: _QUOTA)
    most = replace(quota, most_per_workspace=1000)
    yield Operation("claim", lambda: claim(Share()), 50)
    yield Operation("claim, quotas of workspaces", lambda: claim(quota), 50)
    yield Operation("claim, quotas and jobs of one workspace", lambda: claim(most), 50)
    store.jobs.release_all("worker-2")
    yield Operation("what waits and runs, by workspace", store.jobs.measure_all, 50)
    yield Operation("what a workspace runs", lambda: store.jobs.measure_leased(LARGE), 50)
    yield Operation("the oldest that waits", store.jobs.find_oldest_waiting, 50)
    yield Operation("jobs by worker", store.jobs.count_by_worker, 50)
    yield Operation("abandoned jobs", store.jobs.find_abandoned, 50)
    yield Operation("what the results of the large workspace take", lambda: store.results.measure(LARGE), 50)
    yield Operation("size of what it has not started", lambda: store.jobs.measure_unstarted(LARGE), 50)


def _build_chores(store: SqlStore) -> Iterator[Operation]:
    old = clock.days_after(1 - DAYS)
    yield Operation("retention: the first 1,000 of all", lambda: list(islice(find_old(store.jobs, old), 1000)), 200)
    yield Operation(
        "retention: the first 1,000 of a workspace", lambda: list(islice(find_old(store.jobs, old, LARGE), 1000)), 200
    )
    yield Operation("retention: nothing is old", lambda: list(find_old(store.jobs, clock.days_after(-2 * DAYS))), 50)
    yield Operation("jobs that nobody started", lambda: list(find_unstarted(store.jobs, clock.days_after(-7))), 50)
    yield Operation("jobs that waited too long", lambda: list(find_overdue(store.jobs, clock.days_after(-7))), 50)
    yield Operation("results that were not counted", lambda: store.results.count_missed(time() - 86400), 500)
    yield Operation(
        "results of a workspace that are old",
        lambda: list(islice(store.results.find_older(old, LARGE), 1000)),
        200,
    )
    yield Operation("versions of processes", lambda: store.processes.remove_versions(clock.days_after(-7)), 50)


def _build_exports(store: SqlStore) -> Iterator[Operation]:
    query = JobQuery(workspace=LARGE, limit=1000)
    half = store.jobs.find(replace(query, limit=1, created_to=clock.days_after(-DAYS / 2))).next
    for name, cursor in (("from the begin", None), ("from the half", half)):
        yield Operation(
            f"export: {_EXPORTED:,} records {name}",
            partial(_export, store, replace(query, cursor=cursor)),
        )


def _export(store: SqlStore, query: JobQuery) -> int:
    return sum(1 for _ in islice(iterate_jobs(store.jobs, query), _EXPORTED))


def _build_changes(store: SqlStore) -> Iterator[Operation]:
    numbers, created = count(), list[Job]()

    def create() -> None:
        now = clock.now()
        job = build_job(next(numbers), workspace=LARGE, id=new_job_id(), created=now, updated=now, engine="local")
        created.append(store.jobs.create(job, PACKAGE))

    def change() -> None:
        job = created.pop(0)
        store.jobs.update(job.moved_to(Status.RUNNING, clock.now()))
        done.append(job.id)

    done = list[str]()
    yield Operation("accept a job", create, 20)
    yield Operation("change a job", change, 20)
    yield Operation("remove a job", lambda: store.jobs.delete(done.pop()), 20)


def time_operation(operation: Operation, rounds: int) -> list[float]:
    """Return the times of an operation in ms, sorted; fewer where it takes long."""
    times: list[float] = []
    begun = perf_counter()
    while len(times) < rounds and (len(times) < 2 or perf_counter() - begun < _LONGEST_SECONDS):
        started = perf_counter()
        operation.run()
        times.append((perf_counter() - started) * 1000)
    return sorted(times)


def _write_row(operation: Operation, times: list[float]) -> str:
    half, most = times[len(times) // 2], times[int(0.95 * (len(times) - 1) + 0.5)]
    limit = "" if operation.limit_ms is None else f"{operation.limit_ms:g}, {_say(most <= operation.limit_ms)}"
    return f"| {operation.name} | {half:,.1f} | {most:,.1f} | {limit} |"


def _say(kept: bool) -> str:
    return "kept" if kept else "missed"


def _build_part(tables: str, rounds: int) -> str:
    today = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    return f"""Written by `python -m bench.scale_jobs` on {today}: at most {rounds} rounds each; {describe_machine()}.

{tables}

Times are those of calls to the store, without the server. Half of the jobs are of one workspace, the rest of fifty
others, and what they store is as large as that of real jobs (2 kB each). {WAITING:,} jobs wait, {RUNNING:,} run under
leases, {UNSTARTED:,} were never started. The PostgreSQL is that of tests (`make postgres`): 128 MB of buffers of its
own, and no wait for the disk at the end of a transaction."""


if __name__ == "__main__":
    sys.exit(main())
