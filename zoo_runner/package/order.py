"""The order in which an author wrote inputs and outputs; pure.

CWL allows them as a mapping, which the loader makes a list of, sorted by key (schema-salad, "Identifier maps"); YAML
keeps no order by its specification, but authors put first what matters most.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urldefrag

_SECTIONS = ("inputs", "outputs")


def find_written(root: Mapping[str, Any], uri: str) -> Mapping[str, Any]:
    """Find a process in a document as its author wrote it; `uri` names it. An empty one where it is not there."""
    if "$graph" not in root:
        return root
    name = urldefrag(uri)[1]
    named = (one for one in root["$graph"] if isinstance(one, Mapping) and str(one.get("id", "")).lstrip("#") == name)
    return next(named, {})


def order_as_written(process: dict[str, Any], written: Mapping[str, Any]) -> None:
    """Put inputs and outputs of a packed process into the order of its author; what has none comes last, as it was."""
    for section in _SECTIONS:
        names = written.get(section)
        if isinstance(names, Mapping):
            places = {str(name): place for place, name in enumerate(names)}
            process[section].sort(key=lambda one: places.get(one["id"].rpartition("/")[2], len(places)))
