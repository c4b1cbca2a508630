"""Formats that an ontology calls kinds of another: a tool that accepts the other one accepts them too.

The ontologies of `$schemas` are never fetched. One that lies on this machine, where the package may read, is used.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from schema_salad.fetcher import Fetcher
from schema_salad.ref_resolver import Loader

from zoo_runner.model.errors import PackageError
from zoo_runner.package.documents import Documents, is_local

_SUBCLASS = "http://www.w3.org/2000/01/rdf-schema#subClassOf"
_EQUIVALENT = "http://www.w3.org/2002/07/owl#equivalentClass"


class _Reader(Fetcher):
    """Gives schema-salad the ontologies that are read already."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def fetch_text(self, url: str, content_types: list[str] | None = None) -> str:
        return self._texts[url]

    def check_exists(self, url: str) -> bool:
        return url in self._texts

    def urljoin(self, base_url: str, url: str) -> str:
        return url


def widen_formats(processes: list[dict[str, Any]], schemas: list[str], documents: Documents) -> None:
    """Add to the formats of each input those that local ontologies call kinds of them, in place."""
    parameters = [one for process in processes for one in _find_parameters(process)]
    texts = dict(_read_texts(schemas, documents)) if parameters else {}
    if not texts:
        return
    kinds = _read_kinds(texts)
    for parameter in parameters:
        declared = parameter["format"] if isinstance(parameter["format"], list) else [parameter["format"]]
        accepted = _follow(declared, kinds)
        if len(accepted) > len(declared):
            parameter["format"] = accepted


def _find_parameters(node: Any, *, is_input: bool = False) -> Iterator[dict[str, Any]]:
    """Find the inputs, and members of records of inputs, that have a format."""
    if isinstance(node, list):
        for each in node:
            yield from _find_parameters(each, is_input=is_input)
    elif isinstance(node, dict):
        if is_input and "type" in node and isinstance(node.get("format"), str | list):
            yield node
        for key, value in node.items():
            yield from _find_parameters(value, is_input=key == "inputs" or (is_input and key != "default"))


def _read_texts(schemas: list[str], documents: Documents) -> Iterator[tuple[str, str]]:
    for uri in filter(is_local, schemas):
        try:
            yield uri, documents.read(uri).decode()
        except (PackageError, UnicodeDecodeError):
            continue  # as with one that is not on this machine, formats are compared as they are written


def _read_kinds(texts: Mapping[str, str]) -> Mapping[str, set[str]]:
    """Read the formats that are directly below each format."""
    loader = Loader({}, fetcher_constructor=lambda *_: _Reader(texts))
    loader.add_schemas(list(texts), "")
    kinds: dict[str, set[str]] = defaultdict(set)
    for one, relation, other in loader.graph:
        if str(relation) in (_SUBCLASS, _EQUIVALENT):
            kinds[str(other)].add(str(one))
        if str(relation) == _EQUIVALENT:
            kinds[str(one)].add(str(other))
    return kinds


def _follow(declared: list[str], kinds: Mapping[str, set[str]]) -> list[str]:
    """List formats and all that are below them; the declared ones first."""
    found, waiting = dict.fromkeys(declared), list(declared)
    while waiting:
        below = [kind for kind in sorted(kinds.get(waiting.pop(), ())) if kind not in found and "://" in kind]
        found.update(dict.fromkeys(below))
        waiting.extend(below)
    return list(found)
