"""Compares what an S3 service stored with what was sent, by entity tags that are MD5 digests.

An object uploaded as a whole has the MD5 of its bytes as entity tag, one uploaded in parts the MD5 of its parts' MD5s
and their number, with exceptions (S3 API, PutObject: some kinds of encryption): a different tag alone is not a failure.
"""

import asyncio
import hashlib
import io
import re
from pathlib import Path
from typing import BinaryIO


def open_source(source: Path | bytes) -> BinaryIO:
    """Open what is sent, as a stream."""
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


async def compute_etag(source: Path | bytes, part_bytes: int) -> str:
    """Compute the entity tag of an upload in parts of `part_bytes`, or as a whole where it is not larger.

    It is computed part by part, so that it ends soon after cancellation.
    """
    if isinstance(source, bytes) and len(source) <= part_bytes:
        return _md5(source).hex()
    digests: list[tuple[int, bytes]] = []
    with open_source(source) as stream:
        while not digests or digests[-1][0] == part_bytes:
            digests.append(await asyncio.to_thread(_digest_part, stream, part_bytes))
    parts = [digest for size, digest in digests if size] or [digests[0][1]]
    if len(parts) == 1:
        return parts[0].hex()
    return f"{_md5(b''.join(parts)).hex()}-{len(parts)}"


def is_comparable(etag: str, computed: str) -> bool:
    """Whether an entity tag is computed like ours: MD5 of the whole, or of as many parts."""
    return bool(re.fullmatch(r"[0-9a-f]{32}(-\d+)?", etag)) and etag.partition("-")[2] == computed.partition("-")[2]


def _digest_part(stream: BinaryIO, part_bytes: int) -> tuple[int, bytes]:
    part = stream.read(part_bytes)
    return len(part), _md5(part)


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()
