"""Numbers as they were written (`10.50`, `1e21`), and JSON that keeps them so.

Tools and expressions get a number in the form that cwltool gives it, which follows from how it was written: cwltool
reads job files and packages with ruamel.yaml, whose numbers know their width and exponent.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

_NUMBER = re.compile(r"(?P<sign>[-+]?)(?P<whole>\d*)(?P<point>\.(?P<decimals>\d*))?(?P<exponent>[eE][-+]?\d+)?")
_PLAIN = frozenset({str, int, float, bool, type(None)})


class WrittenNumber(float):
    """A number whose form is not the one that Python gives it; `text` is a number of JSON."""

    __slots__ = ("text",)

    text: str

    def __new__(cls, text: str) -> "WrittenNumber":
        """Read a number of JSON."""
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __getnewargs__(self) -> tuple[str]:  # type: ignore[override]
        return (self.text,)


def read_number(text: str) -> float:
    """Read a number of JSON or YAML with decimals or an exponent; it keeps its form. Raises `ValueError`.

    >>> [type(read_number(text)).__name__ for text in ("10.5", "10.50", "1e21", ".5")]
    ['float', 'WrittenNumber', 'WrittenNumber', 'float']
    """
    plain = text.replace("_", "")
    number = float(plain)
    if repr(number) == plain:  # nearly always: there may be a million of them
        return number
    written = _write_as_json(plain)
    return number if repr(number) == written else WrittenNumber(written)


def _write_as_json(text: str) -> str:
    """Write a number of YAML (`+1.5`, `.5`, `5.`) as JSON that tools get in the same form."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise ValueError(f"not a number: {text!r}")
    sign, whole, decimals = found["sign"].removeprefix("+"), found["whole"].lstrip("0") or "0", found["decimals"]
    # cwltool writes `5.` as 5, as it does `5e0`
    exponent = found["exponent"] or ("e0" if found["point"] and not decimals else "")
    return f"{sign}{whole}{f'.{decimals}' if decimals else ''}{exponent}"


def read_json(content: str | bytes) -> Any:
    """Read JSON whose numbers keep their form; raises `ValueError`."""
    text = content if isinstance(content, str) else content.decode(json.detect_encoding(content), "surrogatepass")
    return _DECODER.decode(text)


# created once: that takes as long as reading a small document
_DECODER = json.JSONDecoder(parse_float=read_number)


def write_json(
    value: Any, *, sort_keys: bool = False, ensure_ascii: bool = True, default: Callable[[Any], Any] | None = None
) -> str:
    """Write JSON with numbers in their form; the options are those of `json.dumps`."""
    dump = partial(json.dumps, sort_keys=sort_keys, ensure_ascii=ensure_ascii, default=default)
    if not _has_written(value):
        return dump(value)
    mark = os.urandom(16).hex()  # no text begins with it
    return re.sub(f'"{mark}([^"]*)"', r"\1", dump(_mark(value, mark)))


def _has_written(node: Any) -> bool:
    """Whether a value has a written number; lists of a million values are looked at by their types."""
    if not isinstance(node, Mapping | list | tuple):
        return isinstance(node, WrittenNumber)
    parts = node.values() if isinstance(node, Mapping) else node
    kinds = set(map(type, parts))
    return WrittenNumber in kinds or (not kinds <= _PLAIN and any(map(_has_written, parts)))


def _mark(node: Any, mark: str) -> Any:
    """Return a copy with texts that begin with `mark` in place of written numbers."""
    if isinstance(node, WrittenNumber):
        return f"{mark}{node.text}"
    if isinstance(node, Mapping):
        return {key: _mark(part, mark) for key, part in node.items()}
    return [_mark(part, mark) for part in node] if isinstance(node, list | tuple) else node
