from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from zoo_staging.http_errors import read_retry_after

pytestmark = pytest.mark.unit


def test_retry_after_is_read_as_seconds_or_as_a_date() -> None:
    assert read_retry_after("7") == 7
    later = read_retry_after(format_datetime(datetime.now(timezone.utc) + timedelta(seconds=60), usegmt=True))
    assert later is not None
    assert 50 < later <= 60


@pytest.mark.parametrize("value", [None, "soon", ""])
def test_a_retry_after_that_says_nothing_is_ignored(value: str | None) -> None:
    assert read_retry_after(value) is None


def test_a_date_in_the_past_means_now() -> None:
    assert read_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
