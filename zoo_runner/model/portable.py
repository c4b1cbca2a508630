"""What every store and every reader of JSON can hold: I-JSON (RFC 7493, sections 2.1 and 2.2), without U+0000.

Python's parser takes more: half of a surrogate pair, which UTF-8 cannot encode, and numbers that are not finite.
PostgreSQL takes no U+0000. What comes in is refused (`find_unportable`); what a tool has written, after hours perhaps,
is replaced (`make_portable`), as JavaScript's JSON.stringify and every decoder of text do.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_UNPORTABLE = re.compile("[\ud800-\udfff\0]")
_REPLACEMENT = "\ufffd"


@dataclass(frozen=True)
class Unportable:
    """Where something is that not everything can hold (RFC 6901, a JSON pointer), and what it is."""

    pointer: str
    reason: str


def find_unportable(value: Any) -> Unportable | None:
    """Find a text or a number in a value of JSON that not everything can hold; None where there is none."""
    if _is_portable(value):
        return None
    waiting = [("", value)]
    while waiting:
        pointer, one = waiting.pop()
        if isinstance(one, Mapping):
            for key, member in one.items():
                if reason := _judge(key):
                    return Unportable(pointer, f"a member's name has {reason}")
                waiting.append((f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}", member))
        elif isinstance(one, list | tuple):
            waiting += [(f"{pointer}/{number}", member) for number, member in enumerate(one)]
        elif reason := _judge(one):
            return Unportable(pointer, f"the {'text' if isinstance(one, str) else 'number'} has {reason}")
    return None


def find_text_fault(text: str) -> str | None:
    """Find what a text has that not everything can hold."""
    found = _UNPORTABLE.search(text)
    if found is None:
        return None
    return "a null character (U+0000)" if found[0] == "\0" else f"half of a surrogate pair (U+{ord(found[0]):04X})"


def make_portable(value: Any) -> Any:
    """Return a value of JSON with U+FFFD for what no text may have, and null for numbers that are not finite."""
    return value if _is_portable(value) else _replace(value)


def make_text_portable(text: str) -> str:
    """Return a text with U+FFFD in place of what it may not have; two halves of a pair become its character."""
    if not _UNPORTABLE.search(text):
        return text
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\0", _REPLACEMENT)


def write_json(value: Any) -> bytes:
    """Write JSON in UTF-8, whatever an earlier release has stored."""
    try:
        return _dump(value).encode()
    except ValueError:
        return _dump(_replace(value)).encode()


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _is_portable(value: Any) -> bool:
    """Whether everything can hold a value; False also where it has the text of the escape, which is looked at again."""
    try:
        text = _dump(value)
        text.encode()
    except ValueError:
        return False
    return "\\u0000" not in text


def _judge(value: Any) -> str | None:
    if isinstance(value, float):
        return None if math.isfinite(value) else "no finite value"
    return find_text_fault(value) if isinstance(value, str) else None


def _replace(value: Any) -> Any:
    if isinstance(value, str):
        return make_text_portable(value)
    if isinstance(value, Mapping):
        return {_replace(key): _replace(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_replace(member) for member in value]
    return None if _judge(value) else value
