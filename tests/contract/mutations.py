"""Hostile documents: real ones, changed at random places by values that people and attackers write."""

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

TEXTS = (
    *(
        "",
        " ",
        ".",
        "..",
        "../../etc/passwd",
        "/etc/passwd",
        "a/b",
        "a\0b",
        "\n",
        "-rf",
        "~",
        "%00",
        "%2e%2e%2f",
        "C:\\x",
    ),
    *("\ud800", "\u202e", "ü" * 300, "x" * 5000, "$(inputs.a)", "${while(true){}}", "$(", "{{7*7}}", "'; rm -rf /;'"),
    *("#", "#main", "#main/x", "_:x", "File", "null", "true", "[]", "{}", "string[]", "int?", "Any", "array"),
    *("file:///etc/passwd", "file://host/x", "http://169.254.169.254/latest/", "http://[::ffff:169.254.169.254]/x"),
    *(
        "http://2852039166/",
        "http://0xA9FEA9FE/",
        "http://127.0.0.1:1@169.254.169.254/",
        "http://[",
        "http://:0/",
        "ftp://x",
    ),
    *("s3://", "s3:///x", "data:", "data:;base64,!", "javascript:alert(1)", "https://example.invalid:99999/"),
)
KEYS = (
    *("class", "location", "path", "contents", "listing", "secondaryFiles", "value", "href", "type", "bbox"),
    *("coordinates", "$import", "$include", "$graph", "id", "run", "encoding", "mediaType"),
)
LEAVES = st.one_of(
    st.sampled_from(TEXTS),
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 2**31, 2**63, 2**200, 1e308, float("nan"), float("inf"), 0.5]),
    st.text(max_size=20),
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.one_of(
                st.sampled_from(KEYS),
                st.text(max_size=8),
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


def deeply_nested(levels: int, inner: Any, key: str | None = None) -> Any:
    """A value inside so many lists (or objects with one member)."""
    for _ in range(levels):
        inner = [inner] if key is None else {key: inner}
    return inner


def _places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield (*path, key)
            yield from _places(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield (*path, index)
            yield from _places(value, (*path, index))


@st.composite
def mutated(draw: st.DrawFn, documents: st.SearchStrategy[Any], values: st.SearchStrategy[Any] = JSON) -> Any:
    """A document with one to three changes: a value replaced, removed, copied elsewhere, or a member added."""
    document = copy.deepcopy(draw(documents))
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(document))
        if places:
            _mutate(draw, document, places, values)
    return document


def _mutate(draw: st.DrawFn, document: Any, places: list[tuple[Any, ...]], values: st.SearchStrategy[Any]) -> None:
    path = draw(st.sampled_from(places))
    holder = _get(document, path[:-1])
    match draw(st.sampled_from(["replace", "replace", "remove", "copy", "rename"])):
        case "replace":
            holder[path[-1]] = draw(values)
        case "remove":
            del holder[path[-1]]
        case "copy":
            holder[path[-1]] = copy.deepcopy(_get(document, draw(st.sampled_from(places))))
        case _ if isinstance(holder, dict):
            holder[draw(st.sampled_from(TEXTS))] = holder.pop(path[-1])


def _get(node: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        node = node[part]
    return node
