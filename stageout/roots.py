"""Finds the STAC catalogs of an output folder: those that a reader has to begin with."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stageout.output_folder import OutputFolder, OutsideError, find_origin
from zoo_staging.names import is_folder_name
from zoo_staging.stac import StacType, get_type

PARENT = "catalog.json"
"""The catalog at the top of an output."""
_ROOTS = (StacType.CATALOG, StacType.COLLECTION)
# folders below this depth are not searched for a catalog: every JSON file on the way is read
_DEEPEST = 8


@dataclass(frozen=True)
class Roots:
    """The catalogs that a reader begins with, and where there is none the items that nothing links to."""

    catalogs: tuple[Path, ...] = ()
    items: tuple[Path, ...] = ()


def find_catalogs(folder: Path) -> Roots:
    """Return the root documents of an output folder; none where it has no STAC.

    That is `catalog.json`, else in each of its folders the catalogs and collections nearest to the top to which no
    other one leads, else all items.
    """
    if (folder / PARENT).is_file():
        return Roots((folder / PARENT,))
    roots: list[Path] = []
    items: list[Path] = []
    level = [folder]
    for _ in range(_DEEPEST + 1):
        below: list[Path] = []
        for each in level:
            found = _find_stac(each)
            items += [path for path, kind in found.items() if kind is StacType.ITEM]
            here = [path for path, kind in found.items() if kind in _ROOTS]
            roots += _choose_roots(here)
            below += [] if here else _list_folders(each)
        level = below
    return Roots(tuple(_leave_out_linked(folder, roots))) if roots else Roots(items=tuple(items))


def get_self_href(body: Mapping[str, Any]) -> str | None:
    """Return the href of a document's `self` link; None without one."""
    return next((link["href"] for link in body["links"] if link["rel"] == "self"), None)


def _leave_out_linked(folder: Path, roots: list[Path]) -> list[Path]:
    """Leave out catalogs to which another one leads; of those that lead to each other, the first one stays."""
    if len(roots) < 2:
        return roots
    children = {root: set(_list_children(folder, root)) for root in roots}
    chosen: list[Path] = []
    seen: set[Path] = set()
    for root in roots:
        if root not in seen:
            reached = _follow(root, children)
            chosen = [*(path for path in chosen if path not in reached), root]
            seen |= reached
    return chosen


def _follow(root: Path, children: Mapping[Path, set[Path]]) -> set[Path]:
    """Return all documents to which a root leads through other roots, and the root itself."""
    reached, waiting = {root}, [root]
    while waiting:
        found = children.get(waiting.pop(), set()) - reached
        reached |= found
        waiting += found
    return reached


def _list_children(folder: Path, document: Path) -> Iterable[Path]:
    """List the documents that a catalog calls its children; what is invalid in it is for its reader to say."""
    name = document.relative_to(folder).as_posix()
    try:
        body = json.loads(document.read_bytes())
        place = OutputFolder(folder, find_origin(get_self_href(body), name))
        hrefs = [link["href"] for link in body["links"] if link["rel"] == "child"]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return
    for href in hrefs:
        try:
            target = place.locate(href, name)
        except (OutsideError, AttributeError):
            continue
        if target is not None:
            yield folder / target


def _find_stac(folder: Path) -> dict[Path, StacType]:
    with os.scandir(folder) as found:
        names = sorted(entry.name for entry in found if entry.name.endswith(".json") and entry.is_file())
    kinds = {folder / name: _read_type(folder / name) for name in names}
    return {path: kind for path, kind in kinds.items() if kind}


def _choose_roots(roots: list[Path]) -> list[Path]:
    """Choose the roots: of several documents in one folder, a catalog.json."""
    first = [path for path in roots if path.name == PARENT]
    return first or roots


def _list_folders(folder: Path) -> list[Path]:
    with os.scandir(folder) as found:
        names = sorted(entry.name for entry in found if entry.is_dir(follow_symlinks=False))
    return [folder / name for name in names if not is_folder_name(name)]


def _read_type(path: Path) -> StacType | None:
    try:
        body = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    return get_type(body) if isinstance(body, dict) and isinstance(body.get("stac_version"), str) else None
