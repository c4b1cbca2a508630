"""Writes docs/kill-points.md: `python -m tests.contract.kill_points_table` kills at every point.

With the argument `processes` or `database` it makes this part of the page anew, and keeps the other.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.contract.kill_points import FAULTS, LOST_POINTS, POINTS, Fault, Finding, KillPoint, kill_at, lose_database
from tests.contract.stores import DATABASES, use_database
from tests.network import a_network
from tests.postgres import own_postgres

PAGE = Path(__file__).parents[2] / "docs" / "kill-points.md"
PARTS = ("processes", "database")
DATABASE_HEADING = "## The database is away\n"
_HEAD = """# Kill points

This page is written by `python -m tests.contract.kill_points_table`, which needs the PostgreSQL of `make postgres`.

A worker, or a server that accepts a job, is killed (`kill -9`) before it sends a statement to the database, or
after that was answered. Another worker goes on with the same database. At each point it is checked that a job that
was accepted has ended, that its step ran at most once, and that it has all of its results or none. The engine is
the local one, whose jobs end with their worker: one that had been submitted has failed with `job.lost`, any other
runs. `make test-long` kills at all {count} points on both databases, `make test` at a few. Cluster jobs
survive their worker: `tests/live/test_killed_callers.py` kills at the points of its talk with Kubernetes.

| killed | statement | job, on SQLite | job, on PostgreSQL | times that its step ran |
|---|---|---|---|---|
"""
_LOST_HEAD = f"""{DATABASE_HEADING}
At a statement of a worker all processes of PostgreSQL are killed (`kill -9`) and it is started again, or all
connections to it break and new ones are refused, until the worker has tried in vain. The same is checked. What a job
has come to is stored when the database answers again. `make test-long` has all {{count}} points, `make test` a few;
there too, a server answers 503 (`store.unreachable`) while the database is away, and goes on, and two servers and two
workers are killed while they share a database.

| worker | statement | job, database killed | job, network cut | times that its step ran |
|---|---|---|---|---|
"""
Found = dict[str, dict[KillPoint, Finding]]


def build_processes(found: Found) -> str:
    """Build the part about killed processes from what was found, by database."""
    return _HEAD.format(count=len(POINTS)) + "".join(_build_rows(found, POINTS, DATABASES))


def build_database(found: Found) -> str:
    """Build the part about the database from what was found, by fault."""
    return _LOST_HEAD.format(count=len(LOST_POINTS)) + "".join(_build_rows(found, LOST_POINTS, FAULTS))


def _build_rows(found: Found, points: tuple[KillPoint, ...], names: tuple[str, ...]) -> Iterator[str]:
    for point in points:
        first, second = (found[name][point] for name in names)
        runs = " / ".join(sorted({str(first.runs), str(second.runs)}))
        statement = " ".join(first.statement.split()[:2]) + " " + _find_table(first.statement)
        place = f"{point.command}, {point.when} {point.number}"
        yield f"| {place} | `{statement.strip()}` | {first.outcome} | {second.outcome} | {runs} |\n"


def _find_table(statement: str) -> str:
    words = statement.split()
    return f"… FROM {words[words.index('FROM') + 1]}" if words[0] == "SELECT" and "FROM" in words else ""


def read_parts() -> dict[str, str]:
    """Read the parts of the page."""
    first, _, second = PAGE.read_text(encoding="utf-8").partition(f"\n{DATABASE_HEADING}")
    return {"processes": first, "database": f"{DATABASE_HEADING}{second}"}


def kill_processes(cache: Path) -> str:
    """Kill at every point, and return the part of the page."""
    found: Found = {name: {} for name in DATABASES}
    for name in DATABASES:
        for point in POINTS:
            with tempfile.TemporaryDirectory() as folder, use_database(name) as url:
                found[name][point] = kill_at(point, Path(folder), cache, url)
                _say(f"{name} {point}: {found[name][point]}")
    return build_processes(found)


def lose_databases(cache: Path) -> str:
    """Lose the database at every point, and return the part of the page."""
    found: Found = {name: {} for name in FAULTS}
    with tempfile.TemporaryDirectory() as data, own_postgres(Path(data)) as postgres:
        for name in FAULTS:
            for point in LOST_POINTS:
                with tempfile.TemporaryDirectory() as folder, a_network(postgres.port) as network:
                    found[name][point] = lose_database(Fault(name, postgres, network), point, Path(folder), cache)
                    _say(f"{name} {point}: {found[name][point]}")
    return build_database(found)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    """Make the parts that are named, or all, and write the page."""
    parts = read_parts()
    with tempfile.TemporaryDirectory() as cache:
        for name, make in zip(PARTS, (kill_processes, lose_databases), strict=True):
            if not sys.argv[1:] or name in sys.argv[1:]:
                parts[name] = make(Path(cache))
    PAGE.write_text("\n".join(parts[name].rstrip("\n") + "\n" for name in PARTS), encoding="utf-8")


if __name__ == "__main__":
    main()
