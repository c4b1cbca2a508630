"""Rules about what a web server sends in place of a file."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stagein.content_check import find_foreign, find_login, has_signature, is_suspicious
from stagein.progress import Transfer
from stagein.sources.protocol import Content
from zoo_staging.hrefs import name_of
from zoo_staging.media import BINARY, ZARR

pytestmark = pytest.mark.unit

HREF = "https://data.example/a/B02.tif"
PAGE = b"<!DOCTYPE html><html><head><title>Not found</title></head></html>"
LOGIN = b'\n<html><head><title>Sign in</title></head><form><input type="password"></form></html>'


async def nothing() -> AsyncIterator[bytes]:
    yield b""


def serve(media_type: str, final: str = HREF, file_name: str = "") -> Content:
    return Content(final, None, nothing(), media_type=media_type, file_name=file_name)


def want(href: str = HREF, announced: str | None = None, name: str = "") -> Transfer:
    return Transfer(href, Path("folder", name or name_of(href)), media_type=announced)


def judge(
    start: bytes, media_type: str = "text/html", announced: str | None = "image/tiff", **where: str
) -> str | None:
    href = where.get("href", HREF)
    content = serve(media_type, where.get("final", href), where.get("file_name", ""))
    error = find_foreign(content, want(href, announced, where.get("name", "")), start)
    return error.kind if error else None


@pytest.mark.parametrize(
    ("start", "media_type", "kind"),
    [
        (PAGE, "text/html", "content"),
        (PAGE, "", "content"),
        (LOGIN, "text/html", "forbidden"),
        (b'{"error": "quota"}', "application/json", "content"),
        (b"<?xml version='1.0'?><Error><Code>Expired</Code></Error>", "application/xml", "content"),
        (b"II*\0", "text/html", None),
        (b"II*\0", "application/json", None),
    ],
)
def test_what_is_sent_in_place_of_an_image_is_found_by_its_bytes(
    start: bytes, media_type: str, kind: str | None
) -> None:
    assert judge(start, media_type) == kind


@pytest.mark.parametrize(
    ("announced", "href"),
    [
        ("text/html", HREF),
        (None, "https://h/report.html"),
        (None, "https://h/notes.txt"),
        (None, "https://h/download"),
    ],
)
def test_a_page_is_a_file_where_one_was_announced_or_nothing_is_known(announced: str | None, href: str) -> None:
    assert judge(PAGE, announced=announced, href=href) is None


def test_the_name_says_what_to_expect_where_the_metadata_does_not() -> None:
    assert judge(PAGE, announced=None) == "content"
    assert judge(PAGE, announced="application/octet-stream") == "content"


def test_a_redirect_to_a_login_page_is_forbidden_and_names_the_setting() -> None:
    error = find_foreign(serve("text/html", "https://sso.example/login?x=1"), want(HREF, "image/tiff"), PAGE)
    assert error is not None
    assert error.kind == "forbidden"
    assert "STAGEIN_HOSTS_FILE" in error.remedy
    assert "https://sso.example/login" in error.reason


def test_an_index_page_of_a_folder_is_not_a_file() -> None:
    href = "https://h/cube"
    assert judge(PAGE, announced=None, href=href, final=f"{href}/") == "unsupported"


def test_a_document_that_is_a_login_page_is_found() -> None:
    assert find_login(serve("text/html"), HREF, LOGIN) is not None
    assert find_login(serve("text/html"), HREF, PAGE) is None


def test_what_the_server_calls_as_it_was_announced_is_looked_at_where_it_has_a_signature() -> None:
    assert is_suspicious(serve("image/tiff"), want(HREF, "image/tiff; application=geotiff"))
    assert is_suspicious(serve("application/octet-stream"), want(HREF, "image/tiff"))
    assert is_suspicious(serve("application/octet-stream"), want("https://h/a", "application/octet-stream"))
    assert is_suspicious(serve(""), want(HREF))
    assert not is_suspicious(serve("text/csv"), want("https://h/a.csv"))
    assert not is_suspicious(serve("", "s3://bucket/a.tif"), want("s3://bucket/a.tif", "image/tiff"))


@pytest.mark.parametrize(
    ("name", "media_type", "start"),
    [
        ("a.csv", "text/html", PAGE),
        ("product.xml", "text/html", PAGE),
        ("a.csv", "application/json", b'{"error": "quota exceeded"}'),
        ("a.csv", "application/octet-stream", b"<Error><Code>Expired</Code></Error>"),
        ("product.xml", "text/plain", b"Error: request limit reached"),
        ("item.json", "text/plain", b"<error/>"),
        *(
            (f"a.{suffix}", "text/plain", b"Error: request limit reached")
            for suffix in ("tif", "png", "jp2", "nc", "h5")
        ),
        *(
            (f"a.{suffix}", BINARY, b"version https://git-lfs.github.com/spec/v1")
            for suffix in ("zip", "gz", "parquet")
        ),
    ],
)
def test_a_page_or_message_in_place_of_data_is_found_whatever_the_server_calls_it(
    name: str, media_type: str, start: bytes
) -> None:
    href = f"https://h/{name}"
    assert is_suspicious(serve(media_type, href), want(href))
    assert judge(start, media_type, None, href=href) == "content"


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.tif", "image/tiff"),
        ("a.webp", "image/webp"),
        ("a.nc", "application/netcdf"),
        ("a.zip", "application/zip"),
        ("a.tar", "application/x-tar"),
        ("a.las", "application/vnd.las"),
        ("a.grib2", "application/wmo-grib2"),
    ],
)
def test_text_is_found_under_the_media_type_of_the_data_too(name: str, media_type: str) -> None:
    href = f"https://h/{name}"
    assert is_suspicious(serve(media_type, href), want(href, media_type))
    for start in (
        b"Error: request limit reached",
        b"429 Too Many Requests\n",
        b"version https://git-lfs.github.com",
        PAGE,
    ):
        assert judge(start, media_type, media_type, href=href) == "content"
    for start in (b"\0\1 not text", b"measurement/iw-vv.tiff\n"):
        assert judge(start, media_type, media_type, href=href) is None


def test_a_table_that_begins_as_a_message_is_data_where_the_server_calls_it_a_table() -> None:
    assert judge(b"{a};{b}\n", "text/csv", None, href="https://h/a.csv") is None


def test_nothing_more_is_looked_at_behind_a_signature() -> None:
    served = serve(BINARY)
    assert has_signature(served, want(), b"II*\0")
    assert not has_signature(served, want(), PAGE)
    assert not has_signature(served, want("https://h/a.pdf"), PAGE + b"%PDF")
    assert not has_signature(served, want("https://h/a.csv"), b"name,value\n")


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("a.tif", b"II*\0"),
        ("a.tif", b"MM\0*"),
        ("a.tif", b"II+\0"),
        ("a.png", b"\x89PNG\r\n\x1a\n"),
        ("a.png", b"\xff\xd8\xff\xe0\0\x10JFIF\0"),
        ("a.jp2", b"\0\0\0\x0cjP  \r\n\x87\n"),
        ("a.nc", b"CDF\x01\0"),
        ("a.nc", b"\x89HDF\r\n\x1a\n"),
        ("a.h5", b"a user block".ljust(512) + b"\x89HDF\r\n\x1a\n"),
        ("a.zip", b"PK\x03\x04"),
        ("a.gz", b"\x1f\x8b\x08"),
        ("a.pdf", b"%PDF-1.7\n"),
        ("a.csv", b"name,value\n"),
        ("a.geojson", b'{"type": "Feature"}'),
        ("product.xml", b"\xef\xbb\xbf<?xml version='1.0'?>"),
        ("product.xml", b"\xff\xfe<\0?\0x\0m\0l\0"),
        ("notes.txt", b'{"any": "text"}'),
        ("empty.csv", b""),
        ("empty.bin", b""),
        ("empty", b""),
    ],
)
def test_data_is_taken_whatever_the_server_calls_it(name: str, start: bytes) -> None:
    for media_type in ("text/plain", "application/octet-stream", ""):
        assert judge(start, media_type, None, href=f"https://h/{name}") is None


VALUE = "https://h/odata/v1/Products(7)/$value"


@pytest.mark.parametrize(
    ("media_type", "file_name", "start"),
    [
        ("text/html", "S2.zip", PAGE),
        ("text/html", "S2.unknown", PAGE),
        ("application/zip", "", LOGIN.replace(b"password", b"text")),
        ("application/zip", "", b"Error: offline"),
        (BINARY, "x.tif", b"quota exceeded"),
    ],
)
def test_an_address_without_a_name_is_checked_by_the_name_or_the_type_that_the_server_gives(
    media_type: str, file_name: str, start: bytes
) -> None:
    assert is_suspicious(serve(media_type, VALUE, file_name), want(VALUE))
    assert judge(start, media_type, None, href=VALUE, file_name=file_name) in ("content", "forbidden")


def test_a_name_that_the_caller_gives_says_what_to_expect() -> None:
    assert judge(PAGE, announced=None, href=VALUE, name="S2.zip") == "content"
    assert judge(PAGE, announced=None, href=VALUE, file_name="index.html") is None
    assert judge(PAGE, announced=None, href=VALUE) is None


@pytest.mark.parametrize(
    "suffix",
    ["grb2", "grib", "img", "npy", "npz", "mat", "pkl", "bz2", "pmtiles", "onnx", "kea", "vrt", "tfw", "dat", "xyz"],
)
def test_a_page_is_no_file_of_any_suffix_that_is_not_one_of_pages(suffix: str) -> None:
    href = f"https://h/x.{suffix}"
    for media_type in ("text/html", BINARY, ""):
        assert is_suspicious(serve(media_type, href), want(href))
        assert judge(PAGE, media_type, None, href=href) == "content"


@pytest.mark.parametrize(
    "name", ["report.htm", "index.xhtml", "page.php", "get.aspx", "get.ashx", "a.svc", "page.tmpl", "v1.0", "download"]
)
def test_a_page_is_taken_where_the_name_is_one_of_pages_or_says_nothing(name: str) -> None:
    for media_type in ("text/html", BINARY, ""):
        assert judge(PAGE, media_type, None, href=f"https://h/{name}") is None


@pytest.mark.parametrize(
    ("media_type", "start"),
    [
        ("text/html", b"<!DOCTYPE html><html>rate limit"),
        (BINARY, PAGE),
        ("application/json", b'{"message": "Too many"}'),
        ("text/plain", b"429 Too Many Requests"),
    ],
)
def test_a_page_or_message_is_no_chunk_of_an_array(media_type: str, start: bytes) -> None:
    href = "https://h/s.zarr/B02/0.0"
    assert is_suspicious(serve(media_type, href), want(href, ZARR))
    assert judge(start, media_type, ZARR, href=href) == "content"
    for pixels in (b"\0\0{pixels", b"{pix\0els"):
        assert judge(pixels, media_type, ZARR, href=href) is None


def test_a_page_is_not_what_was_announced_as_bytes() -> None:
    assert judge(PAGE, announced=BINARY, href="https://h/download") == "content"


@pytest.mark.parametrize("name", ["x.shp", "x.shx", "x.npy", "x.npz", "x.bz2", "x.grb2"])
def test_text_is_no_file_of_a_suffix_with_a_signature(name: str) -> None:
    assert judge(b"not found", BINARY, None, href=f"https://h/{name}") == "content"


@pytest.mark.parametrize(
    ("name", "announced"), [("a.tif", None), ("a", "image/jp2"), ("a.nc", None), ("a.zip", None), ("a.json", None)]
)
def test_an_empty_answer_is_no_file_of_a_format_that_is_never_empty(name: str, announced: str | None) -> None:
    href = f"https://h/{name}"
    for media_type in ("image/tiff", "image/jp2", BINARY, ""):
        error = find_foreign(serve(media_type, href), want(href, announced), b"")
        assert error is not None
        assert "empty answer" in error.reason
