"""kill -9 at statements to the database: no accepted job is lost, none runs twice, none has half of its results."""

from pathlib import Path

import pytest

from tests.contract.kill_points import LOST_POINTS, POINTS, KillPoint, kill_at
from tests.contract.kill_points_table import read_parts
from tests.contract.stores import DATABASES, use_database

# the claim, the submission, the run, the outcome, the end; and of a server the insertion of the job
IN_CI = [KillPoint("worker", when, number) for number in (3, 10, 26, 43, 45) for when in ("before", "after")]
IN_CI += [KillPoint("serve", "before", 7), KillPoint("serve", "after", 7)]


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize("point", IN_CI, ids=str)
def test_after_a_kill_the_job_ends_as_it_should(
    point: KillPoint, database: str, tmp_path: Path, package_cache: Path
) -> None:
    with use_database(database) as url:
        kill_at(point, tmp_path, package_cache, url)


@pytest.mark.long
@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize("point", POINTS, ids=str)
def test_at_every_point(point: KillPoint, database: str, tmp_path: Path, package_cache: Path) -> None:
    with use_database(database) as url:
        kill_at(point, tmp_path, package_cache, url)


@pytest.mark.parametrize(("part", "points"), [("processes", POINTS), ("database", LOST_POINTS)])
def test_the_page_has_every_point(part: str, points: tuple[KillPoint, ...]) -> None:
    rows = [line for line in read_parts()[part].splitlines() if line.startswith(("| worker,", "| serve,"))]
    assert [row.split("|")[1].strip() for row in rows] == [f"{p.command}, {p.when} {p.number}" for p in points]
    assert len(POINTS) >= 50
