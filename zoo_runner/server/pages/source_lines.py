"""The documents of a deployment with what was found in them: each finding beside its line, a part of a long text."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from zoo_runner.server.documents import PreflightProblem

LONGEST_BYTES = 4 << 20
"""What is read of a document to be shown."""
_WHOLE_LINES, _AROUND = 200, 4
_MOST_DOCUMENTS, _MOST_LINES, _MOST_FINDINGS, _LONGEST_LINE = 5, 600, 200, 400

ReadText = Callable[[str], str | None]
"""Gives the text of a document by its name; None where it cannot be shown."""


@dataclass(frozen=True)
class SourceLine:
    """A line, cut where it is very long, and what was found in it; `skipped` lines before it are not shown."""

    number: int
    text: str
    findings: tuple[PreflightProblem, ...] = ()
    skipped: int = 0


@dataclass(frozen=True)
class Source:
    """A document, as far as it is shown; `left` lines after the last one are not."""

    name: str
    lines: tuple[SourceLine, ...]
    left: int = 0

    @property
    def marked(self) -> tuple[int, ...]:
        """The numbers of the lines in which something was found."""
        return tuple(line.number for line in self.lines if line.findings)


@dataclass(frozen=True)
class Findings:
    """What was found: in `sources` beside its line, the rest without one; `left` more is not shown."""

    sources: tuple[Source, ...] = ()
    rest: tuple[PreflightProblem, ...] = ()
    left: int = 0


def place_findings(problems: Sequence[PreflightProblem], read: ReadText) -> Findings:
    """Put findings beside their lines, errors first where there are too many; the order is that of the documents."""
    ordered = sorted(problems, key=lambda one: one["level"] != "error")
    shown, left = ordered[:_MOST_FINDINGS], len(ordered[_MOST_FINDINGS:])
    names = list(dict.fromkeys(one["document"] for one in shown if "line" in one))[:_MOST_DOCUMENTS]
    sources: list[Source] = []
    placed: list[PreflightProblem] = []
    room = _MOST_LINES
    for name in names:
        text = read(name)
        own = [one for one in shown if one.get("document") == name and "line" in one]
        source = build_source(name, text, own, room) if text is not None else None
        if source is not None:
            sources.append(source)
            placed += [finding for line in source.lines for finding in line.findings]
            room -= len(source.lines)
    rest = tuple(one for one in shown if not any(one is other for other in placed))
    return Findings(tuple(sources), rest, left)


def build_source(name: str, text: str, problems: Iterable[PreflightProblem], room: int) -> Source | None:
    """Choose the lines of a text to show, at most `room`; None where none of the findings lies in it."""
    # the lines of YAML and of JSON, which the numbers of findings count
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    found: dict[int, list[PreflightProblem]] = {}
    for one in problems:
        if 0 < one["line"] <= len(lines):
            found.setdefault(one["line"], []).append(one)
    chosen = _choose(len(lines), list(found), room)
    if not any(number in found for number in chosen):
        return None
    shown, before = list[SourceLine](), 0
    for number in chosen:
        line = SourceLine(number, _cut(lines[number - 1]), tuple(found.get(number, ())), number - before - 1)
        shown.append(line)
        before = number
    return Source(name, tuple(shown), len(lines) - before)


def _choose(count: int, marked: Sequence[int], room: int) -> list[int]:
    """Choose lines: all of a short text; else those around the marked ones, as long as there is room."""
    if count <= min(_WHOLE_LINES, room):
        return list(range(1, count + 1))
    chosen: set[int] = set()
    for number in marked:
        wider = chosen.union(range(max(number - _AROUND, 1), min(number + _AROUND, count) + 1))
        if len(wider) > room:
            break
        chosen = wider
    return sorted(chosen)


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}…"
