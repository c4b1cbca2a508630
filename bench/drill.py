"""A backup and a restore of a server with 100,000 jobs, on SQLite and on PostgreSQL, by the commands of an operator.

    python -m bench.drill [--jobs 100000] [--no-page]

Needs the PostgreSQL of `make postgres`. Exits with 1 where the restored database is not what was saved.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from time import perf_counter

from bench.commands import build_environ, describe_machine
from bench.job_list import fill_jobs
from bench.options import whole
from bench.page import write_part
from tests.contract.stores import DATABASES, use_database
from zoo_runner.store.protocol import JobQuery
from zoo_runner.store.sql import open_sql_store

TITLE = "Back-up and restore"


def main() -> int:
    """Measure, print, write the page; 1 where something is missing after a restore."""
    parser = argparse.ArgumentParser(prog="bench.drill", description=__doc__)
    parser.add_argument("--jobs", type=whole(), default=100_000)
    parser.add_argument("--no-page", action="store_true", help="do not write docs/bench.md")
    given = parser.parse_args()
    rows, all_found = [], True
    for kind in DATABASES:
        with tempfile.TemporaryDirectory(prefix="zoo-runner-bench-") as folder:
            for row, complete in _drill(kind, Path(folder), given.jobs):
                print(row, flush=True)
                rows.append(row)
                all_found = all_found and complete
    if not given.no_page:
        write_part(TITLE, _build_part("\n".join(["| database | what | found |", "|---|---|---|", *rows]), given.jobs))
    return 0 if all_found else 1


def _drill(kind: str, folder: Path, jobs: int) -> Iterator[tuple[str, bool]]:
    archive = folder / "backup.zip"
    with use_database(kind) as url, use_database(kind) as other:
        address, empty = url or f"sqlite:///{folder}/runner.db", other or f"sqlite:///{folder}/restored.db"
        with closing(open_sql_store(address)) as store:
            fill_jobs(store, jobs)
            before = store.jobs.count(JobQuery())
        environ = build_environ(folder)
        seconds = _run({**environ, "ZOO_RUNNER_DATABASE": address}, "backup", archive)
        yield f"| {kind} | backup | {seconds:.1f} s, {archive.stat().st_size / 2**20:.1f} MiB |", True
        seconds = _run({**environ, "ZOO_RUNNER_DATABASE": empty}, "restore", archive)
        with closing(open_sql_store(empty)) as store:
            after = store.jobs.count(JobQuery())
        yield (
            f"| {kind} | restore into an empty database | {seconds:.1f} s, {after} of {before} jobs |",
            after == before,
        )


def _run(environ: Mapping[str, str], command: str, archive: Path) -> float:
    """Run a command of the product; return how long it took, in seconds."""
    started = perf_counter()
    subprocess.run([sys.executable, "-m", "zoo_runner", command, str(archive)], env=dict(environ), check=True)
    return perf_counter() - started


def _build_part(table: str, jobs: int) -> str:
    today = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    return f"""Written by `python -m bench.drill` on {today}: {jobs} jobs without files; {describe_machine()}.

{table}

`zoo-runner backup` of a server and `zoo-runner restore` into another, as whole commands. Logs and results on the volume
come on top, at the speed at which the disk is read and packed."""


if __name__ == "__main__":
    sys.exit(main())
