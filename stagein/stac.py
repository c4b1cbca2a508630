"""STAC documents as stage-in reads them: plain data, unchanged, with their address."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stagein.paging import Query, build_query
from zoo_staging.hrefs import is_remote, resolve_href
from zoo_staging.stac import StacType, check_stac, invalid_stac

Json = dict[str, Any]

_REMEDY = "Give the address of a STAC Item, Collection or Catalog; if it is one, its publisher must correct it."


@dataclass(frozen=True)
class Document:
    """A STAC document and the address that its relative references are resolved against.

    `posted` is the body of the request that returned it, None for a GET.
    """

    href: str
    content: Json
    posted: str | None = None

    @property
    def type(self) -> StacType:
        """What kind of document it is."""
        return StacType(self.content["type"])

    @property
    def id(self) -> str:
        """Its id; empty where it has none."""
        return str(self.content.get("id") or "")

    def links(self, *rels: str) -> Iterator[Query]:
        """Return the addresses of the links with one of these relations lead, in order; raises `StagingError`."""
        for link in self.content.get("links", []):
            if link["rel"] in rels:
                yield build_query(link, resolve_href(self.href, link["href"]), self.href, self.posted)


def parse_document(data: bytes, href: str) -> Document:
    """Parse and check a document; raises `StagingError` (`STAC_INVALID`) with what is wrong with it."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        start = data[:40].decode("utf-8", "replace")
        raise invalid_stac(href, f"not STAC: invalid JSON (it begins with {start!r})", _REMEDY) from error
    return check_document(content, href)


def check_document(content: Any, href: str) -> Document:
    """Check a JSON value; raises `StagingError` (`STAC_INVALID`)."""
    check_stac(content, href, _REMEDY)
    return Document(href, content)


def read_features(document: Document) -> list[Document]:
    """Return the items of an ItemCollection or a page of search results, each checked.

    Their relative references are resolved against their own `self` link where that is absolute.
    """
    items = []
    for number, feature in enumerate(document.content["features"]):
        name = f"{document.href}#/features/{number}"
        if check_document(feature, name).type is not StacType.ITEM:
            raise invalid_stac(name, f"not a STAC Item: `type` is {feature['type']!r}", _REMEDY)
        own = next((link["href"] for link in feature["links"] if link["rel"] == "self"), "")
        items.append(Document(own if is_remote(own) else document.href, feature))
    return items
