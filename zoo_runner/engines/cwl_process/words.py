"""Patterns for what a package or its tools print, which may have been written to keep a search busy for hours.

A search goes back over each repeat: two without a bound in one pattern take time that grows with the square or the
cube of the text, and `re` lets no other thread run meanwhile. Here each repeat has a bound, lines are cut, and so is
the text as a whole: the time of a search is linear in the text, and the text is short.
"""

import re
from collections.abc import Collection, Iterable
from typing import Any, cast

LONGEST_LINE = 2000
"""Characters of a line that are looked at, and shown as evidence."""
_LONGEST_START, _LONGEST_END = 16_000, 32_000
_MOST = 1000
_BOUNDS = {"+": f"{{1,{_MOST}}}", "*": f"{{0,{_MOST}}}"}
# an escape, a set of characters, or a repeat
_PART = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|(?P<repeat>[+*])", re.DOTALL)


def words(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """Return a pattern with a bound for each `+` and `*`, which is compiled at its first use.

    >>> words(r"got [^+]+").pattern
    'got [^+]{1,1000}'
    """
    return cast("re.Pattern[str]", Words(pattern, flags))


class Words:
    """What is used as a pattern of `re`. To compile the hundred takes 11 ms, and a job that succeeds needs none."""

    def __init__(self, text: str, flags: int) -> None:
        self._text, self._flags = text, flags

    def compile(self) -> re.Pattern[str]:
        """Compile it."""
        bounded = _PART.sub(lambda part: _BOUNDS[part[0]] if part["repeat"] else part[0], self._text)
        return re.compile(bounded, self._flags)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        compiled = self.compile()
        # further calls find them without coming here
        for method in ("search", "match", "fullmatch", "finditer", "sub"):
            setattr(self, method, getattr(compiled, method))
        return getattr(compiled, name)


def cut_lines(lines: Iterable[str]) -> Iterable[str]:
    """Cut each line to what is looked at."""
    return (line[:LONGEST_LINE] for line in lines)


def cut_text(text: str, telling: Collection[str] = ()) -> str:
    """Cut each line of a text, and leave out the middle of a very long one, but for lines that have a `telling` phrase.

    >>> lines = ["a warning"] * 9000
    >>> lines[4000] = "[job s] ran out of memory"
    >>> "out of memory" in cut_text("\\n".join(lines), ["out of memory"])
    True
    """
    short = "\n".join(cut_lines(text.splitlines()))
    if len(short) <= _LONGEST_START + _LONGEST_END:
        return short
    start = short.index("\n", _LONGEST_START)
    end = max(start, short.rindex("\n", 0, len(short) - _LONGEST_END))
    kept = [line for line in short[start:end].splitlines() if any(one in line for one in telling)]
    middle = "\n".join(kept)[:_LONGEST_START]
    return f"{short[:start]}\n{middle}{short[end:]}"
