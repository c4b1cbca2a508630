"""Reads the STAC catalog that a tool wrote into an output folder, and reports what is wrong with it."""

import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from stageout.extent import Extent
from stageout.item import STAC_VERSION
from stageout.model import FoundCatalog, FoundFile, StacDocument
from stageout.names import check_relative_name
from stageout.output_folder import OutputFolder, OutsideError, find_origin
from stageout.roots import PARENT, get_self_href
from zoo_staging.errors import Kind, StagingError
from zoo_staging.folders import resolve, walk
from zoo_staging.hrefs import build_relative_href
from zoo_staging.media import GEOJSON, JSON, get_media_type
from zoo_staging.stac import StacType, check_stac, invalid_stac

_MEMBERS = ("child", "item")
_REBUILT = ("self", "root", "parent")
_VALID = "Let the tool write valid STAC 1.0 or 1.1, for example with pystac."


def read_catalog(folder: Path, roots: Sequence[Path], href: str, warnings: list[str], extent: Extent) -> FoundCatalog:
    """Read the catalogs of a folder and all that they refer to in it; `href` names the output in errors.

    To several ones, or to items, a catalog is added that leads to them. Other files of the folder are results too.
    Raises StagingError: STAC_INVALID names the document and what is wrong with it; REFUSED names an href that
    leads out of the folder, or more files than `extent` allows.
    """
    names = [root.relative_to(folder).as_posix() for root in roots]
    return _CatalogReader(folder, names, href, warnings, extent).read()


