"""Content codings are undone, unless the file is meant to be compressed."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo_staging.content_coding import decode, find_coding
from zoo_staging.errors import Kind, RetryableError, StagingError

pytestmark = pytest.mark.unit

HREF = "https://h/a.tif"


def undo(*chunks: bytes) -> bytes:
    async def give() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    async def collect() -> bytes:
        return b"".join([chunk async for chunk in decode(give(), HREF)])

    return asyncio.run(collect())


def compress_raw(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


@given(st.binary(max_size=2000), st.integers(1, 50))
def test_gzip_and_deflate_are_undone_wherever_they_are_cut(data: bytes, step: int) -> None:
    for compressed in (gzip.compress(data), zlib.compress(data)):
        assert undo(*(compressed[at : at + step] for at in range(0, len(compressed), step))) == data


def test_deflate_without_a_header_and_several_members_are_undone() -> None:
    assert undo(compress_raw(b"pixels" * 1000)) == b"pixels" * 1000
    assert undo(gzip.compress(b"one"), gzip.compress(b"two")) == b"onetwo"


def test_an_answer_that_is_cut_off_is_found() -> None:
    with pytest.raises(RetryableError) as caught:
        undo(gzip.compress(b"pixels" * 1000)[:-4])
    assert caught.value.kind is Kind.SIZE


def test_bytes_that_are_not_compressed_are_an_error() -> None:
    with pytest.raises(StagingError) as caught:
        undo(b"\x1f\x8bnot gzip at all")
    assert caught.value.kind is Kind.CONTENT


@pytest.mark.parametrize(
    ("coding", "href", "media_type", "found"),
    [
        ("gzip", HREF, "image/tiff", "gzip"),
        ("X-GZIP", HREF, "", "gzip"),
        ("deflate", HREF, "", "deflate"),
        ("gzip", "https://h/a.tar.gz?x=1", "", None),
        ("gzip", "https://h/download", "application/gzip", None),
        ("identity", HREF, "", None),
        ("aws-chunked", HREF, "", None),
        ("", HREF, "", None),
    ],
)
def test_a_coding_is_undone_unless_the_file_is_meant_to_be_compressed(
    coding: str, href: str, media_type: str, found: str | None
) -> None:
    assert find_coding({"content-encoding": coding, "content-type": media_type}, href) == found


def test_a_name_that_the_server_gives_says_whether_the_file_is_compressed() -> None:
    headers = {"content-encoding": "gzip", "content-disposition": 'attachment; filename="data.nii.gz"'}
    assert find_coding(headers, "https://h/products/7/$value") is None
    assert find_coding(headers, "https://h/a.tif") == "gzip"


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip"])
def test_a_coding_that_is_not_supported_is_named(coding: str) -> None:
    with pytest.raises(StagingError, match=coding.split(",")[0]) as caught:
        find_coding({"content-encoding": coding}, HREF)
    assert caught.value.kind is Kind.CONTENT
