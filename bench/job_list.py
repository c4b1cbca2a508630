"""What lists of 100,000 jobs take on SQLite and on PostgreSQL, by requests to a server, whatever page and filter.

    python -m bench.job_list [--jobs 100000] [--rounds 40] [--no-page]

Needs the PostgreSQL of `make postgres`. Exits with 1 where a limit is missed, and writes its part of docs/bench.md.
"""

import argparse
import statistics
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from time import perf_counter

from bench.commands import build_environ, describe_machine, read_mib
from bench.options import whole
from bench.page import write_part
from tests.contract.stores import DATABASES, PACKAGE, build_job, use_database
from tests.serving import serving
from zoo_runner.model import clock
from zoo_runner.model.diagnosis import Diagnosis, Level, Stage
from zoo_runner.model.job import Outcome, Status
from zoo_runner.store.sql import SqlStore, open_sql_store
from zoo_runner.store.sql.jobs import build_columns
from zoo_runner.store.sql.schema import JOBS

TITLE = "Lists of jobs"
_AT_ONCE = 5000
_STATUSES = (*[Status.SUCCESSFUL] * 7, *[Status.FAILED] * 2, Status.DISMISSED)
_START = 1_700_000_000
_CAUSE = Diagnosis(Stage.EXECUTE, Level.USER, "", "Choose another scene.", step="clip", code="step.failed")
_WORDS = "the step clip failed with exit code 1: the scene has no band {}, which the expression of the input requires"
PAGES = ("limit=100", "limit=100&skip={tenth}", "limit=100&skip={half}", "limit=100&skip={last}")
FILTERS = (
    *("status=failed", "status=failed&skip={tenth}", "processID=p-3", "type=process&status=dismissed"),
    # of all jobs, of some, of one, of none
    *("q=job", "q=999", "q=job-{half}", "q=nothing"),
    # of causes, of inputs, of the oldest job alone, of what was a wildcard
    *("q=no+band+{half}", "q=scene-{half}", "q=scene-1.tif", "q=%25"),
    *("caller=person-7", "caller=person-7&q=band", "caller=nobody"),
    *("minDuration=50", "datetime=2023-11-20T00:00:00Z/2023-11-21T00:00:00Z"),
    "processID=p-3&status=failed&minDuration=9",
)


def main() -> int:
    """Measure, print, write the page; 1 where a limit is missed."""
    parser = argparse.ArgumentParser(prog="bench.job_list", description=__doc__)
    parser.add_argument("--jobs", type=whole(), default=100_000)
    parser.add_argument("--rounds", type=whole(), default=40)
    parser.add_argument("--no-page", action="store_true", help="do not write docs/bench.md")
    given = parser.parse_args()
    rows = []
    for kind in DATABASES:
        with tempfile.TemporaryDirectory(prefix="zoo-runner-bench-") as folder, use_database(kind) as url:
            address = url or f"sqlite:///{folder}/runner.db"
            with closing(open_sql_store(address)) as store:
                fill_jobs(store, given.jobs)
            for row in _measure(kind, address, Path(folder), given.jobs, given.rounds):
                print(row, flush=True)
                rows.append(row)
    table = "\n".join(["| database | what | found | limit |", "|---|---|---|---|", *rows])
    if not given.no_page:
        write_part(TITLE, _build_part(table, given.jobs, given.rounds))
    return 0 if all("missed" not in row for row in rows) else 1


def fill_jobs(store: SqlStore, count: int) -> None:
    """Store jobs that have ended, of ten processes, one a minute."""
    store.jobs.create(build_job(0, workspace="other"), PACKAGE)
    for first in range(1, count + 1, _AT_ONCE):
        rows = list(map(_build_row, range(first, min(first + _AT_ONCE, count + 1))))
        with store.database.writing() as connection:
            connection.execute(JOBS.insert(), rows)
    store.database.analyze()


