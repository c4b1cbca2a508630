"""The local catalog folder: its names, its documents, and what has to be downloaded into it. Pure.

catalog.json                     a Catalog with a link `item` to each item
<item-id>/<item-id>.json         the item as it was, but for asset hrefs and links
<item-id>/<file>                 its assets
<collection-id>/collection.json  the metadata of the collections met on the way
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from stagein.settings import StageInOptions
from stagein.stac import Document, Json
from zoo_staging.checksum import Checksum, parse_multihash
from zoo_staging.errors import StagingError, mask_href
from zoo_staging.hrefs import is_remote, name_of, resolve_href
from zoo_staging.names import safe_name, unique_name
from zoo_staging.stac import StacType

CATALOG = "catalog.json"
STRUCTURE = frozenset({"root", "parent", "self", "item", "items", "child", "next", "prev"})


@dataclass(frozen=True)
class AssetFile:
    """One asset to download: from `href` to `path`, relative to the catalog folder; `what` names it in words.

    `unverified` is a checksum that is stated but cannot be computed here.
    """

    href: str
    path: PurePosixPath
    size_bytes: int | None
    checksum: Checksum | None
    what: str
    unverified: str | None = None


@dataclass(frozen=True)
class CatalogFolder:
    """What a local catalog folder consists of: files to download, then documents to write, in that order."""

    files: tuple[AssetFile, ...]
    documents: tuple[tuple[PurePosixPath, Json], ...]


def build_catalog_folder(
    source: Document, items: Iterable[Document], collections: Iterable[Document], options: StageInOptions
) -> CatalogFolder:
    """Lay out the folder for what was found at `source`; `catalog.json` is the last document."""
    taken = {CATALOG}
    files: list[AssetFile] = []
    documents: list[tuple[PurePosixPath, Json]] = []
    folders: dict[str, str] = {}
    for collection in collections:
        folder = unique_name(safe_name(collection.content["id"], "collection"), taken)
        folders.setdefault(collection.content["id"], folder)
        path = PurePosixPath(folder, "collection.json")
        documents.append((path, _localise_collection(collection)))
    children = [_link("child", f"./{path}", "application/json") for path, _ in documents]
    members = []
    for item in items:
        name = unique_name(safe_name(item.content["id"], "item"), taken)
        assets = _plan_assets(item, name, options)
        files += assets.values()
        home = folders.get(str(item.content.get("collection")), "")
        path = PurePosixPath(name, f"{name}.json")
        documents.append((path, _localise_item(item, assets, home)))
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


def _plan_assets(item: Document, folder: str, options: StageInOptions) -> dict[str, AssetFile]:
    taken = {f"{folder}.json".casefold()}
    planned = {}
    for key, asset in item.content["assets"].items():
        if not _is_wanted(key, asset, options):
            continue
        href = resolve_href(item.href, asset["href"].strip())
        name = safe_name(name_of(href), safe_name(key, "asset"))
        if name.casefold() in taken:
            name = safe_name(f"{key}_{name}")
        checksum = parse_multihash(asset.get("file:checksum"))
        size = asset.get("file:size")
        planned[key] = AssetFile(
            href=href,
            path=PurePosixPath(folder, unique_name(name, taken)),
            size_bytes=size if isinstance(size, int) and size >= 0 else None,
            checksum=checksum,
            what=f"asset {key!r:.60} of item {item.content['id']!r:.80}",
            unverified=None if checksum else asset.get("file:checksum"),
        )
    return planned


def _is_wanted(key: str, asset: Json, options: StageInOptions) -> bool:
    roles = asset.get("roles")
    media_type = str(asset.get("type", "")).partition(";")[0].strip()
    return (
        (not options.asset_keys or key in options.asset_keys)
        and (not options.asset_roles or bool(options.asset_roles.intersection(map(str, roles or ()))))
        and (not options.asset_media_types or media_type in options.asset_media_types)
    )


def _localise_item(item: Document, assets: dict[str, AssetFile], collection: str) -> Json:
    local = {
        key: {
            **asset,
            "href": f"./{assets[key].path.name}" if key in assets else _absolute(item, asset["href"]),
        }
        for key, asset in item.content["assets"].items()
    }
    return {**item.content, "links": _localise_links(item, collection), "assets": local}


def _localise_collection(collection: Document) -> Json:
    content = {**collection.content, "links": _localise_links(collection, "")}
    if content.get("assets"):
        content["assets"] = {
            key: {**asset, "href": _absolute(collection, asset["href"])} for key, asset in content["assets"].items()
        }
    return content


def _localise_links(document: Document, collection: str) -> list[Json]:
    """Links of the local tree, then the others with absolute hrefs; `self` becomes `canonical`."""
    own = document.content["links"]
    links = [_link(rel, f"../{CATALOG}", "application/json") for rel in ("root", "parent")]
    if collection:
        links.append(_link("collection", f"../{collection}/collection.json", "application/json"))
    for link in own:
        if link["rel"] not in STRUCTURE and not (link["rel"] == "collection" and collection):
            links.append({**link, "href": _absolute(document, link["href"])})
    canonical = next((link["href"] for link in own if link["rel"] == "self"), document.href)
    # a signed address must not live on in a file, a local one says nothing to others
    shown = is_remote(canonical) and mask_href(canonical) == canonical and "#" not in canonical
    if shown and not any(link["rel"] == "canonical" for link in own):
        media = "application/geo+json" if document.type is StacType.ITEM else "application/json"
        links.append(_link("canonical", canonical, media))
    return links


def _absolute(document: Document, href: str) -> str:
    try:
        return resolve_href(document.href, href)
    except StagingError:
        return href  # a reference that nobody follows here may be anything


def _link(rel: str, href: str, media_type: str) -> Json:
    return {"rel": rel, "href": href, "type": media_type}
