"""Lines in one text: most of what tools print only passes through, and need not be cut into lines; pure."""

from collections.abc import Iterator, Sequence
from typing import overload


class TextLines(Sequence[str]):
    r"""The lines of one text, which is split once one of them is looked at: most lines only pass through.

    It is equal to the tuple of its lines. There is always one: that of an empty text is empty.

    >>> TextLines("one\ntwo") == ("one", "two")
    True
    """

    __slots__ = ("_lines", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._lines: tuple[str, ...] | None = None

    def _split(self) -> tuple[str, ...]:
        if self._lines is None:
            self._lines = tuple(self.text.split("\n"))
        return self._lines

    def __len__(self) -> int:
        return self.text.count("\n") + 1 if self._lines is None else len(self._lines)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[str]: ...
    def __getitem__(self, place: int | slice) -> str | Sequence[str]:
        if isinstance(place, slice) and place.stop is None and place.step is None:
            if not place.start:
                return self
            if place.start < 0:  # the last ones, for which the others are not looked at
                return tuple(self.text.rsplit("\n", -place.start)[place.start :])
        return self._split()[place]

    def __iter__(self) -> Iterator[str]:
        return iter(self._split())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, TextLines):
            return self.text == other.text
        return self._split() == other if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._split())

    def __repr__(self) -> str:
        return repr(self._split())


def join_lines(lines: Sequence[str]) -> str:
    """Return lines as one text, without the last end of line."""
    return lines.text if isinstance(lines, TextLines) else "\n".join(lines)


def measure_lines(lines: Sequence[str]) -> int:
    """Count the characters of lines, each with its end."""
    return len(lines.text) + 1 if isinstance(lines, TextLines) else sum(map(len, lines)) + len(lines)