def _build_row(number: int) -> dict[str, object]:
    created, started, finished = (
        clock.format_time(datetime.fromtimestamp(_START + 60 * number + seconds, timezone.utc))
        for seconds in (0, 1, 2 + number % 60)
    )
    kind: dict[str, object] = {
        "workspace": "default",
        "process_id": f"p-{number % 10}",
        "status": _STATUSES[number % 10],
        "title": f"Water bodies of p-{number % 10}",
        "caller": f"person-{number % 50}",
        "inputs": _build_inputs(number),
    }
    if kind["status"] is Status.FAILED:
        kind["outcome"] = Outcome(Status.FAILED, diagnosis=replace(_CAUSE, cause=_WORDS.format(number)))
    job = replace(build_job(number, **kind), created=created, updated=finished, started=started, finished=finished)
    return {"id": job.id, **build_columns(job)}


def _build_inputs(number: int) -> dict[str, object]:
    """Build the inputs of a usual job: an address, a place, a time and numbers."""
    item = f"https://stac.example.org/collections/sentinel-2-l2a/items/scene-{number}.tif"
    return {
        "item": {"class": "File", "location": item},
        "aoi": "-121.399,39.834,-120.74,40.472",
        "epsg": "EPSG:4326",
        "since": "2021-07-13T00:00:00Z",
        "bands": ["green", "nir"],
        "threshold": 0.25,
    }


def _measure(kind: str, address: str, folder: Path, jobs: int, rounds: int) -> Iterator[str]:
    environ = {**build_environ(folder), "ZOO_RUNNER_DATABASE": address, "ZOO_RUNNER_WORKERS": "0"}
    places = {"tenth": jobs // 10, "half": jobs // 2, "last": max(jobs - 100, 0)}
    with serving(environ, folder) as server:
        for what, queries, limit in (("any page", PAGES, 50), ("filtered", FILTERS, 100)):
            times = {query: _time(f"{server.url}/jobs?{query.format(**places)}", rounds) for query in queries}
            worst = max(times, key=times.__getitem__)
            typical = statistics.median(times.values())
            found = f"{times[worst]:.0f} ms (`{worst.format(**places)}`), {typical:.0f} ms for half of them"
            yield _write(kind, f"{what}, p95", found, f"{limit} ms", times[worst] <= limit)
        before = read_mib(server.process.pid)
        seconds, size = _export(f"{server.url}/jobs")
        grown = read_mib(server.process.pid) - before
        yield _write(kind, "export of all", f"{seconds:.1f} s, {size >> 20} MiB", "5 s", seconds <= 5)
        yield _write(kind, "memory that the export leaves", f"{grown:.0f} MiB", "10 MiB", grown <= 10)


def _time(url: str, rounds: int) -> float:
    """Return the 95th percentile of the times of a request, in ms."""
    times = []
    for _ in range(rounds):
        started = perf_counter()
        with urllib.request.urlopen(url, timeout=60) as answer:
            answer.read()
        times.append((perf_counter() - started) * 1000)
    return sorted(times)[int(0.95 * (len(times) - 1))]


def _export(url: str) -> tuple[float, int]:
    started, size = perf_counter(), 0
    request = urllib.request.Request(url, headers={"Accept": "application/x-ndjson"})
    with urllib.request.urlopen(request, timeout=600) as answer:
        while chunk := answer.read(1 << 20):
            size += len(chunk)
    return perf_counter() - started, size


def _write(kind: str, what: str, found: str, limit: str, kept: bool) -> str:
    return f"| {kind} | {what} | {found} | {limit}, {'kept' if kept else 'missed'} |"


def _build_part(table: str, jobs: int, rounds: int) -> str:
    today = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    return f"""Written by `python -m bench.job_list` on {today}: {jobs} jobs, {rounds} rounds; {describe_machine()}.

{table}

The time of whole requests to one server; the database of PostgreSQL has been vacuumed, as it does itself. Pages lie at
the begin, a tenth, the half and the end of the list; filters are by status, process, text (of ids, causes of failures
and values of inputs; that all jobs have, some, one or none), who asked, time, duration, and several of these. Of a job
about 300 characters are searched."""


if __name__ == "__main__":
    sys.exit(main())
