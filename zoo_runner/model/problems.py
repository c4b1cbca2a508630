"""What is wrong with a value, in one line for the person who gave it."""

import json
from collections.abc import Mapping, Sized
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit, urlunsplit

SHOWN_CHARACTERS = 60
SHOWN_PATH_CHARACTERS = 200


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where (`items[3].location`), what was found, what is accepted."""

    path: str
    found: str
    accepted: str

    def __str__(self) -> str:
        path = self.path if len(self.path) <= SHOWN_PATH_CHARACTERS else f"{self.path[:SHOWN_PATH_CHARACTERS]}..."
        return make_printable(f"{path}: found {self.found}; accepted: {self.accepted}")


def make_printable(text: str) -> str:
    """The text on one line and safe for a terminal: what cannot be printed is escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def show(value: Any) -> str:
    """A value and its JSON kind for a message: short, on one line, URLs without password or signature."""
    match value:
        case Mapping() | list():
            kind = "list" if isinstance(value, list) else "object"
            written = _count(value, "item" if kind == "list" else "member")
        case str():
            kind, written = "string", json.dumps(without_secrets(value), ensure_ascii=False)
        case None:
            return "null"
        case bool() | int() | float() | date():
            kinds = {bool: "boolean", int: "integer", float: "number"}
            kind, written = kinds.get(type(value), "date"), str(value).replace("True", "true")
        case _:
            return f"a {type(value).__name__}"
    return f"{_shorten(written)} ({kind})"


def _count(value: Sized, word: str) -> str:
    return f"{len(value)} {word}{'' if len(value) == 1 else 's'}"


def _shorten(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."


def suggest(name: str, known: tuple[str, ...]) -> str:
    """What a caller may have meant by an unknown name: the nearest known one, or all of them."""
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"one of {', '.join(known) or 'none'}"


def without_secrets(text: str) -> str:
    """A URL without its user, password and query, which may hold secrets; other text as it is."""
    if "://" not in text:
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return text.split("://", 1)[0] + "://..."
    query = "..." if parts.query else ""
    return urlunsplit((parts.scheme, parts.netloc.rsplit("@", 1)[-1], parts.path, query, ""))
