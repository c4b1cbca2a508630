"""Reading STAC 1.0 and 1.1 documents as plain data, untouched: what they are, and what is wrong with them."""

import json
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from stagein.plan import LOCAL, get_scheme, local_path
from stagein.query import Query, build_query
from zoo_staging.errors import Kind, StagingError

Json = dict[str, Any]


class StacType(str, Enum):
    """The kinds of STAC document, by the value of their `type` field (STAC 1.0 and 1.1)."""

    __str__ = str.__str__

    ITEM = "Feature"
    CATALOG = "Catalog"
    COLLECTION = "Collection"
    ITEMS = "FeatureCollection"


@dataclass(frozen=True)
class Document:
    """A STAC document and the address that its relative references are resolved against.

    `posted` is the body of the request that brought it, None for a GET.
    """

    href: str
    content: Json
    posted: str | None = None

    @property
    def type(self) -> StacType:
        """What kind of document it is."""
        return StacType(self.content["type"])

    def links(self, *rels: str) -> Iterator[Query]:
        """Where the links with one of these relations lead, in order; raises `StagingError`."""
        for link in self.content.get("links", []):
            if link["rel"] in rels:
                yield build_query(link, resolve_href(self.href, link["href"]), self.href, self.posted)


def invalid(href: str, what: str) -> StagingError:
    """The error for a document that is not STAC, or not valid."""
    return StagingError(
        Kind.INVALID_STAC,
        href,
        f"not a valid STAC document: {what}",
        "Give the address of a STAC Item, Collection or Catalog; if it is one, its publisher must mend it.",
    )


def parse_document(data: bytes, href: str) -> Document:
    """Read and check a document; raises `StagingError` (`INVALID_STAC`) saying what is wrong with it."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        start = data[:40].decode("utf-8", "replace")
        raise invalid(href, f"it is not JSON (it begins with {start!r})") from error
    if not isinstance(content, dict):
        raise invalid(href, f"it is a JSON {type(content).__name__}, not an object")
    return check_document(content, href)


def check_document(content: Json, href: str) -> Document:
    """Check what stage-in relies on: the fields that STAC requires of its kind (not the whole schema)."""
    found = content.get("type")
    if not isinstance(found, str) or found not in set(StacType):
        raise invalid(href, f"its type is {found!r}, none of {', '.join(StacType)}")
    kind = StacType(found)
    if kind is StacType.ITEMS:
        _check_items(content, href)
    else:
        _check_fields(content, href, kind)
    _check_links(content, href)
    return Document(href, content)


def read_features(document: Document) -> list[Document]:
    """The items inside an ItemCollection or a page of search results, each checked.

    Their relative references are resolved against their own `self` link where that is absolute.
    """
    items = []
    for number, feature in enumerate(document.content["features"]):
        if not isinstance(feature, dict):
            raise invalid(document.href, f"its feature {number} is not an object")
        name = f"{document.href}#/features/{number}"
        checked = check_document(feature, name)
        if checked.type is not StacType.ITEM:
            raise invalid(name, f"its type is {checked.type}, not Feature")
        own = next((link["href"] for link in feature["links"] if link["rel"] == "self"), "")
        remote = get_scheme(own) != LOCAL
        items.append(Document(own if remote else document.href, feature))
    return items


def resolve_href(base: str, href: str) -> str:
    """The absolute address of `href` written in the document at `base`.

    Raises `StagingError` (`REFUSED`) where a remote document refers to a file of this machine.
    """
    scheme = get_scheme(base)
    if get_scheme(href) != LOCAL:
        return href
    if href.lower().startswith("file:") or scheme == LOCAL:
        if scheme != LOCAL:
            raise StagingError(
                Kind.REFUSED,
                href,
                f"the remote document {base} refers to a file of this machine",
                "The publisher of the document must give a public address.",
            )
        return posixpath.normpath(local_path(href, Path(base).parent))
    # urljoin knows http only; every scheme with an authority joins the same way (RFC 3986, section 5.2)
    joined = urljoin(f"http:{base.partition(':')[2]}", href)
    return f"{scheme}:{joined.partition(':')[2]}"


def _check_fields(content: Json, href: str, kind: StacType) -> None:
    wanted: dict[str, type | tuple[type, ...]] = {"stac_version": str, "id": str, "links": list}
    if kind is StacType.ITEM:
        wanted |= {"geometry": (dict, type(None)), "properties": dict, "assets": dict}
    missing = [name for name in wanted if name not in content]
    if missing:
        raise invalid(href, f"this {_describe(kind)} has no {', '.join(missing)}")
    wrong = [name for name, types in wanted.items() if not isinstance(content[name], types)]
    if wrong:
        raise invalid(href, f"the {wrong[0]} of this {_describe(kind)} is {content[wrong[0]]!r:.60}")
    if not content["id"]:
        raise invalid(href, f"the id of this {_describe(kind)} is empty")
    if not content["stac_version"].startswith("1."):
        raise invalid(href, f"its stac_version is {content['stac_version']!r}; 1.0 and 1.1 are read")
    _check_assets(content, href)


def _check_assets(content: Json, href: str) -> None:
    assets = content.get("assets", {})
    if not isinstance(assets, dict):
        raise invalid(href, "its assets are not an object")
    for key, asset in assets.items():
        if not isinstance(asset, dict) or not isinstance(asset.get("href"), str) or not asset["href"].strip():
            raise invalid(href, f"its asset {key!r} has no href")
        if not _is_reference(asset["href"]):
            raise invalid(href, f"its asset {key!r} has the href {asset['href']!r}, which is no URL")


def _check_items(content: Json, href: str) -> None:
    if not isinstance(content.get("features"), list):
        raise invalid(href, "this FeatureCollection has no features")


def _check_links(content: Json, href: str) -> None:
    links = content.get("links", [])
    if not isinstance(links, list) or not all(_is_link(link) for link in links):
        raise invalid(href, "its links are not a list of objects with rel and href")


def _is_link(link: object) -> bool:
    return (
        isinstance(link, dict)
        and isinstance(link.get("rel"), str)
        and isinstance(link.get("href"), str)
        and _is_reference(link["href"])
    )


def _is_reference(href: str) -> bool:
    """Whether `href` can be taken apart as a URL reference at all."""
    try:
        urljoin("http://host/", href)
    except ValueError:
        return False
    return "\0" not in href


def _describe(kind: StacType) -> str:
    return "Item" if kind is StacType.ITEM else str(kind)
