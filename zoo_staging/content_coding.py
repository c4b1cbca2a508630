"""Content codings of HTTP answers (RFC 9110, section 8.4): decoded, unless the file itself is meant to be compressed.

We request none (`Accept-Encoding: identity`); some servers compress nevertheless, or declare the compression of a
`.tar.gz` as a coding.
"""

import zlib
from collections.abc import AsyncIterator, Mapping

from zoo_staging.errors import Kind, StagingError
from zoo_staging.hrefs import name_of
from zoo_staging.names import choose_name, read_disposition
from zoo_staging.ranges import broken_off

_NONE = frozenset({"", "identity", "aws-chunked"})
_GZIP = frozenset({"gzip", "x-gzip"})
_COMPRESSED_NAMES = (".gz", ".tgz", ".svgz")
_COMPRESSED_TYPES = frozenset({"application/gzip", "application/x-gzip", "application/x-tgz"})
_MOST_BYTES = 4 << 20


def find_coding(headers: Mapping[str, str], href: str) -> str | None:
    """Return the coding to undo, `gzip` or `deflate`; None where the bytes are the file.

    Raises `StagingError` (`CONTENT`) for any other coding.
    """
    if "content-encoding" not in headers:
        return None
    codings = [word.strip().lower() for word in headers["content-encoding"].split(",")]
    found = ["gzip" if word in _GZIP else word for word in codings if word not in _NONE]
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    name = choose_name(name_of(href), read_disposition(headers.get("content-disposition", "")))
    is_compressed = name.lower().endswith(_COMPRESSED_NAMES) or media_type in _COMPRESSED_TYPES
    if not found or (found == ["gzip"] and is_compressed):
        return None
    if found in (["gzip"], ["deflate"]):
        return found[0]
    raise StagingError(
        Kind.CONTENT,
        href,
        f"the server sent the content coding {', '.join(found)}, which was not requested and is not supported",
        "Ask the server's operator to send the file as it is (Accept-Encoding: identity).",
    )


async def decode(chunks: AsyncIterator[bytes], href: str) -> AsyncIterator[bytes]:
    """Undo gzip or deflate. Raises a `RetryableError` where the bytes end too early, `StagingError` where invalid."""
    decoder = None
    async for chunk in chunks:
        data = chunk
        while data:
            if decoder is None or decoder.eof:
                decoder = _start(data)
            try:
                plain = decoder.decompress(data, _MOST_BYTES)
            except zlib.error as error:
                raise StagingError(
                    Kind.CONTENT, href, f"invalid compressed bytes ({error})", "Report it to the server's operator."
                ) from error
            data = decoder.unused_data or decoder.unconsumed_tail
            if plain:
                yield plain
    if decoder is not None and not decoder.eof:
        raise broken_off(href)


def _start(data: bytes) -> "zlib._Decompress":
    # the low half of the first byte of gzip and zlib data is known; other data is deflate without a header
    wrapped = data[:1] == b"\x1f" or data[0] & 0x0F == 8
    return zlib.decompressobj(32 + zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
