"""Ids of the processes in the `$graph` of a document: absolute ones, and those that several of them have; pure.

An id may be the address of the process (CWL v1.2, Workflow, "Document graph"), such as `https://example.org/x.cwl#main`
in any file. What refers to it means the process in this document, and no address that is to be fetched.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urldefrag, urlsplit

# what people read
_WORDS = frozenset({"doc", "label"})
_AFTER = r"""(?=["'\s/,\]}:]|$)"""


def name_process(process_id: Any) -> str:
    """Return the name of a process by which it is chosen: `main` for `main`, `#main`, and an address with `#main`.

    >>> [name_process(one) for one in ("main", "#main", "https://example.org/x.cwl#main", "https://example.org/x.cwl")]
    ['main', 'main', 'main', 'x.cwl']
    """
    text = str(process_id)
    if "://" not in text:
        return text.lstrip("#")
    address, fragment = urldefrag(text)
    return fragment or urlsplit(address).path.rpartition("/")[2] or address


def list_graph(document: Any) -> list[dict[str, Any]]:
    """List the processes in the graph of a document."""
    graph = document.get("$graph") if isinstance(document, dict) else None
    return [one for one in graph if isinstance(one, dict)] if isinstance(graph, list) else []


def relate_ids(document: Any) -> Any:
    """Return a document with the absolute ids of its processes, and what refers to them, as ids of itself: `#main`."""
    names = _name_absolute(document, "")
    return _rename(document, lambda text: _relate(text, names)) if names else document


def relate_text(text: str, document: Any, uri: str) -> str:
    """Return the text of a document that is to be checked as `relate_ids` has it; lines stay where they are."""
    for one, name in _name_absolute(document, urldefrag(uri)[0]).items():
        text = name.join(re.split(f"{re.escape(one)}{_AFTER}", text))
    return text


def _name_absolute(document: Any, base: str) -> dict[str, str]:
    """Name the absolute ids of a graph, the longest first: one may be the beginning of another."""
    ids = {str(one["id"]) for one in list_graph(document) if "://" in str(one.get("id"))}
    return {one: f"{base}#{name_process(one)}" for one in sorted(ids, key=len, reverse=True)}


def detach_process(process: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a process of a graph as a document of its own, without its id: `#main/step/text` is `#step/text`."""
    own = f"#{name}/"
    detached: dict[str, Any] = _rename(process, lambda text: f"#{text[len(own) :]}" if text.startswith(own) else text)
    detached.pop("id", None)
    return detached


def _relate(text: str, names: Mapping[str, str]) -> str:
    found = next((one for one in names if text == one or text.startswith(f"{one}/")), None)
    return text if found is None else names[found] + text[len(found) :]


def _rename(node: Any, rename: Callable[[str], str]) -> Any:
    """Return a copy with other names wherever there is one, but in what people read."""
    if isinstance(node, dict):
        return {rename(str(key)): part if key in _WORDS else _rename(part, rename) for key, part in node.items()}
    if isinstance(node, list):
        return [_rename(part, rename) for part in node]
    return rename(node) if isinstance(node, str) else node


def find_twins(document: Any) -> Iterator[tuple[str, int]]:
    """Find the names that several different processes of a graph have, with their number; engines take the last."""
    processes: dict[str, list[Mapping[str, Any]]] = {}
    for one in list_graph(document):
        others = processes.setdefault(name_process(one.get("id", "")), [])
        others += [] if one in others else [one]
    yield from ((name, len(several)) for name, several in processes.items() if name and len(several) > 1)
