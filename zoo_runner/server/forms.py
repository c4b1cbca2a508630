"""Reads forms (RFC 7578) that were received as a whole."""

import asyncio
from collections.abc import AsyncGenerator

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from zoo_runner.server.invalid_requests import build_invalid

_MOST_PARTS = 200


def read_parts(headers: Headers, body: bytes) -> list[tuple[str, str | None, bytes]]:
    """Do what `_read_parts` does, in a thread: a form may be large, and other requests must not wait for it."""
    return asyncio.run(_read_parts(headers, body))


async def _read_parts(headers: Headers, body: bytes) -> list[tuple[str, str | None, bytes]]:
    """Read the parts of a form in their order: name, file name where it is a file, content. Raises `InputError`."""

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(
        headers, stream(), max_files=_MOST_PARTS, max_fields=_MOST_PARTS, max_part_size=len(body) + 1
    )
    try:
        form = await parser.parse()
    # without a boundary, the parser misses the parameter of the header
    except (MultiPartException, KeyError, ValueError, UnicodeError) as error:
        raise build_invalid(f"the form cannot be read: {error}", "Send a multipart/form-data body.") from error
    try:
        return [
            (name, part.filename, await part.read()) if isinstance(part, UploadFile) else (name, None, part.encode())
            for name, part in form.multi_items()
        ]
    finally:
        await form.close()
