"""Downloads planned references: documents first, then all files in one pool, then the catalogs are written."""

import asyncio
import json
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath

from stagein.content_check import CHECKED_BYTES, find_login
from stagein.crawl import DocumentBudget, Found, walk
from stagein.layout import AssetFile, CatalogFolder, build_catalog_folder
from stagein.paging import Query
from stagein.plan import Reference, Where
from stagein.progress import Transfer, check_files
from stagein.selection import REMEDY, SELECT, SelectionError, find_missing_words, intersects, is_wanted, select
from stagein.settings import StageInOptions
from stagein.sources import Entry, SourceTable, open_sources
from stagein.sources.local import check_content, check_links, check_local
from stagein.sources.protocol import check_document_size
from stagein.stac import Document, Json, parse_document
from stagein.transfer import SIDE_FAILURES, plan_folder, transfer_all
from zoo_staging.destination import STORES
from zoo_staging.errors import Kind, StagingError, mask_href, merge_errors
from zoo_staging.hrefs import LOCAL, get_scheme, name_of
from zoo_staging.names import is_folder_name
from zoo_staging.pool import RetryOptions, retry, run_pool
from zoo_staging.progress import Report
from zoo_staging.stac import invalid_stac
from zoo_staging.threads import Workers

logger = logging.getLogger(__name__)


Documents = Sequence[tuple[PurePosixPath, Json]]


@dataclass
class Staged:
    """The local path of a reference, the files to download for it, the documents to write after them.

    `build_documents` gets the paths of assets that are missing.
    """

    where: Where
    path: Path
    transfers: list[Transfer] = field(default_factory=list)
    build_documents: Callable[[frozenset[PurePosixPath]], Documents] = lambda _: ()


async def fetch_references(
    references: Sequence[Reference],
    folder: Path,
    options: StageInOptions,
    report: Report,
    versions: dict[Path, str] | None = None,
) -> dict[Where, Path]:
    """Download `references` into `folder`; return the local path of each. Raises `StagingError`.

    What sources call the version of files is added to `versions`.
    """
    async with open_sources(options) as sources:
        fetcher = Fetcher(sources, folder, options)
        staged, errors = await run_pool(
            [lambda reference=reference: fetcher.prepare(reference) for reference in references],  # type: ignore[misc]
            options.documents_at_once,
        )
        if errors:
            raise merge_errors(errors)
        transfers = [transfer for one in staged for transfer in one.transfers]
        done = await transfer_all(transfers, sources, options, report)
    if versions is not None:
        versions |= done.versions
    for one in staged:
        below = frozenset(
            PurePosixPath(path.relative_to(one.path)) for path in done.missing if path.is_relative_to(one.path)
        )
        for path, document in one.build_documents(frozenset(below)):
            _write_document(one.path / path, document)
    return {one.where: done.renamed.get(one.path, one.path) for one in staged}


