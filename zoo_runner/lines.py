"""Lines of a stream, as many at once as it has: a tool may print a hundred thousand of them in a second."""

from collections.abc import Callable, Iterator, Sequence

from zoo_runner.model.text_lines import TextLines

LONGEST_LINE = 64 * 1024
"""Bytes after which a line that a tool prints is cut: some print a hundred megabytes without an end of line."""


class LineCutter:
    """Cuts what comes in chunks into lines, without their ends (LF or CRLF); one of more than `longest` bytes is cut.

    Bytes that are not UTF-8 are replaced.
    """

    def __init__(self, longest: int | None = None) -> None:
        self._longest, self._rest = longest, bytearray()

    def feed(self, chunk: bytes) -> Sequence[str]:
        """Return the lines that have ended."""
        lines: Sequence[str] = ()
        rest, longest = self._rest, self._longest
        whole, newline, last = chunk.rpartition(b"\n")
        if newline:
            lines = _split(_drop_returns(bytes(rest) + whole), longest)
            rest.clear()
        # never copied: a line may come in a thousand chunks
        rest += last
        if longest and len(rest) >= longest:
            *cut, last = _cut(bytes(rest), longest)
            lines = (*lines, *map(_decode, cut))
            rest[:] = last
        return lines

    def end(self) -> Sequence[str]:
        """Return what has no end of line."""
        last = (_decode(_drop_returns(bytes(self._rest))),) if self._rest else ()
        self._rest.clear()
        return last


def iterate_lines(read: Callable[[], bytes], longest: int | None = None) -> Iterator[Sequence[str]]:
    r"""Yield the lines of a stream in batches, as a `LineCutter` cuts them.

    `read` returns what there is, waits if there is nothing yet, and returns nothing at the end.

    >>> list(iterate_lines(iter([b"one\ntw", b"o\nthree", b""]).__next__))
    [('one',), ('two',), ('three',)]
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


def _split(whole: bytes, longest: int | None) -> Sequence[str]:
    if longest is None or not _has_longer(whole, longest):
        # decoded at once: one by one takes three times as long
        return TextLines(_decode(whole))
    return tuple(_decode(part) for line in whole.split(b"\n") for part in _cut(line, longest))


def _has_longer(whole: bytes, longest: int) -> bool:
    """Whether a line is longer; looks only at one end of line for each of so many bytes."""
    begin, size = 0, len(whole)
    while size - begin > longest:
        begin = whole.rfind(b"\n", begin, begin + longest + 1) + 1
        if not begin:
            return True
    return False


def _cut(line: bytes, longest: int) -> list[bytes]:
    return [line[start : start + longest] for start in range(0, len(line) or 1, longest)]


def _decode(line: bytes) -> str:
    return line.decode("utf-8", "replace")
