from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from zoo_staging.errors import Kind, RetryableError, StagingError
from zoo_staging.http import check_part, check_whole
from zoo_staging.http_errors import read_retry_after
from zoo_staging.ranges import ByteRange, ChangedError, NoRangesError

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


PART = ByteRange(100, 150, '"v1"')


@pytest.mark.parametrize(
    "headers",
    [
        {"content-range": "bytes 100-149/500", "content-length": "50", "etag": '"v1"'},
        {"content-range": "bytes 100-149/*", "transfer-encoding": "chunked"},
    ],
)
def test_the_range_that_was_asked_for_is_taken(headers: dict[str, str]) -> None:
    check_part(206, headers, PART, "https://h/a")


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (206, {"content-range": "bytes 0-49/500", "content-length": "50"}, NoRangesError),
        (206, {"content-range": "bytes 100-148/500"}, NoRangesError),
        (206, {"content-range": "bytes 100-149/500", "content-length": "49"}, NoRangesError),
        (206, {"content-range": "bytes 100-149/500", "content-encoding": "gzip"}, NoRangesError),
        (206, {"content-length": "50", "content-type": "multipart/byteranges"}, NoRangesError),
        (206, {"content-range": "bytes 100-149/500", "etag": '"v2"'}, ChangedError),
        (200, {"content-length": "500", "etag": '"v1"'}, NoRangesError),
        (200, {"content-length": "500", "etag": '"v2"'}, ChangedError),
    ],
)
def test_an_answer_with_other_bytes_is_not_taken_for_the_part(
    status: int, headers: dict[str, str], error: type[StagingError]
) -> None:
    with pytest.raises(error):
        check_part(status, headers, PART, "https://h/a")


@pytest.mark.parametrize(
    "headers",
    [
        {"content-range": "bytes 0-9/1000", "content-length": "10"},
        {"content-range": "bytes 500-509/1000"},
        {"content-range": "bytes 990-999/1000"},
        {"content-range": "bytes 0-9/*"},
        {"content-type": "multipart/byteranges"},
        {},
    ],
)
def test_a_part_that_nobody_asked_for_is_not_the_file(headers: dict[str, str]) -> None:
    with pytest.raises(RetryableError) as caught:
        check_whole(206, headers, "https://h/a")
    assert caught.value.kind is Kind.SIZE


def test_a_part_with_all_bytes_is_the_file() -> None:
    check_whole(206, {"content-range": "bytes 0-999/1000"}, "https://h/a")
    check_whole(200, {}, "https://h/a")
