"""Downloads planned references: documents first, then all files in one pool, then the catalogs are written."""

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from stagein.crawl import walk
from stagein.layout import CatalogFolder, build_catalog_folder
from stagein.paging import Query
from stagein.plan import Reference, Where
from stagein.progress import Transfer
from stagein.settings import StageInOptions
from stagein.sources import Entry, SourceTable, open_sources
from stagein.sources.local import check_local
from stagein.stac import Document, parse_document
from stagein.transfer import transfer_all
from zoo_staging.errors import Kind, StagingError, mask_href, merge_errors
from zoo_staging.names import safe_name, unique_name
from zoo_staging.pool import RetryOptions, retry, run_pool
from zoo_staging.progress import Report

LARGEST_DOCUMENT_BYTES = 64 << 20

logger = logging.getLogger(__name__)


@dataclass
class Staged:
    """Where a reference will be, the files to download for it, and the documents to write after them."""

    where: Where
    path: Path
    transfers: list[Transfer] = field(default_factory=list)
    documents: list[tuple[Path, dict[str, Any]]] = field(default_factory=list)


async def fetch_references(
    references: Sequence[Reference], folder: Path, options: StageInOptions, report: Report
) -> dict[Where, Path]:
    """Bring `references` into `folder`; where each is. Raises `StagingError`."""
    async with open_sources(options) as sources:
        fetcher = _Fetcher(sources, folder, options)
        staged, errors = await run_pool(
            [lambda reference=reference: fetcher.prepare(reference) for reference in references],  # type: ignore[misc]
            options.concurrency,
        )
        if errors:
            raise merge_errors(errors)
        await transfer_all((move for one in staged for move in one.transfers), sources, options, report)
    for one in staged:
        for path, document in one.documents:
            _write_document(path, document)
    return {one.where: one.path for one in staged}


class _Fetcher:
    """Finds out what each reference consists of; documents referred to twice are read once."""

    def __init__(self, sources: SourceTable, folder: Path, options: StageInOptions) -> None:
        self._sources = sources
        self._folder = folder
        self._options = options
        self._documents: dict[Query, asyncio.Task[Document]] = {}

    async def prepare(self, reference: Reference) -> Staged:
        """What is to be done for one reference."""
        place = self._folder / reference.place
        if reference.is_local:
            path = check_local(Path(reference.href), self._options.allowed_roots)
            if reference.cwl_class == "File" or path.is_dir():
                return Staged(reference.where, _check_class(reference, path))
        if reference.cwl_class == "File":
            self._sources.get(reference.href)
            target = place / reference.name
            transfer = Transfer(reference.href, target, reference.size_bytes, reference.checksum)
            return Staged(reference.where, target, [transfer])
        entries = await self._list_folder(reference.href)
        if entries is not None:
            return Staged(reference.where, place, _plan_folder(entries, place))
        return await self._prepare_catalog(reference, place)

    async def _prepare_catalog(self, reference: Reference, place: Path) -> Staged:
        found = await walk(
            reference.href,
            self._read_once,
            max_items=self._options.max_items,
            concurrency=self._options.concurrency,
        )
        layout = build_catalog_folder(found.source, found.items, found.collections, self._options)
        _log_unverified(layout)
        return Staged(
            reference.where,
            place,
            [Transfer(one.href, place / one.path, one.size_bytes, one.checksum, one.what) for one in layout.files],
            [(place / path, document) for path, document in layout.documents],
        )

    async def _list_folder(self, href: str) -> list[Entry] | None:
        entries = await retry(lambda: self._sources.get(href).list_folder(href), self._waits)
        if entries is not None and not entries:
            raise StagingError(Kind.NOT_FOUND, href, "folder does not exist or is empty", "Check bucket and prefix.")
        return entries

    async def _read_once(self, query: Query) -> Document:
        if query not in self._documents:
            self._documents[query] = asyncio.create_task(retry(lambda: self._read(query), self._waits))
        return await self._documents[query]

    async def _read(self, query: Query) -> Document:
        data, href = bytearray(), query.href
        async with self._sources.ask(query) as content:
            async for chunk in content.chunks:
                data += chunk
                if len(data) > LARGEST_DOCUMENT_BYTES:
                    raise _too_large(href)
            final = content.href
        # a redirect to a signed address leads to the document only, not to its neighbours
        base = final if mask_href(final) == final else href
        return replace(parse_document(bytes(data), base), posted=query.body)

    @property
    def _waits(self) -> RetryOptions:
        options = self._options
        return RetryOptions(options.retries, options.first_wait_seconds, options.longest_wait_seconds)


def _check_class(reference: Reference, path: Path) -> Path:
    if reference.cwl_class == "File" and not path.is_file():
        raise StagingError(Kind.NOT_FOUND, reference.href, "a folder, but the input has type File", "Give a file.")
    return path


def _plan_folder(entries: Sequence[Entry], place: Path) -> list[Transfer]:
    taken: dict[PurePosixPath, set[str]] = {}
    transfers = []
    for entry in entries:
        *folders, name = entry.path.split("/")
        parent = PurePosixPath(*(_keep_or_mend(folder) for folder in folders))
        path = parent / unique_name(_keep_or_mend(name), taken.setdefault(parent, set()))
        transfers.append(Transfer(entry.href, place / path, entry.size_bytes))
    return transfers


def _keep_or_mend(part: str) -> str:
    """A name of a remote folder as it is, unless it could lead elsewhere or no disk would take it."""
    plain = part not in ("", ".", "..") and "\0" not in part and len(part.encode()) <= 255
    return part if plain else safe_name(part)


def _log_unverified(layout: CatalogFolder) -> None:
    for file in layout.files:
        if file.unverified is not None:
            logger.warning("%s: checksum not verified, unknown kind: %s", mask_href(file.href), file.unverified)


def _too_large(href: str) -> StagingError:
    return StagingError(
        Kind.STAC_INVALID,
        href,
        f"too large for a STAC document (more than {LARGEST_DOCUMENT_BYTES} bytes)",
        "If it is data, give it as a File; otherwise use a smaller collection.",
    )


def _write_document(path: Path, document: dict[str, Any]) -> None:
    partial = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # without indent, which only the slow encoder can
        text = json.dumps(document, ensure_ascii=False) + "\n"
        # half a surrogate pair, which JSON may hold and UTF-8 not, is written as the escape it was
        partial.write_bytes(text.encode("utf-8", "backslashreplace"))
        partial.replace(path)
    except OSError as error:
        raise StagingError(
            Kind.DISK,
            str(path),
            f"cannot write: {error}",
            "Check the folder, its space and permissions.",
        ) from error
    finally:
        partial.unlink(missing_ok=True)
