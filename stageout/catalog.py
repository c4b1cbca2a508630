"""Reads the STAC catalog that a tool wrote into an output folder, and says what is wrong with it."""

import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, get_args

from stageout.found import FoundCatalog, FoundFile, StacDocument, StacKind
from stageout.hrefs import OutputFolder, OutsideError, find_origin
from stageout.media import get_media_type
from stageout.names import check_relative_name
from stageout.shape import find_problem
from zoo_staging.errors import Kind, StagingError

_MEMBERS = ("child", "item")
_REBUILT = ("self", "root", "parent")


def find_catalog(folder: Path, href: str) -> Path | None:
    """Return the root catalog of an output folder, None when it holds no STAC.

    That is `catalog.json`, else the one other STAC catalog or collection at the top. Several of them, or
    items without any, raise StagingError(INVALID_STAC).
    """
    if (folder / "catalog.json").is_file():
        return folder / "catalog.json"
    kinds = {path: _read_kind(path) for path in sorted(folder.glob("*.json")) if path.is_file()}
    roots = [path for path, kind in kinds.items() if kind in ("Catalog", "Collection")]
    items = [path.name for path, kind in kinds.items() if kind == "Item"]
    if len(roots) > 1:
        reason = f"has no catalog.json but several catalogs: {', '.join(path.name for path in roots)}"
        _refuse(href, reason, "Let the tool write one catalog.json that links to them.")
    if items and not roots:
        reason = f"has STAC items ({', '.join(items[:5])}) but no catalog.json that links to them"
        _refuse(href, reason, "Let the tool write a catalog.json with a link of rel `item` to each.")
    return roots[0] if roots else None


def read_catalog(root: Path, href: str, warnings: list[str]) -> FoundCatalog:
    """Read a catalog and all that it refers to in its folder; `href` names the output in errors.

    Raises StagingError: INVALID_STAC names the document and what is wrong with it; REFUSED names an href that
    leads out of the folder.
    """
    reader = _CatalogReader(root, href, warnings)
    return reader.read()


