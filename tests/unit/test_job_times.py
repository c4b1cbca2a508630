"""Times by which lists of jobs are filtered."""

import pytest

from zoo_runner.model.errors import InputError
from zoo_runner.server.parameters import JobParameters
from zoo_runner.server.requests import build_query

CREATED = "2026-01-31T11:30:00.250Z"


@pytest.mark.parametrize(
    ("asked", "is_within"),
    [
        ("2026-01-31", True),
        ("2026-01-31T11:30:00Z", True),
        ("2026-01-31t11:30:00.250z", True),
        ("2026-01-31T12:30:00+01:00", True),
        ("2026-01-31T12:30:01+01:00/..", False),
        ("2026-02-01T01:00:00+14:00/2026-01-31T05:30:00-06:00", True),
        ("../2026-01-30", False),
        ("2026-01-31/2026-01-31", True),
    ],
)
def test_a_time_may_have_the_offset_of_any_zone(asked: str, is_within: bool) -> None:
    query = build_query(JobParameters(datetime=asked))
    assert ((query.created_from or "") <= CREATED <= (query.created_to or "~")) is is_within


@pytest.mark.parametrize(
    "asked",
    ["2026-13-45", "2026-02-30/..", "2026-01-31T25:00:00Z", "0001-01-01T00:00:00+01:00", "2026-01-31T11:30:00", "noon"],
)
def test_a_time_that_no_calendar_has_is_refused(asked: str) -> None:
    with pytest.raises(InputError, match="datetime is"):
        build_query(JobParameters(datetime=asked))


def test_an_interval_that_ends_before_its_begin_is_refused() -> None:
    with pytest.raises(InputError, match="2026-02-01/2026-01-31"):
        build_query(JobParameters(datetime="2026-02-01/2026-01-31"))
