"""Reads what the outputs of a CWL run refer to (CWL v1.2, File and Directory) into plain values."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from stageout.catalog import read_catalog
from stageout.extent import Extent
from stageout.model import (
    Found,
    FoundArray,
    FoundCatalog,
    FoundData,
    FoundFile,
    FoundLiteral,
    FoundRecord,
    StageOutOptions,
)
from stageout.names import Ids, check_relative_name
from stageout.raster import read_raster
from stageout.roots import find_catalogs
from zoo_staging.cancel import Cancellation
from zoo_staging.errors import Kind, StagingError
from zoo_staging.folders import find_empty_folders, resolve, walk
from zoo_staging.media import COG, GEOTIFF, get_media_type
from zoo_staging.names import find_folder, is_folder_name

_CLASSES = ("File", "Directory")
_SMALL_BYTES = 1 << 12
_BLOCK_BYTES = 1 << 20
_MOST_NAMED = 5
_UNFIT = (Kind.STAC_INVALID, Kind.REFUSED)
_DEEPEST_RESULT = 3
"""Folders above a catalog that a tool wanted to give; one below more of them may be data."""


def read_outputs(
    outputs: Mapping[str, Any],
    options: StageOutOptions,
    warnings: list[str],
    cancellation: Cancellation,
) -> Mapping[str, Found]:
    """Read every output of a CWL output object; harmless oddities are added to `warnings`.

    Raises StagingError: NOT_FOUND (an empty folder too), REFUSED (outside the allowed folder), INVALID_STAC, CANCELLED.
    """
    reader = _OutputReader(options, warnings, cancellation)
    found = {name: _read_output(reader, value, name) for name, value in outputs.items()}
    if options.keep_empty_folders:
        return found
    return {name: _without_empty(value, name, name in options.optional, warnings) for name, value in found.items()}


def _without_empty(found: Found, href: str, optional: bool, warnings: list[str]) -> Found:
    """Refuse a folder without files: it is useless as a result, and an optional output can be null instead."""
    if isinstance(found, FoundArray):
        values = (
            _without_empty(each, f"{href}[{index}]", optional, warnings) for index, each in enumerate(found.values)
        )
        return FoundArray(tuple(values))
    if isinstance(found, FoundRecord):
        fields = found.fields.items()
        return FoundRecord({name: _without_empty(each, f"{href}.{name}", optional, warnings) for name, each in fields})
    if not isinstance(found, FoundData) or found.files:
        return found
    if optional:
        warnings.append(f"{href} is an empty folder; this optional output is null")
        return FoundLiteral(None)
    raise StagingError(
        Kind.NOT_FOUND,
        href,
        "this output is an empty folder",
        "Let the tool write its result there, or correct the glob of the output; where an empty output is correct, "
        "make it optional (Directory?), or set STAGEOUT_KEEP_EMPTY_FOLDERS=true.",
    )


def _read_output(reader: "_OutputReader", value: object, name: str) -> Found:
    try:
        return reader.read(value, name)
    except (OSError, ValueError, RecursionError) as error:
        raise StagingError(
            Kind.DISK,
            name,
            f"cannot read the output: {error}",
            "Let the tool write files with plain names and read permission.",
        ) from error


class _OutputReader:
    def __init__(self, options: StageOutOptions, warnings: list[str], cancellation: Cancellation) -> None:
        folder = options.outputs_folder
        self._outputs_folder = resolve(folder.parent) / folder.name if folder else None
        self._extent = Extent(options)
        self._keeps_empty = options.keep_empty_folders
        self._empty: list[str] = []
        self._warnings = warnings
        self._cancellation = cancellation

    def read(self, value: Any, href: str) -> Found:
        """Read one value; `href` names it in messages, such as `results[2].mask`."""
        if isinstance(value, list):
            return FoundArray(tuple(self.read(each, f"{href}[{index}]") for index, each in enumerate(value)))
        if not isinstance(value, dict):
            return FoundLiteral(value)
        _check_shape(value, href)
        if value.get("class") == "File":
            files = tuple(self._read_with_secondary(value, href, _Names()))
            return FoundData("File", files[0].name, files, self._take_empty())
        if value.get("class") == "Directory":
            return self._read_directory(value, href)
        return FoundRecord({name: self.read(each, f"{href}.{name}") for name, each in value.items()})

    def _read_directory(self, value: Mapping[str, Any], href: str) -> Found:
        title = _get_basename(value, href)
        if "location" not in value and "path" not in value:
            return FoundData("Directory", title, tuple(self._read_listing(value, href, _Names())), self._take_empty())
        folder = self._get_path(value, href)
        if not folder.is_dir():
            raise _missing(href, folder, "folder")
        roots = find_catalogs(folder)
        found = self._read_catalogs(folder, roots.catalogs, href) if roots.catalogs else None
        if roots.items:
            found = self._read_items(folder, roots.items, href)
        if found:
            self._note_empty(folder, href)
            return replace(found, title=title, folders=self._take_empty())
        # a store or product keeps its name, which would be lost with its files alone
        below = f"{title}/" if is_folder_name(title) else ""
        files = tuple(self._read_folder(folder, href, below))
        return FoundData("Directory", title, files, self._take_empty())

    def _read_catalogs(self, folder: Path, roots: Sequence[Path], href: str) -> FoundCatalog | None:
        """Read the catalogs of a folder, but for invalid ones that are deep in it: None where none is left.

        Near the top, an invalid one is what the tool wanted to give, and raises `StagingError`; in the depth of a
        folder it may as well be data, such as a copy of an input.
        """
        try:
            return self._read_stac(folder, roots, href)
        except StagingError as error:
            deep = [root for root in roots if len(root.relative_to(folder).parent.parts) > _DEEPEST_RESULT]
            # one by one, each time through the whole folder, but only here
            faults = {root: fault for root in deep if (fault := self._find_fault(folder, root, href))}
            if not faults or error.kind not in _UNFIT:
                raise
        for root, fault in faults.items():
            name = root.relative_to(folder).as_posix()
            self._warnings.append(f"{href}/{name} is invalid, so that it is published as a plain file: {fault.reason}")
        left = [root for root in roots if root not in faults]
        return self._read_stac(folder, left, href) if left else None

    def _find_fault(self, folder: Path, root: Path, href: str) -> StagingError | None:
        try:
            read_catalog(folder, [root], href, [], copy(self._extent))
        except StagingError as error:
            if error.kind not in _UNFIT:
                raise
            return error
        return None

    def _read_items(self, folder: Path, items: Sequence[Path], href: str) -> FoundCatalog | None:
        """Read items that no catalog links to; None where they are incomplete, and published as plain files."""
        try:
            return self._read_stac(folder, items, href)
        except StagingError as error:
            if error.kind not in _UNFIT:
                raise
            self._warnings.append(f"{href} has STAC items without a catalog, published as plain files: {error.reason}")
            return None

    def _read_stac(self, folder: Path, roots: Sequence[Path], href: str) -> FoundCatalog:
        """Read STAC documents and what they lead to; of what is invalid, nothing is counted, and nothing warned of."""
        extent, warnings = copy(self._extent), list[str]()
        found = read_catalog(folder, roots, href, warnings, extent)
        self._extent = extent
        self._warnings += warnings
        return found

    def _read_with_secondary(self, value: Mapping[str, Any], href: str, names: "_Names") -> Iterator[FoundFile]:
        path = self._get_path(value, href)
        if not path.is_file():
            raise _missing(href, path, "file")
        if name := names.claim(_get_basename(value, href), path):
            yield self._read_file(path, name, href, value.get("format"))
        yield from self._read_listing({"listing": value.get("secondaryFiles") or []}, href, names)

    def _read_listing(self, value: Mapping[str, Any], href: str, names: "_Names") -> Iterator[FoundFile]:
        for each in value.get("listing") or []:
            if each.get("class") == "File":
                yield from self._read_with_secondary(each, href, names)
            elif "location" in each or "path" in each:
                path = self._get_path(each, href)
                if name := names.claim(_get_basename(each, href), path):
                    yield from self._read_folder(path, href, f"{name}/")
            elif name := names.claim(_get_basename(each, href), None):
                self._empty += [] if each.get("listing") else [name]
                yield from self._read_listing(each, href, _Names(f"{name}/"))

    def _read_folder(self, folder: Path, href: str, below: str = "") -> Iterator[FoundFile]:
        allowed, special = resolve(folder), list[str]()
        for entry in walk(folder):
            path = Path(entry.path)
            if entry.is_link and not resolve(path).is_relative_to(allowed):
                raise _outside(href, f"{entry.name!r} leads out of the output folder through a symbolic link")
            if path.is_file():
                yield self._read_file(path, f"{below}{entry.name}", href, None)
            else:
                special.append(repr(entry.name))
        self._warn_of_left(href, "pipes, sockets or links to nothing", special)
        self._note_empty(folder, href, below)

    def _note_empty(self, folder: Path, href: str, below: str = "") -> None:
        """Note the empty folders of a folder, and itself where its name is part of `below`."""
        names = find_empty_folders(folder)
        if self._keeps_empty:
            is_empty = below and next(folder.iterdir(), None) is None
            self._empty += [below.rstrip("/")] if is_empty else [f"{below}{name}" for name in names]
        else:
            self._warn_of_left(href, "empty folders", names)

    def _take_empty(self) -> tuple[str, ...]:
        """Return the empty folders of the output that was read."""
        taken, self._empty = tuple(self._empty) if self._keeps_empty else (), []
        return taken

    def _warn_of_left(self, href: str, what: str, names: Sequence[str]) -> None:
        if names:
            shown = ", ".join(names[:_MOST_NAMED]) + (", …" if names[_MOST_NAMED:] else "")
            self._warnings.append(f"{href} has {len(names)} {what}, which were left out: {shown}")

    def _read_file(self, path: Path, name: str, href: str, cwl_format: object) -> FoundFile:
        if self._cancellation.cancelled:
            raise StagingError(Kind.CANCELLED, href, "stage-out was cancelled", "Start it again to get the results.")
        check_relative_name(name, href)
        size_bytes = self._extent.add(path, href)
        raster = read_raster(path, self._warnings)
        own_format = cwl_format if isinstance(cwl_format, str) else None
        media_type = get_media_type(name, own_format)
        if raster and raster.cloud_optimized and media_type == GEOTIFF:
            media_type = COG
        # a folder that is one asset has no checksum
        digest = None if find_folder(name) else _digest(path)
        return FoundFile(path, name, size_bytes, media_type, digest, raster, own_format)

    def _get_path(self, value: Mapping[str, Any], href: str) -> Path:
        location = str(value.get("location") or value.get("path") or "")
        parts = urlsplit(location)
        if not location or parts.scheme not in ("", "file"):
            reason = f"its location {location!r} is not a file on this machine" if location else "no location"
            remedy = "Give the output object as the engine wrote it, with file:// locations or paths."
            raise StagingError(Kind.UNSUPPORTED, href, reason, remedy)
        path = Path(unquote(parts.path)) if parts.scheme == "file" else Path(location)
        allowed = self._outputs_folder
        if allowed is not None and not resolve(path).is_relative_to(allowed):
            raise _outside(href, f"{path.name!r} is, or leads, outside of the folder of the outputs")
        return path


class _Names:
    """The names in one folder of an output, each for one file or folder: `a.txt`, then `a.txt_2` as cwltool has it."""

    def __init__(self, below: str = "") -> None:
        self._below = below
        self._ids = Ids()
        self._known: set[tuple[str, Path]] = set()

    def claim(self, basename: str, path: Path | None) -> str | None:
        """Return the name, below the output, of what is at `path`; None where it has this name already."""
        if path is not None:
            known = (basename, resolve(path))
            if known in self._known:
                return None
            self._known.add(known)
        return f"{self._below}{self._ids.claim(basename)}"


def _check_shape(value: Mapping[str, Any], href: str) -> None:
    """Refuse a File or Directory that has not the members of one: whoever wrote the object may be a package's code."""
    if value.get("class") not in _CLASSES:
        return
    texts = [key for key in ("location", "path", "basename") if not isinstance(value.get(key), str | None)]
    lists = [key for key in ("listing", "secondaryFiles") if not _is_list_of_files(value.get(key))]
    if wrong := [*texts, *lists]:
        remedy = "Give the output object as the engine wrote it."
        raise StagingError(Kind.UNSUPPORTED, href, f"its {' and '.join(wrong)} are not as CWL has them", remedy)
    for key in ("listing", "secondaryFiles"):
        for index, each in enumerate(value.get(key) or ()):
            _check_shape(each, f"{href}.{key}[{index}]")


def _is_list_of_files(value: Any) -> bool:
    return value is None or (
        isinstance(value, list) and all(isinstance(each, dict) and each.get("class") in _CLASSES for each in value)
    )


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as stream:
        # most files of a folder of thousands are small
        size = _SMALL_BYTES
        while block := stream.read(size):
            digest.update(block)
            size = _BLOCK_BYTES
    return digest.hexdigest()


def _get_basename(value: Mapping[str, Any], href: str) -> str:
    location = str(value.get("location") or value.get("path") or "").rstrip("/")
    name = str(value.get("basename") or unquote(location.rpartition("/")[2]))
    if "/" in name:
        raise _outside(href, f"the basename {name!r} is not a plain name")
    return check_relative_name(name, href)


def _missing(href: str, path: Path, kind: str) -> StagingError:
    return StagingError(
        Kind.NOT_FOUND,
        href,
        f"the {kind} {path.name!r} of this output does not exist",
        "Keep the output folder of the run until the results are staged out.",
    )


def _outside(href: str, reason: str) -> StagingError:
    return StagingError(
        Kind.REFUSED, href, reason, "Let the tool copy the file into its output instead of linking to it."
    )
