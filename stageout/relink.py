"""Rewrites the hrefs of a scientist's STAC document for its destination; pure, and touches nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stageout.model import StacDocument
from stageout.storage import Storage, add_storage
from zoo_staging.hrefs import build_relative_href, is_relative
from zoo_staging.media import JSON
from zoo_staging.stac import StacType


@dataclass(frozen=True)
class Surroundings:
    """The context of a document in its tree.

    `root` is the path of the root document, `ids` the final ids of all documents by path, `self_href` the absolute
    href of this one at the destination (None: it gets no `self` link); `home_href` and `home_id` are of the
    collection for items without one; `storage` is the object store of the destination, if it is one.
    """

    root: str
    ids: Mapping[str, str]
    self_href: str | None
    home_href: str
    home_id: str
    storage: Storage | None = None


def rewrite_document(document: StacDocument, around: Surroundings) -> dict[str, Any]:
    """Return the document as it is to be written at the destination."""
    body = {**document.body, "id": around.ids[document.path]}
    body["links"] = _build_links(document, around)
    if "assets" in document.body:
        body["assets"] = {
            key: {**asset, "href": _rewrite_href(asset["href"], document)}
            for key, asset in document.body["assets"].items()
        }
        uploaded = (key for key, asset in document.body["assets"].items() if document.targets.get(asset["href"]))
        add_storage(body, [body["assets"][key] for key in uploaded], around.storage)
    if document.type is StacType.ITEM:
        _join_collection(body, document, around)
    return body


def _build_links(document: StacDocument, around: Surroundings) -> list[dict[str, Any]]:
    given = {link["rel"]: link for link in document.body["links"]}
    kept = [
        {**link, "href": _rewrite_href(link["href"], document)}
        for link in document.body["links"]
        if link["rel"] not in ("self", "root", "parent") and document.targets.get(link["href"], "") is not None
    ]
    built = [_build_link("root", build_relative_href(around.root, document.path), given)]
    if document.parent is not None:
        built.append(_build_link("parent", build_relative_href(document.parent, document.path), given))
    own = [_build_link("self", around.self_href, given)] if around.self_href else []
    return [*built, *kept, *own]


def _build_link(rel: str, href: str, given: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {"rel": rel, "type": JSON, **given.get(rel, {}), "href": href}


def _rewrite_href(href: str, document: StacDocument) -> str:
    target = document.targets.get(href)
    return href if target is None or is_relative(href) else build_relative_href(target, document.path)


def _join_collection(body: dict[str, Any], document: StacDocument, around: Surroundings) -> None:
    """Give an item without a collection, in the output or remote, the collection of the results."""
    hrefs = [link["href"] for link in document.body["links"] if link["rel"] == "collection"]
    targets = [document.targets[href] for href in hrefs if href in document.targets]
    linked = next((target for target in targets if target is not None), None)
    remote = len(targets) < len(hrefs)
    if linked is not None:
        body["collection"] = around.ids[linked]
    elif not remote and body.get("collection") not in around.ids.values():
        body["collection"] = around.home_id
        body["links"].append({"rel": "collection", "type": JSON, "href": around.home_href})
