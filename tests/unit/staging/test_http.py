from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from zoo_staging.curl import Request, parse_head
from zoo_staging.errors import Kind, RetryableError, StagingError
from zoo_staging.http import check_part, check_whole, normalize
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


@pytest.mark.parametrize(
    ("href", "sent"),
    [
        ("http://host/", "http://host/"),
        (
            "https://host.example:8443/a%20b/c;d=e,f?sign=x%2Fy&b='c'",
            "https://host.example:8443/a%20b/c;d=e,f?sign=x%2Fy&b='c'",
        ),
        ("http://127.0.0.1:8080//a/../b?x?y", "http://127.0.0.1:8080//a/../b?x?y"),
        ("HTTP://host/a", "http://host/a"),
        ("http://host/a?", "http://host/a"),
        ("http://host/a b/\u00e4", "http://host/a%20b/%C3%A4"),
        ("http://b\u00fccher.example/a", "http://xn--bcher-kva.example/a"),
    ],
)
def test_an_address_is_sent_as_it_is_written_or_encoded(href: str, sent: str) -> None:
    assert normalize(href) == sent
    assert normalize(sent) == sent


def test_the_last_head_counts_after_interim_answers() -> None:
    lines = [
        b"HTTP/1.1 103 Early Hints\r\n",
        b"Link: </a>\r\n",
        b"\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b'ETag: "a:b"\r\n',
        b"\r\n",
    ]
    assert parse_head(lines) == (200, "OK", {"etag": '"a:b"', "": ""})


def test_a_request_for_another_address_differs_in_nothing_else() -> None:
    first = Request("http://host/a", "host", 80, ("Accept: */*",), None, None, ("192.0.2.1",), None, 10.0)
    second = first.at("http://host/b")
    assert second == Request("http://host/b", "host", 80, ("Accept: */*",), None, None, ("192.0.2.1",), None, 10.0)
    assert (first.url, second.setup) == ("http://host/a", first.setup)


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
