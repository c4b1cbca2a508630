"""Lists files of a zarr store on a web server: HTTP cannot list folders, but consolidated metadata names all arrays.

Zarr v2: `.zmetadata`, or `.zarray` of a single array, with its `.zattrs` if it has any. Zarr v3: `zarr.json` with
`consolidated_metadata`, or of a single array. The metadata does not list existing chunks: a missing one has the fill
value (zarr specification).
"""

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from itertools import islice, product
from math import prod
from typing import Any
from urllib.parse import quote, urlsplit

from stagein.progress import check_files
from stagein.sources.protocol import Entry
from zoo_staging.errors import Kind, StagingError
from zoo_staging.media import JSON, ZARR

MOST_CHUNKS = 1_000_000

ReadDocument = Callable[[str], Awaitable[bytes | None]]
"""Returns the bytes at an address; None where nothing is there."""


async def list_zarr(read: ReadDocument, href: str, max_files: int | None = None) -> list[Entry] | None:
    """Return all files of the zarr store at `href`, chunks as possibly missing; None where its metadata is missing.

    Raises `StagingError` (`REFUSED`) for more than a million chunks or `max_files`, (`CONTENT`) for invalid metadata.
    """
    for name, find in (("zarr.json", _find_v3), (".zmetadata", _find_v2), (".zarray", _find_v2_array)):
        data = await read(_join(href, name))
        if data is None:
            continue
        try:
            metadata, found = find(json.loads(data))
            chunks = _take(found)
        except _TooManyChunksError:
            raise _refuse(href) from None
        except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError) as error:
            missing = f"it has no member {error.args[0]!r}" if isinstance(error, KeyError) else str(error)
            reason = f"invalid zarr metadata: {missing:.200}"
            raise StagingError(Kind.CONTENT, _join(href, name), reason, "Correct the zarr store.") from error
        if metadata is None:
            return None
        check_files(len(metadata) + len(chunks), href, max_files)
        # an array alone has its attributes, such as scale and offset, in a file that only a request shows
        if name == ".zarray" and await read(_join(href, ".zattrs")) is not None:
            metadata = [".zattrs"]
        files = [Entry(_join(href, path), path, None, media_type=JSON) for path in dict.fromkeys((name, *metadata))]
        return files + [
            Entry(_join(href, path), path, None, may_be_missing=True, media_type=ZARR, array=_join(href, place))
            for place, path in chunks
        ]
    return None


def _join(href: str, path: str) -> str:
    """Return the address of a path below the store; a query (a signature) stays behind the path."""
    store = urlsplit(href)
    return store._replace(path=f"{store.path.rstrip('/')}/{quote(path)}", fragment="").geturl()


Chunk = tuple[str, str]
"""The path of an array, and that of one of its chunks."""
Found = tuple[list[str] | None, Iterator[Chunk]]
"""Metadata files (None: the store cannot be listed), and chunks."""


class _TooManyChunksError(Exception):
    """A store has more chunks than are downloaded."""


def _take(chunks: Iterator[Chunk]) -> list[Chunk]:
    taken = list(islice(chunks, MOST_CHUNKS + 1))
    if len(taken) > MOST_CHUNKS:
        raise _TooManyChunksError
    return taken


def _refuse(href: str) -> StagingError:
    return StagingError(
        Kind.REFUSED,
        href,
        f"a zarr store with more than {MOST_CHUNKS} chunks, too many to download over HTTP",
        "Put it in object storage, or use a part of it.",
    )


def _find_v2(document: Mapping[str, Any]) -> Found:
    metadata: Mapping[str, Any] = document["metadata"]
    arrays = {path.rpartition(".zarray")[0]: array for path, array in metadata.items() if path.endswith(".zarray")}
    return list(metadata), (chunk for place, array in arrays.items() for chunk in _list_v2_chunks(array, place))


def _find_v2_array(array: Mapping[str, Any]) -> Found:
    return [], _list_v2_chunks(array, "")


def _find_v3(document: Mapping[str, Any]) -> Found:
    if document["node_type"] == "array":
        return [], _list_v3_chunks(document, "")
    consolidated = document.get("consolidated_metadata")
    if not consolidated:
        return None, iter(())
    nodes: Mapping[str, Any] = consolidated["metadata"]
    arrays = {path: node for path, node in nodes.items() if node["node_type"] == "array"}
    chunks = (chunk for path, node in arrays.items() for chunk in _list_v3_chunks(node, f"{path}/"))
    return [f"{path}/zarr.json" for path in nodes], chunks


def _list_v2_chunks(array: Mapping[str, Any], place: str) -> Iterator[Chunk]:
    separator = array.get("dimension_separator", ".")
    for indices in _count(array["shape"], array["chunks"]):
        yield place, place + (separator.join(indices) or "0")


def _list_v3_chunks(node: Mapping[str, Any], place: str) -> Iterator[Chunk]:
    encoding = node.get("chunk_key_encoding", {"name": "default"})
    default = encoding["name"] == "default"
    separator = encoding.get("configuration", {}).get("separator", "/" if default else ".")
    for indices in _count(node["shape"], node["chunk_grid"]["configuration"]["chunk_shape"]):
        parts = ("c", *indices) if default else indices or ("0",)
        yield place, place + separator.join(parts)


def _count(shape: list[int], chunks: list[int]) -> Iterator[tuple[str, ...]]:
    """Yield the indices of all chunks: along each axis, as many as are needed to cover it.

    Raises `_TooManyChunksError` before any is yielded: `product` keeps the numbers of every axis in memory.
    """
    counts = [-(-int(length) // int(chunk)) for length, chunk in zip(shape, chunks, strict=True)]
    if any(count <= 0 for count in counts):
        return iter(())
    if _is_large(counts):
        raise _TooManyChunksError
    return (tuple(map(str, indices)) for indices in product(*map(range, counts)))


def _is_large(counts: list[int]) -> bool:
    """Whether the product exceeds the limit; axes of one chunk, and what lies beyond the limit, are not multiplied."""
    several = [count for count in counts if count > 1]
    # each at least doubles the product
    return len(several) > MOST_CHUNKS.bit_length() or prod(several) > MOST_CHUNKS
