"""Cursors of lists: where the next page goes on, as text that a client hands back unread."""

import json

from zoo_runner.model import base64url
from zoo_runner.model.errors import InputError
from zoo_runner.model.portable import find_unportable


def write_cursor(*place: str) -> str:
    """Return the cursor of a place in the order of a list."""
    return base64url.encode(json.dumps(place).encode())


def read_cursor(cursor: str, length: int) -> tuple[str, ...]:
    """Return the place of a cursor, which has so many parts; raises `InputError` for what no list gave."""
    try:
        place = json.loads(base64url.decode(cursor))
    except ValueError:
        place = None
    known = isinstance(place, list) and len(place) == length and all(isinstance(part, str) for part in place)
    if not known or find_unportable(place):
        raise InputError(
            f"invalid cursor {cursor[:60]!r}",
            "Use the `next` link of the page before, or leave the cursor out for the first page.",
            code="request.cursor",
        )
    return tuple(place)
