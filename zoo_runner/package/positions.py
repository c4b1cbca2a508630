"""Finds the place of a part of the packed document in the author's documents: file, line and column.

Packing keeps ids and drops lines; the way back goes from the nearest id to the author's text.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urldefrag

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from zoo_runner.model.errors import PackageError
from zoo_runner.model.package import Package
from zoo_runner.package.findings import Place
from zoo_runner.package.graph_ids import name_process

SECTIONS = ("inputs", "outputs", "steps")


@dataclass(frozen=True)
class _Spot:
    """A value in an author's document, and the text that introduces it: its key, or the value itself."""

    value: Node
    mark: Any

    def place(self, uri: str) -> Place:
        return Place(uri, self.mark.line + 1, self.mark.column + 1)


@dataclass(frozen=True)
class Places:
    """Finds places by JSON pointer; `texts` are the documents by URI, those that cannot be parsed left out."""

    package: Package
    roots: Mapping[str, Node]
    spots: Mapping[str, _Spot]

    def find(self, pointer: str) -> Place:
        """Find the place of what a JSON pointer (RFC 6901) into the packed document names, or of its nearest parent."""
        parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
        node: Any = self.package.document
        origin, rest = self._entry_origin(), parts
        if not parts or parts[0] != "$graph":
            return self._find_in_root(origin, parts)
        for index, part in enumerate(parts):
            node = node[int(part)] if isinstance(node, list) else node[part]
            own = self.package.origins.get(str(node.get("id"))) if isinstance(node, Mapping) else None
            if own is not None and (own in self.spots or urldefrag(own)[0] != urldefrag(origin)[0]):
                origin, rest = own, parts[index + 1 :]
        return self._place(origin, rest)

    def _entry_origin(self) -> str:
        return self.package.origins.get(self.package.entry, "")

    def _find_in_root(self, origin: str, parts: list[str]) -> Place:
        uri = urldefrag(origin)[0]
        if uri not in self.roots or not parts:
            return self._place(origin, parts)
        root = self.roots[uri]
        return _descend(_Spot(root, root.start_mark), parts).place(uri)

    def _place(self, origin: str, rest: list[str]) -> Place:
        spot = self.spots.get(origin)
        uri = urldefrag(origin)[0]
        return Place(uri) if spot is None else _descend(spot, rest).place(uri)


def load_positions(package: Package, read: Callable[[str], bytes]) -> Places:
    """Read the documents that the package's ids come from; `read` gives a document's bytes by its URI."""
    roots: dict[str, Node] = {}
    spots: dict[str, _Spot] = {}
    for uri in sorted({urldefrag(origin)[0] for origin in package.origins.values()}):
        try:
            root = _compose(read(uri))
        except PackageError:  # an id need not be the address of a document
            continue
        if root is not None:
            roots[uri] = root
            spots |= dict(_index_document(uri, root))
    return Places(package, roots, spots)


def _compose(content: bytes) -> Node | None:
    try:
        node = YAML(typ="safe", pure=True).compose(content.decode("utf-8-sig"))
    except (YAMLError, UnicodeDecodeError, RecursionError):
        return None
    return node if isinstance(node, MappingNode) else None


def _members(node: Node) -> Iterator[tuple[str, _Spot]]:
    """The members of a mapping; of a list, those that have an id, by it."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode):
                yield key.value, _Spot(value, key.start_mark)
    elif isinstance(node, SequenceNode):
        for item in node.value:
            own = _get(item, "id")
            if own is not None and isinstance(own.value, ScalarNode):
                yield own.value.value, _Spot(item, item.start_mark)


def _get(node: Node, key: str) -> _Spot | None:
    if not isinstance(node, MappingNode):
        return None
    return next((spot for name, spot in _members(node) if name == key), None)


def _descend(spot: _Spot, parts: list[str]) -> _Spot:
    for part in parts:
        inner = _get(spot.value, part)
        if inner is None:
            break
        spot = inner
    return spot


def _index_document(uri: str, root: Node) -> Iterator[tuple[str, _Spot]]:
    graph = _get(root, "$graph")
    if graph is not None:
        for name, spot in _members(graph.value):
            yield from _index_process(f"{uri}#{name_process(name)}", spot)
        return
    # a document that is referred to as a whole goes by its URI alone, though its process has an id
    yield uri, _Spot(root, root.start_mark)
    own = _get(root, "id")
    name = own.value.value.lstrip("#") if own is not None and isinstance(own.value, ScalarNode) else ""
    yield from _index_process(f"{uri}#{name}" if name else uri, _Spot(root, root.start_mark))


def _index_process(origin: str, process: _Spot) -> Iterator[tuple[str, _Spot]]:
    """A process and what has an id in it; the ids are made as CWL says (v1.2, Workflow, section 4.4)."""
    yield origin, process
    document, prefix = urldefrag(origin)[0], f"{origin}/" if "#" in origin else f"{origin}#"
    for section in SECTIONS:
        listed = _get(process.value, section)
        for name, spot in _members(listed.value) if listed is not None else ():
            absolute = "://" in name or name.startswith("#")
            inner = f"{document}#{urldefrag(name)[1]}" if absolute else f"{prefix}{name}"
            yield inner, spot
            run = _get(spot.value, "run") if section == "steps" else None
            if run is not None and isinstance(run.value, MappingNode):
                yield from _index_process(f"{inner}/run", run)
