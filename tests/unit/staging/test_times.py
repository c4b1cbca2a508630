from datetime import datetime, time, timedelta, timezone

import pytest

from zoo_staging.times import read_datetime, read_time

pytestmark = pytest.mark.unit

NOON = datetime(2024, 7, 31, 12, 0, 5, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2024-07-31T12:00:05Z", NOON),
        ("2024-07-31T12:00:05z", NOON),
        ("2024-07-31T14:00:05+02:00", NOON),
        ("2024-07-31 12:00:05.5Z", NOON + timedelta(microseconds=500_000)),
        ("2024-07-31T12:00:05.1234567Z", NOON + timedelta(microseconds=123_456)),
        ("2024-07-31T12:00:05.02+00:00", NOON + timedelta(microseconds=20_000)),
        ("2024-07-31T12:00:05", NOON.replace(tzinfo=None)),
        ("2024-07-31", datetime(2024, 7, 31)),
    ],
)
def test_date_and_time_are_read_in_every_spelling_of_rfc_3339(text: str, wanted: datetime) -> None:
    assert read_datetime(text) == wanted


def test_a_time_of_day_is_read() -> None:
    assert read_time("10:15:00.25Z") == time(10, 15, 0, 250_000, timezone.utc)


@pytest.mark.parametrize("text", ["", "Z", "yesterday", "2024-13-01T00:00:00Z", "2024-07-31T12:00ZZ"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_datetime(text)
