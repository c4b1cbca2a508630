"""Writes docs/kill-points.md: `python -m tests.contract.kill_points_table` kills at every point."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.contract.kill_points import POINTS, Finding, KillPoint, kill_at
from tests.contract.stores import DATABASES, use_database

PAGE = Path(__file__).parents[2] / "docs" / "kill-points.md"
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


def build_page(found: dict[str, dict[KillPoint, Finding]]) -> str:
    """Build the page from what was found, by database."""
    return _HEAD.format(count=len(POINTS)) + "".join(f"{row}\n" for row in _build_rows(found))


def _build_rows(found: dict[str, dict[KillPoint, Finding]]) -> Iterator[str]:
    for point in POINTS:
        sqlite, postgresql = (found[name][point] for name in DATABASES)
        runs = " / ".join(sorted({str(sqlite.runs), str(postgresql.runs)}))
        statement = " ".join(sqlite.statement.split()[:2]) + " " + _find_table(sqlite.statement)
        killed = f"{point.command}, {point.when} {point.number}"
        yield f"| {killed} | `{statement.strip()}` | {sqlite.outcome} | {postgresql.outcome} | {runs} |"


def _find_table(statement: str) -> str:
    words = statement.split()
    return f"… FROM {words[words.index('FROM') + 1]}" if words[0] == "SELECT" and "FROM" in words else ""


def main() -> None:
    """Kill at every point and write the page."""
    found: dict[str, dict[KillPoint, Finding]] = {name: {} for name in DATABASES}
    with tempfile.TemporaryDirectory() as cache:
        for name in DATABASES:
            for point in POINTS:
                with tempfile.TemporaryDirectory() as folder, use_database(name) as url:
                    found[name][point] = kill_at(point, Path(folder), Path(cache), url)
                    sys.stdout.write(f"{name} {point}: {found[name][point]}\n")
                    sys.stdout.flush()
    PAGE.write_text(build_page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