class _CatalogReader:
    """Walks from the root documents to everything they lead to, breadth first, each document once."""

    def __init__(self, path: Path, roots: Sequence[str], href: str, warnings: list[str], extent: Extent) -> None:
        self._roots = roots
        self._has_parent = len(roots) > 1 or _read_kind(path / roots[0]) == StacType.ITEM
        self._root = PARENT if self._has_parent else roots[0]
        self._extent = extent
        self._path = path
        self._href = href
        self._warnings = warnings
        self._folder = OutputFolder(self._path)
        # by document: each is understood as its root is, since roots may have been written in different places
        self._folders: dict[str, OutputFolder] = {}
        self._queue: deque[tuple[str, int, str | None]] = deque()
        self._documents: dict[str, StacDocument] = {}
        self._files: dict[str, FoundFile] = {}

    def read(self) -> FoundCatalog:
        self._begin()
        while self._queue:
            path, depth, parent = self._queue.popleft()
            if path not in self._documents:
                self._documents[path] = self._read_document(path, depth, parent)
        documents = tuple(self._documents.values())
        if not any(document.type is StacType.ITEM for document in documents) and not self._files:
            self._warn(self._root, "has no items and no assets")
        self._warn_of_twins(documents)
        self._add_left_files()
        files = [file for name, file in self._files.items() if name not in self._documents]
        return FoundCatalog(documents, tuple(files))

    def _begin(self) -> None:
        """Begin with the root documents; several get a parent."""
        parent = self._root if self._has_parent else None
        if parent:
            kinds = {root: _read_kind(self._path / root) for root in self._roots}
            self._documents[parent] = _build_parent(kinds, self._href)
        for root in self._roots:
            self._folders[root] = self._folder
            self._locate_member(root, Path(root).name, "the catalog")
            self._queue.append((root, 1 if parent else 0, parent))

    def _read_document(self, path: str, depth: int, parent: str | None) -> StacDocument:
        body = self._parse(check_relative_name(path, self._href))
        self._extent.add(self._path / path, self._href)
        found = check_stac(body, f"{self._href}/{path}", _VALID, timed=True)
        if path in self._roots:
            self._folders[path] = self._folder = self._find_folder(path, body)
        if found is StacType.ITEMS or (depth == 0 and found is StacType.ITEM):
            self._fail(path, f"a {found}, not a Catalog or Collection", "Let the tool write a catalog.json.")
        links = dict(self._follow_links(path, found, depth, body))
        return StacDocument(path, found, body, depth, parent, {**links, **dict(self._follow_assets(path, body))})

    def _find_folder(self, root: str, body: Mapping[str, Any]) -> OutputFolder:
        """Return the folder as a root sees it; one that does not say where it was written, as the root before it."""
        origin = find_origin(get_self_href(body), root)
        return OutputFolder(self._path, origin) if origin else self._folder

    def _add_document(self, path: str, source: str, depth: int, parent: str | None) -> None:
        """Have a document read to which `source` leads."""
        self._folders.setdefault(path, self._folders[source])
        self._queue.append((path, depth, parent))

    def _parse(self, path: str) -> Mapping[str, Any]:
        not_numbers: list[str] = []
        try:
            body = json.loads((self._path / path).read_bytes(), parse_constant=not_numbers.append)
        except (ValueError, RecursionError) as error:
            self._fail(path, f"invalid JSON ({error})", "Let the tool write the document with a JSON library.")
        if not isinstance(body, dict):
            self._fail(path, "not a JSON object", "Let the tool write a STAC document.")
        if not_numbers:
            self._warn(path, f"has {not_numbers[0]}, which is not JSON; null was written instead")
        return body

    def _follow_links(
        self, path: str, found: StacType, depth: int, body: Mapping[str, Any]
    ) -> Iterator[tuple[str, str | None]]:
        for link in body["links"]:
            rel, href = link["rel"], link["href"]
            if rel in _REBUILT:
                continue
            if rel in _MEMBERS and found is not StacType.ITEM:
                target = self._locate_member(path, href, f"the {rel} {href!r}")
                if target is not None:
                    self._add_document(target, path, depth + 1, path)
                    yield href, target
            else:
                yield from self._follow_other_link(path, rel, href)

    def _follow_other_link(self, path: str, rel: str, href: str) -> Iterator[tuple[str, str | None]]:
        try:
            target = self._folders[path].locate(href, path)
        except OutsideError:
            target = ""
        if target is None:
            return
        if not target or not (self._path / target).is_file():
            if rel != "collection":
                self._warn(path, f"its {rel} link {href!r} leads to nothing in the output and was left out")
            yield href, None
            return
        if rel == "collection":
            self._add_document(target, path, 1, None)
        else:
            self._add_file(target, None)
        yield href, target

    def _follow_assets(self, path: str, body: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
        assets: Mapping[str, Mapping[str, Any]] = body.get("assets", {})
        if not assets and body.get("type") == StacType.ITEM:
            self._warn(path, "has no assets")
        for key, asset in assets.items():
            what = f"the asset {key!r} ({asset['href']!r})"
            target = self._locate_member(path, asset["href"], what, may_be_folder=True)
            if target is not None:
                self._add_asset(target, asset.get("type"), f"{self._href}/{path}", what)
                yield asset["href"], target

    def _add_asset(self, name: str, media_type: object, document: str, what: str) -> None:
        """Add the file of an asset, or all files of a folder such as a zarr store."""
        folder = self._path / name
        if not folder.is_dir():
            self._add_file(name, media_type)
            return
        allowed, below = resolve(self._path), "" if name == "." else f"{name}/"
        entries = list(walk(folder))
        if not entries:
            raise invalid_stac(document, f"{what} is an empty folder", _VALID)
        for entry in entries:
            path = Path(entry.path)
            if entry.is_link and not resolve(path).is_relative_to(allowed):
                raise _outside(
                    document, f"{what}: {path.name!r} leads out of the output folder through a symbolic link"
                )
            if path.is_file():
                self._add_file(f"{below}{entry.name}", None)

    def _locate_member(self, path: str, href: str, what: str, *, may_be_folder: bool = False) -> str | None:
        try:
            target = self._folders[path].locate(href, path)
        except OutsideError as error:
            raise _outside(f"{self._href}/{path}", f"{what}: {error}") from None
        if target is None:
            return None
        there = self._path / target
        if not there.is_file() and not (may_be_folder and there.is_dir()):
            self._fail(path, f"{what} is not in the output", "Let the tool write the file where the href says.")
        return target

    def _add_file(self, name: str, media_type: object) -> None:
        path = self._path / name
        check_relative_name(name, self._href)
        given = media_type if isinstance(media_type, str) and media_type.isprintable() else None
        if name not in self._files:
            self._extent.add(path, self._href)
        if name not in self._files or given:
            self._files[name] = FoundFile(path, name, path.stat().st_size, given or get_media_type(name))

    def _warn_of_twins(self, documents: Iterable[StacDocument]) -> None:
        """Warn of one id for several items of a collection: an API keeps one of them (STAC API, Item)."""
        items = (document.body for document in documents if document.type is StacType.ITEM)
        counts = Counter((str(item.get("id") or ""), str(item.get("collection"))) for item in items)
        for (name, _), count in counts.items():
            if count > 1 and name.strip():
                self._warn(self._root, f"leads to {count} items with the id {name!r}; an API keeps only one of them")

    def _add_left_files(self) -> None:
        """Add the files that nothing links to: they are results all the same."""
        known = self._documents.keys() | self._files.keys()
        left = [one for one in walk(self._path) if one.name not in known and Path(one.path).is_file()]
        allowed, strange = resolve(self._path), list[str]()
        for one in left:
            # nothing refers to it: what cannot be published is no reason to lose what can
            if (one.is_link and not resolve(Path(one.path)).is_relative_to(allowed)) or not one.name.isprintable():
                strange.append(repr(one.name))
            else:
                self._add_file(one.name, None)
        if left:
            files = "file" if len(left) == 1 else "files"
            names = ", ".join(repr(one.name) for one in left[:5])
            self._warn(self._root, f"does not link to {len(left)} {files}, published beside it: {names}")
        if strange:
            why = "links out of the output folder, or names with control characters"
            self._warn(
                self._root, f"has {len(strange)} files beside it that are {why}, left out: {', '.join(strange[:5])}"
            )

    def _warn(self, path: str, what: str) -> None:
        self._warnings.append(f"{self._href}/{path} {what}")

    def _fail(self, path: str, reason: str, remedy: str) -> NoReturn:
        raise invalid_stac(f"{self._href}/{path}", reason, remedy)


def _outside(href: str, reason: str) -> StagingError:
    return StagingError(
        Kind.REFUSED, href, reason, "Let the tool copy the file into its output folder and write a relative href."
    )


def _read_kind(path: Path) -> object:
    """Read what kind of document there is; None for what is no JSON object, which its reader says."""
    try:
        body = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    return body.get("type") if isinstance(body, dict) else None


def _build_parent(kinds: Mapping[str, object], href: str) -> StacDocument:
    """Build the catalog that leads to several documents of an output; the job gives it its id."""
    hrefs = {build_relative_href(root, PARENT): root for root in kinds}
    links = [
        {"rel": "item", "type": GEOJSON, "href": each}
        if kinds[root] == StacType.ITEM
        else {"rel": "child", "type": JSON, "href": each}
        for each, root in hrefs.items()
    ]
    body = {
        "type": StacType.CATALOG,
        "stac_version": STAC_VERSION,
        "id": "",
        "description": f"Catalogs and items of the output {href}.",
        "links": links,
    }
    return StacDocument(PARENT, StacType.CATALOG, body, 0, None, dict(hrefs))
