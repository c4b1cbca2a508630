"""The local catalog folder: its names, its documents, and the files to download into it. Pure.

catalog.json                     a Catalog with a link `item` to each item
<item-id>/<item-id>.json         the item, with new asset hrefs and links
<item-id>/<path>                 its assets, under the paths that they have relative to the item
<collection-id>/collection.json  the metadata of the collections met on the way
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from stagein.asset_paths import build_asset_paths
from stagein.selection import choose_href, is_wanted, may_be_missing
from stagein.settings import StageInOptions
from stagein.stac import Document, Json
from zoo_staging.checksum import Checksum, parse_multihash
from zoo_staging.errors import StagingError, mask_href
from zoo_staging.hrefs import is_remote, resolve_href
from zoo_staging.names import safe_name, unique_name
from zoo_staging.stac import StacType

CATALOG = "catalog.json"
STRUCTURE = frozenset({"root", "parent", "self", "item", "items", "child", "next", "prev"})


@dataclass(frozen=True)
class AssetFile:
    """One asset to download: from `href` to `path`, relative to the catalog folder; `what` describes it.

    `is_side`: the job can go on without it; `unverified` is a checksum that is stated but cannot be computed here.
    """

    href: str
    path: PurePosixPath
    size_bytes: int | None
    checksum: Checksum | None
    what: str
    media_type: str | None = None
    is_side: bool = False
    unverified: str | None = None


@dataclass(frozen=True)
class CatalogFolder:
    """The content of a local catalog folder: files to download, then documents to write, in that order."""

    files: tuple[AssetFile, ...]
    documents: tuple[tuple[PurePosixPath, Json], ...]


def build_catalog_folder(
    source: Document,
    items: Sequence[Document],
    collections: Iterable[Document],
    options: StageInOptions,
    missing: frozenset[PurePosixPath] = frozenset(),
) -> CatalogFolder:
    """Plan the folder for the documents found at `source`; `catalog.json` is the last document.

    Assets of collections are downloaded only where there are no items. The assets at the paths `missing` keep their
    remote address.
    """
    taken = {CATALOG}
    files: list[AssetFile] = []
    documents: list[tuple[PurePosixPath, Json]] = []
    folders: dict[str, str] = {}
    for collection in collections:
        folder = unique_name(safe_name(collection.id, "collection"), taken)
        folders.setdefault(collection.id, folder)
        assets = {} if items else _plan_assets(collection, folder, options, missing)
        files += assets.values()
        path = PurePosixPath(folder, "collection.json")
        documents.append((path, _localise(collection, folder, assets, "")))
    children = [_link("child", f"./{path}", "application/json") for path, _ in documents]
    members = []
    for item in items:
        name = unique_name(safe_name(item.id, "item"), taken)
        assets = _plan_assets(item, name, options, missing)
        files += assets.values()
        home = folders.get(str(item.content.get("collection")), "")
        path = PurePosixPath(name, f"{name}.json")
        documents.append((path, _localise(item, name, assets, home)))
        members.append(_link("item", f"./{path}", "application/geo+json"))
    documents.append((PurePosixPath(CATALOG), _build_catalog(source, [*children, *members])))
    return CatalogFolder(tuple(files), tuple(documents))


def _build_catalog(source: Document, links: list[Json]) -> Json:
    content = source.content
    identity = content.get("id") or "items"
    version = content.get("stac_version")
    catalog: dict[str, Any] = {
        "type": "Catalog",
        "stac_version": version if isinstance(version, str) else "1.0.0",
        "id": identity,
        "description": f"Staged in from {mask_href(source.href)}",
        "links": [_link("root", f"./{CATALOG}", "application/json"), *links],
    }
    if isinstance(content.get("title"), str):
        catalog["title"] = content["title"]
    return catalog


def _plan_assets(
    document: Document, folder: str, options: StageInOptions, missing: frozenset[PurePosixPath]
) -> dict[str, AssetFile]:
    assets: Json = document.content.get("assets", {})
    # of all assets, so that paths do not depend on the selection
    hrefs = {key: _absolute(document, choose_href(asset, options)) for key, asset in assets.items()}
    paths = build_asset_paths(document.href, hrefs, [f"{folder}.json", "collection.json"])
    word = "item" if document.type is StacType.ITEM else "collection"
    planned = {}
    for key, asset in assets.items():
        path = PurePosixPath(folder, paths[key])
        if not is_wanted(key, asset, options) or path in missing:
            continue
        checksum = parse_multihash(asset.get("file:checksum"))
        size = asset.get("file:size")
        planned[key] = AssetFile(
            href=_ensure_absolute(hrefs[key], document),
            path=path,
            size_bytes=size if isinstance(size, int) and size >= 0 else None,
            checksum=checksum,
            what=f"asset {key!r:.60} of {word} {document.id!r:.80}",
            media_type=asset.get("type") if isinstance(asset.get("type"), str) else None,
            is_side=may_be_missing(asset),
            unverified=None if checksum else asset.get("file:checksum"),
        )
    return planned


def _localise(document: Document, folder: str, assets: Mapping[str, AssetFile], collection: str) -> Json:
    content = {**document.content, "links": _localise_links(document, collection)}
    if document.content.get("assets"):
        content["assets"] = {
            key: {**asset, "href": _localise_href(document, asset, folder, assets.get(key))}
            for key, asset in document.content["assets"].items()
        }
    return content


def _localise_href(document: Document, asset: Json, folder: str, planned: AssetFile | None) -> str:
    if planned is None:
        return _write_reference(_absolute(document, asset["href"]))
    return quote(f"./{str(planned.path).removeprefix(f'{folder}/')}")


def _localise_links(document: Document, collection: str) -> list[Json]:
    """Links of the local tree, then the others with absolute hrefs; `self` becomes `canonical`."""
    own = document.content["links"]
    links = [_link(rel, f"../{CATALOG}", "application/json") for rel in ("root", "parent")]
    if collection:
        links.append(_link("collection", f"../{collection}/collection.json", "application/json"))
    for link in own:
        if link["rel"] not in STRUCTURE and not (link["rel"] == "collection" and collection):
            links.append({**link, "href": _write_reference(_absolute(document, link["href"]))})
    canonical = next((link["href"] for link in own if link["rel"] == "self"), document.href)
    # a signed address must not be stored in a file, a local one is meaningless elsewhere
    shown = is_remote(canonical) and mask_href(canonical) == canonical and "#" not in canonical
    if shown and not any(link["rel"] == "canonical" for link in own):
        media = "application/geo+json" if document.type is StacType.ITEM else "application/json"
        links.append(_link("canonical", canonical, media))
    return links


def _ensure_absolute(href: str, document: Document) -> str:
    """Return an address that was resolved; raises the `StagingError` of one that could not be resolved."""
    return href if is_remote(href) or href.startswith("/") else resolve_href(document.href, href)


def _absolute(document: Document, href: str) -> str:
    try:
        return resolve_href(document.href, href)
    except StagingError:
        return href  # a reference that is not followed here may be anything


def _write_reference(href: str) -> str:
    """Write an absolute address or path as a URI reference: `#`, `?` and `%` in a path are characters of names."""
    return f"file://{quote(href)}" if href.startswith("/") else href


def _link(rel: str, href: str, media_type: str) -> Json:
    return {"rel": rel, "href": href, "type": media_type}