class Fetcher:
    """Determines the files of each reference; documents referred to twice are read once."""

    def __init__(self, sources: SourceTable, folder: Path, options: StageInOptions) -> None:
        self._sources = sources
        self._folder = folder
        self._options = options
        self._documents: dict[Query, asyncio.Task[Document]] = {}
        self._budget = DocumentBudget(options)

    async def prepare(self, reference: Reference) -> Staged:
        """Plan the downloads of one reference."""
        place = self._folder / reference.place
        options = _select(reference, self._options)
        if reference.is_local:
            path = check_local(Path(reference.href), self._options.allowed_roots)
            if self._options.allowed_roots is not None and path.is_dir():
                await _check_links(path, self._options)
            if reference.cwl_class == "File" or path.is_dir():
                _warn_of_selection(reference)
                await _check_content(reference, _check_class(reference, path))
                return Staged(reference.where, path)
        if reference.cwl_class == "File":
            self._sources.get(reference.href)
            target = place / reference.name
            size, checksum = reference.size_bytes, reference.checksum
            transfer = Transfer(reference.href, target, size, checksum, is_unnamed=reference.is_unnamed)
            return Staged(reference.where, target, [transfer])
        entries = await self._list_reference(reference.href)
        if entries is None:
            try:
                return await self._prepare_catalog(reference, place, options)
            except StagingError as error:
                entries = await self._recover(reference.href, error)
        _warn_of_selection(reference)
        return Staged(reference.where, place, plan_folder(entries, place))

    async def _recover(self, href: str, error: StagingError) -> list[Entry]:
        """Try a missing object as a prefix; raises `error` if it is neither."""
        if error.kind is not Kind.NOT_FOUND or get_scheme(href) not in STORES:
            raise error
        try:
            entries = await self._list_prefix(href)
        except StagingError as other:
            raise (other if other.kind is Kind.REFUSED else error) from None
        if not entries:
            raise error
        return entries

    async def _prepare_catalog(self, reference: Reference, place: Path, options: StageInOptions) -> Staged:
        self._budget.include_reference()
        found = await walk(
            reference.href,
            self._read_once,
            max_items=self._options.max_items,
            concurrency=self._options.documents_at_once,
        )
        items = _select_items(found, options)
        build = partial(build_catalog_folder, found.source, items, found.collections, options)
        layout = build()
        check_files(len(layout.files), reference.href, self._options.max_files)
        if not layout.files:
            _check_assets(reference.href, items or found.collections)
        _check_words(reference, options, items or found.collections)
        _warn_of_bare(reference, options, items)
        _log_unverified(layout)
        folders: list[AssetFile] = []
        files: list[AssetFile] = []
        for asset in layout.files:
            (folders if _looks_like_folder(asset) else files).append(asset)
        planned, errors = await run_pool(
            [lambda one=one: self._plan_folder_asset(one, place) for one in folders],  # type: ignore[misc]
            self._options.documents_at_once,
        )
        if errors:
            raise merge_errors(errors)
        transfers = [_plan_file(asset, place) for asset in files]
        transfers += [transfer for many in planned for transfer in many or ()]
        left_out = frozenset(asset.path for asset, many in zip(folders, planned, strict=True) if many is None)
        # a finished layout is computed again only if an asset is missing
        return Staged(
            reference.where,
            place,
            transfers,
            lambda missing: (build(missing | left_out) if missing | left_out else layout).documents,
        )

    async def _plan_folder_asset(self, asset: AssetFile, place: Path) -> list[Transfer] | None:
        """Plan all files of an asset that looks like a folder; of one that is not a folder, its file.

        None for a side asset that cannot be listed.
        """
        try:
            entries = await self._list_asset(asset)
        except StagingError as error:
            if asset.is_side and error.kind in SIDE_FAILURES:
                logger.warning("%s is missing, and left out: %s", asset.what, error)
                return None
            raise error.explain(asset.what, REMEDY) from error
        return [_plan_file(asset, place)] if entries is None else plan_folder(entries, place / asset.path)

    async def _list_asset(self, asset: AssetFile) -> list[Entry] | None:
        if get_scheme(asset.href) not in ("http", "https"):
            entries = await self._list_prefix(asset.href)
            if entries is not None and not entries and get_scheme(asset.href) == LOCAL:
                raise StagingError(Kind.NOT_FOUND, asset.href, "the folder is empty", "Check the folder.")
            return entries or None
        entries = await self._list(asset.href)
        if entries is None and (asset.href.endswith("/") or _is_zarr(asset)):
            raise _unlistable(asset.href)
        return entries

    async def _list_reference(self, href: str) -> list[Entry] | None:
        """List the files of a Directory; None if it is a STAC document, or may be one."""
        if get_scheme(href) in ("http", "https"):
            return await self._list(href) if name_of(href).lower().endswith(".zarr") else None
        if is_folder_name(name_of(href)) and not href.endswith("/"):
            return await self._list_prefix(href) or None
        entries = await self._list(href)
        if entries is not None and not entries:
            raise StagingError(Kind.NOT_FOUND, href, "folder does not exist or is empty", "Check bucket and prefix.")
        return entries

    async def _list_prefix(self, href: str) -> list[Entry] | None:
        """List the files below an address without trailing slash; None or empty if it is not a folder."""
        is_store = get_scheme(href) in STORES
        return await self._list(f"{href.rstrip('/')}/" if is_store else href)

    async def _list(self, href: str) -> list[Entry] | None:
        return await retry(lambda: self._sources.get(href).list_folder(href), self._waits)

    async def _read_once(self, query: Query) -> Document:
        if query not in self._documents:
            self._documents[query] = asyncio.create_task(retry(lambda: self._read(query), self._waits))
        return await self._documents[query]

    async def _read(self, query: Query) -> Document:
        data, href = bytearray(), query.href
        async with self._sources.ask(query) as content:
            with self._budget.count(href) as add:
                async for chunk in content.chunks:
                    data += chunk
                    check_document_size(len(data), href)
                    add(len(chunk))
            final = content.href
            login = find_login(content, href, bytes(data[:CHECKED_BYTES]))
        if login:
            raise login
        # a redirect to a signed address leads to the document only, not to its neighbours
        base = final if mask_href(final) == final else href
        return replace(parse_document(bytes(data), base), posted=query.body)

    @property
    def _waits(self) -> RetryOptions:
        options = self._options
        return RetryOptions(options.retries, options.first_wait_seconds, options.longest_wait_seconds)


async def _check_content(reference: Reference, path: Path) -> None:
    """Check a local file against the size and checksum of its input, as one that is downloaded."""
    if reference.size_bytes is not None or reference.checksum is not None:
        with closing(Workers()) as workers:
            await workers.run(lambda: check_content(path, reference.size_bytes, reference.checksum))


async def _check_links(folder: Path, options: StageInOptions) -> None:
    """Check the links of a folder in a thread: others lead to archives on slow disks."""
    with closing(Workers()) as workers:
        await workers.run(lambda: check_links(folder, options.allowed_roots, options.max_files))


