"""What is wrong with a value, in one line for the person who gave it."""

import json
from collections.abc import Mapping, Sized
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from zoo_runner.model.written import WrittenNumber

SHOWN_CHARACTERS = 60
SHOWN_PATH_CHARACTERS = 200

ValuePath = tuple[str | int, ...]
"""The way to a value inside a document: names of members and indexes of items."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, with a code of `model.codes`.

    `path` is for people (`items[3].location`), `pointer` the JSON pointer (RFC 6901) to the value in the document
    that the client sent.
    """

    code: str
    path: str
    pointer: str
    message: str

    def __str__(self) -> str:
        path = self.path if len(self.path) <= SHOWN_PATH_CHARACTERS else f"{self.path[:SHOWN_PATH_CHARACTERS]}..."
        return make_printable(f"{path}: {self.message}")


def build_problem(code: str, root: ValuePath, path: ValuePath, message: str) -> Problem:
    """Describe a problem of the value at `path`; `root` leads to the start of paths in the client's document."""
    return Problem(code, format_path(path), format_pointer((*root, *path)), message)


def format_path(path: ValuePath) -> str:
    """Write a path for people: `items[3].location`; empty for the document itself."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def format_pointer(path: ValuePath) -> str:
    """Write a path as JSON pointer (RFC 6901): `/items/3/location`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def make_printable(text: str) -> str:
    """Return the text on one line and safe for a terminal: unprintable characters are escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def show(value: Any) -> str:
    """Format a value and its JSON kind for a message: short, on one line, URLs without password or signature."""
    match value:
        case Mapping() | list():
            kind = "list" if isinstance(value, list) else "object"
            written = _count(value, "item" if kind == "list" else "member")
        case str():
            kind, written = "string", json.dumps(without_secrets(value), ensure_ascii=False)
        case None:
            return "null"
        case bool() | int() | float() | date():
            kinds = {bool: "boolean", int: "integer", float: "number", WrittenNumber: "number"}
            kind, written = kinds.get(type(value), "date"), getattr(value, "text", str(value)).replace("True", "true")
        case _:
            return f"a {type(value).__name__}"
    return f"{_shorten(written)} ({kind})"


def _count(value: Sized, word: str) -> str:
    return f"{len(value)} {word}{'' if len(value) == 1 else 's'}"


def _shorten(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."


def suggest(name: str, known: tuple[str, ...]) -> str:
    """Suggest what was meant by an unknown name: the nearest known one, or all of them."""
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"


def without_secrets(text: str) -> str:
    """Return a URL without its user, password and query, which may hold secrets; other text as it is."""
    if "://" not in text:
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return text.split("://", 1)[0] + "://..."
    query = "..." if parts.query else ""
    return urlunsplit((parts.scheme, parts.netloc.rsplit("@", 1)[-1], parts.path, query, ""))
