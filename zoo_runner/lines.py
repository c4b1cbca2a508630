"""Lines of a stream, as many at once as it has: a tool may print a hundred thousand of them in a second."""

from collections.abc import Callable, Iterator

LONGEST_LINE = 64 * 1024
"""Bytes after which a line that a tool prints is cut: some print a hundred megabytes without an end of line."""


class LineCutter:
    """Cuts what comes in chunks into lines, without their ends (LF or CRLF); one of more than `longest` bytes is cut.

    Bytes that are not UTF-8 are replaced.
    """

    def __init__(self, longest: int | None = None) -> None:
        self._longest, self._rest = longest, bytearray()

    def feed(self, chunk: bytes) -> list[str]:
        """Return the lines that have ended."""
        lines: list[str] = []
        rest, longest = self._rest, self._longest
        whole, newline, last = chunk.rpartition(b"\n")
        if newline:
            lines = _split(_drop_returns(bytes(rest) + whole), longest)
            rest.clear()
        # never copied: a line may come in a thousand chunks
        rest += last
        if longest and len(rest) >= longest:
            *cut, last = _cut(bytes(rest), longest)
            lines += map(_decode, cut)
            rest[:] = last
        return lines

    def end(self) -> list[str]:
        """Return what has no end of line."""
        last = [_decode(_drop_returns(bytes(self._rest)))] if self._rest else []
        self._rest.clear()
        return last


def iterate_lines(read: Callable[[], bytes], longest: int | None = None) -> Iterator[list[str]]:
    r"""Yield the lines of a stream in batches, as a `LineCutter` cuts them.

    `read` returns what there is, waits if there is nothing yet, and returns nothing at the end.

    >>> list(iterate_lines(iter([b"one\ntw", b"o\nthree", b""]).__next__))
    [['one'], ['two'], ['three']]
    """
    cutter = LineCutter(longest)
    while chunk := read():
        if lines := cutter.feed(chunk):
            yield lines
    if last := cutter.end():
        yield last


def _drop_returns(lines: bytes) -> bytes:
    """Drop the CR that ends a line of tools with CRLF; one within a line (a progress bar) stays."""
    return lines.replace(b"\r\n", b"\n").removesuffix(b"\r") if b"\r" in lines else lines


def _split(whole: bytes, longest: int | None) -> list[str]:
    if longest is None or len(whole) <= longest or max(map(len, lines := whole.split(b"\n"))) <= longest:
        # decoded at once: one by one takes three times as long
        return _decode(whole).split("\n")
    return [_decode(part) for line in lines for part in _cut(line, longest)]


def _cut(line: bytes, longest: int) -> list[bytes]:
    return [line[start : start + longest] for start in range(0, len(line) or 1, longest)]


def _decode(line: bytes) -> str:
    return line.decode("utf-8", "replace")