def _select(reference: Reference, options: StageInOptions) -> StageInOptions:
    try:
        return select(options, reference.select)
    except SelectionError as error:
        where = ".".join(map(str, (*reference.where, SELECT, error.member))).rstrip(".")
        raise StagingError(Kind.UNSUPPORTED, where, f"invalid selection: {error}", "Correct `select`.") from error


def _select_items(found: Found, options: StageInOptions) -> list[Document]:
    items = [item for item in found.items if _touches(item, options)]
    if items or not found.items:
        return items
    box = ", ".join(f"{side:g}" for side in options.bbox or ())
    raise StagingError(
        Kind.NOT_FOUND,
        found.source.href,
        f"none of {len(found.items)} items touches the bounding box {box}",
        "Correct the bounding box (west, south, east, north in degrees): `bbox` in `select`, or STAGEIN_BBOX.",
    )


def _touches(item: Document, options: StageInOptions) -> bool:
    try:
        return intersects(item.content, options.bbox)
    except ValueError as error:
        remedy = "Its publisher must correct its geometry, or add a bbox."
        raise invalid_stac(item.href, f"where item {item.id!r:.80} is cannot be read: {error}", remedy) from error


def _check_assets(href: str, documents: Sequence[Document]) -> None:
    """Raise an error where there are assets, and the selection leaves none: a job without data would succeed."""
    keys = sorted({key for document in documents for key in document.content.get("assets") or ()})
    if keys:
        raise StagingError(
            Kind.NOT_FOUND,
            href,
            f"no asset matches the selection; there are: {', '.join(keys):.300}",
            "Correct `select` in the input, or the settings STAGEIN_ASSET_….",
        )


def _check_words(reference: Reference, options: StageInOptions, documents: Sequence[Document]) -> None:
    """Raise an error where an input selects by a word that no asset has; warn where the settings do, for all inputs.

    Without this a job would go on with less data than it asked for.
    """
    assets = [pair for document in documents for pair in (document.content.get("assets") or {}).items()]
    for word, missing, there in find_missing_words(options, assets) if assets else ():
        cause = (
            f"no asset has the {word.name} {' or '.join(map(repr, missing)):.300};"
            f" there are: {', '.join(there) or 'none':.300}"
        )
        if (reference.select or {}).get(word.member):
            remedy = f"Correct `{word.member}` in `select`."
            raise StagingError(Kind.NOT_FOUND, reference.href, cause, remedy)
        logger.warning("%s: %s (%s)", mask_href(reference.href), cause, word.setting)


def _warn_of_bare(reference: Reference, options: StageInOptions, items: Sequence[Document]) -> None:
    """Warn of items that have assets, none of which is selected: a step gets them without data."""
    bare = [
        item.id
        for item in items
        if (assets := item.content.get("assets")) and not any(is_wanted(key, assets[key], options) for key in assets)
    ]
    if bare:
        shown = ", ".join(map(repr, bare[:5]))
        logger.warning("%s: items without any selected asset: %d, %.300s", mask_href(reference.href), len(bare), shown)


def _warn_of_selection(reference: Reference) -> None:
    if reference.select:
        logger.warning("%s: no STAC document, so `select` is ignored", mask_href(reference.href))


def _plan_file(asset: AssetFile, place: Path) -> Transfer:
    return Transfer(
        asset.href,
        place / asset.path,
        asset.size_bytes,
        asset.checksum,
        asset.what,
        asset.media_type,
        is_side=asset.is_side,
        may_be_folder=True,
    )


def _looks_like_folder(asset: AssetFile) -> bool:
    scheme = get_scheme(asset.href)
    if scheme == LOCAL:
        return os.path.isdir(asset.href)  # noqa: PTH112 - thousands of assets: a Path takes longer than the look
    by_name = asset.href.endswith("/") or is_folder_name(str(asset.path)) or _is_zarr(asset)
    return by_name and scheme in ("http", "https", *STORES)


def _is_zarr(asset: AssetFile) -> bool:
    media_type = (asset.media_type or "").lower()
    return "zarr" in media_type and "zip" not in media_type


def _check_class(reference: Reference, path: Path) -> Path:
    if reference.cwl_class == "File" and not path.is_file():
        raise StagingError(Kind.NOT_FOUND, reference.href, "a folder, but the input has type File", "Give a file.")
    return path


def _log_unverified(layout: CatalogFolder) -> None:
    for file in layout.files:
        if file.unverified is not None:
            logger.warning("%s: checksum not verified, unknown kind: %s", mask_href(file.href), file.unverified)


def _unlistable(href: str) -> StagingError:
    return StagingError(
        Kind.UNSUPPORTED,
        href,
        "a folder on a web server, which HTTP cannot list, without consolidated zarr metadata",
        "Use its address in object storage, consolidate the metadata of the zarr store, or give it as an archive.",
    )


def _write_document(path: Path, document: Json) -> None:
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