class _CatalogReader:
    """Walks from the root document to everything it leads to, breadth first, each document once."""

    def __init__(self, root: Path, href: str, warnings: list[str]) -> None:
        self._root = root.name
        self._path = root.parent
        self._href = href
        self._warnings = warnings
        self._folder = OutputFolder(self._path)
        self._queue: deque[tuple[str, int, str | None]] = deque([(root.name, 0, None)])
        self._documents: dict[str, StacDocument] = {}
        self._files: dict[str, FoundFile] = {}

    def read(self) -> FoundCatalog:
        self._locate_member(self._root, self._root, "the catalog")
        while self._queue:
            path, depth, parent = self._queue.popleft()
            if path not in self._documents:
                self._documents[path] = self._read_document(path, depth, parent)
        documents = tuple(self._documents.values())
        if not any(document.kind == "Item" for document in documents):
            self._fail(self._root, "has no items", "Let the tool link each result with a link of rel `item`.")
        self._warn_of_twins(documents)
        self._warn_of_left_files()
        files = [file for name, file in self._files.items() if name not in self._documents]
        return FoundCatalog(documents, tuple(files))

    def _read_document(self, path: str, depth: int, parent: str | None) -> StacDocument:
        body = self._parse(check_relative_name(path, self._href))
        kind = get_kind(body)
        problem = (
            find_problem(kind, body) if kind else "is not STAC: its `type` is none of Catalog, Collection, Feature"
        )
        if kind is None or problem:
            self._fail(path, str(problem), "Let the tool write valid STAC 1.0 or 1.1, for example with pystac.")
        if depth == 0:
            self._folder = OutputFolder(self._path, find_origin(_get_self_href(body)))
            if kind == "Item":
                self._fail(path, "is an Item, not a Catalog or Collection", "Let the tool write a catalog.json.")
        links = dict(self._follow_links(path, kind, depth, body))
        return StacDocument(path, kind, body, depth, parent, {**links, **dict(self._follow_assets(path, body))})

    def _parse(self, path: str) -> Mapping[str, Any]:
        not_numbers: list[str] = []
        try:
            body = json.loads((self._path / path).read_bytes(), parse_constant=not_numbers.append)
        except (ValueError, RecursionError) as error:
            self._fail(path, f"is not JSON ({error})", "Let the tool write the document with a JSON library.")
        if not isinstance(body, dict):
            self._fail(path, "is not a JSON object", "Let the tool write a STAC document.")
        if not_numbers:
            self._warn(path, f"has {not_numbers[0]}, which JSON does not know; null was written for it")
        return body

    def _follow_links(
        self, path: str, kind: StacKind, depth: int, body: Mapping[str, Any]
    ) -> Iterator[tuple[str, str | None]]:
        for link in body["links"]:
            rel, href = link["rel"], link["href"]
            if rel in _REBUILT:
                continue
            if rel in _MEMBERS and kind != "Item":
                target = self._locate_member(path, href, f"the {rel} {href!r}")
                if target is not None:
                    self._queue.append((target, depth + 1, path))
                    yield href, target
            else:
                yield from self._follow_other_link(path, rel, href)

    def _follow_other_link(self, path: str, rel: str, href: str) -> Iterator[tuple[str, str | None]]:
        try:
            target = self._folder.locate(href, path)
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
            self._queue.append((target, 1, None))
        else:
            self._add_file(target, None)
        yield href, target

    def _follow_assets(self, path: str, body: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
        assets: Mapping[str, Mapping[str, Any]] = body.get("assets", {})
        if not assets and body.get("type") == "Feature":
            self._warn(path, "has no assets")
        for key, asset in assets.items():
            target = self._locate_member(path, asset["href"], f"the asset {key!r} ({asset['href']!r})")
            if target is not None:
                self._add_file(target, asset.get("type"))
                yield asset["href"], target

    def _locate_member(self, path: str, href: str, what: str) -> str | None:
        try:
            target = self._folder.locate(href, path)
        except OutsideError as error:
            raise StagingError(
                Kind.REFUSED,
                f"{self._href}/{path}",
                f"{what}: {error}",
                "Let the tool copy the file into the folder of its output and give a relative href.",
            ) from None
        if target is not None and not (self._path / target).is_file():
            self._fail(path, f"{what} is not in the output", "Let the tool write the file where the href says.")
        return target

    def _add_file(self, name: str, media_type: object) -> None:
        path = self._path / name
        check_relative_name(name, self._href)
        given = media_type if isinstance(media_type, str) and media_type.isprintable() else None
        if name not in self._files or given:
            self._files[name] = FoundFile(path, name, path.stat().st_size, given or get_media_type(name))

    def _warn_of_twins(self, documents: Iterable[StacDocument]) -> None:
        """An item's id is unique within its collection (STAC API, Item), so that one of two would be lost."""
        items = (document.body for document in documents if document.kind == "Item")
        counts = Counter((str(item.get("id") or ""), str(item.get("collection"))) for item in items)
        for (name, _), count in counts.items():
            if count > 1 and name.strip():
                self._warn(self._root, f"leads to {count} items with the id {name!r}; an API would keep one")

    def _warn_of_left_files(self) -> None:
        known = self._documents.keys() | self._files.keys()
        names = (path.relative_to(self._path).as_posix() for path in sorted(self._path.rglob("*")) if path.is_file())
        left = [name for name in names if name not in known]
        if left:
            self._warn(
                self._root,
                f"does not lead to {len(left)} files, which were left behind: {', '.join(left[:5])}",
            )

    def _warn(self, path: str, what: str) -> None:
        self._warnings.append(f"{self._href}/{path} {what}")

    def _fail(self, path: str, reason: str, remedy: str) -> NoReturn:
        _refuse(f"{self._href}/{path}", reason, remedy)


def get_kind(body: object) -> StacKind | None:
    """Return which STAC document a JSON value is, None when it is none."""
    if not isinstance(body, dict) or not isinstance(body.get("stac_version"), str):
        return None
    kind = "Item" if body.get("type") == "Feature" else body.get("type")
    return next((known for known in get_args(StacKind) if known == kind and body.get("type") != "Item"), None)


def _read_kind(path: Path) -> StacKind | None:
    try:
        return get_kind(json.loads(path.read_bytes()))
    except (ValueError, RecursionError):
        return None


def _get_self_href(body: Mapping[str, Any]) -> str | None:
    return next((link["href"] for link in body["links"] if link["rel"] == "self"), None)


def _refuse(href: str, reason: str, remedy: str) -> NoReturn:
    raise StagingError(Kind.INVALID_STAC, href, reason, remedy)
