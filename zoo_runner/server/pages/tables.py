"""Tables and charts of the begin of CSV files; pure."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from io import StringIO

_MOST_ROWS, _MOST_COLUMNS, _MOST_LINES, _LEAST_POINTS = 50, 20, 6, 3
_LONGEST_CELL, _LONGEST_HEAD = 200, 4096
_DELIMITERS = ",;\t|"
WIDTH, HEIGHT = 800, 260
"""How wide and high a chart is, in its own units."""


@dataclass(frozen=True)
class Table:
    """The first rows of a table; `is_cut`: it has more."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    is_cut: bool


@dataclass(frozen=True)
class Line:
    """A column as a line: its points, as SVG has them, and the least and the largest value."""

    name: str
    points: str
    least: str
    most: str


@dataclass(frozen=True)
class Chart:
    """Columns of numbers over the first column, each on a scale from its least to its largest value."""

    axis: str
    start: str
    end: str
    lines: tuple[Line, ...]


def read_rows(text: str, *, is_cut: bool) -> list[list[str]]:
    """Read the rows of a CSV file, or of its begin, whose last line is left out then; empty where it is none."""
    if is_cut:
        text = text[: text.rfind("\n") + 1]
    # csv.Sniffer takes time by the fourth power of a row of quotes
    first = text[:_LONGEST_HEAD].lstrip().partition("\n")[0]
    try:
        rows = [row for row in csv.reader(StringIO(text), delimiter=max(_DELIMITERS, key=first.count)) if row]
    except csv.Error:
        return []
    return [row[:_MOST_COLUMNS] for row in rows]


def build_table(rows: Sequence[Sequence[str]], *, is_cut: bool) -> Table | None:
    """Build the table of rows, the first of which is its head; None for a single column or row."""
    if len(rows) < 2 or len(rows[0]) < 2:
        return None
    cut = [tuple(cell[:_LONGEST_CELL] for cell in row) for row in rows]
    width = len(cut[0])
    shown = tuple((*row, *("",) * (width - len(row)))[:width] for row in cut[1 : _MOST_ROWS + 1])
    return Table(cut[0], shown, is_cut or len(cut) > _MOST_ROWS + 1)


def build_chart(rows: Sequence[Sequence[str]]) -> Chart | None:
    """Build the chart of rows whose first column are numbers or times in their order; None for any other table."""
    if len(rows) <= _LEAST_POINTS or len(rows[0]) < 2:
        return None
    body = [row for row in rows[1:] if len(row) == len(rows[0])]
    places = [_read_place(row[0]) for row in body]
    known = [place for place in places if place is not None]
    if len(known) < _LEAST_POINTS or len(known) != len(body) or known != sorted(known) or known[0] == known[-1]:
        return None
    lines = (
        _build_line(name, known, [_read_number(row[one]) for row in body]) for one, name in enumerate(rows[0]) if one
    )
    drawn = tuple(line for line in lines if line)[:_MOST_LINES]
    return Chart(rows[0][0][:_LONGEST_CELL], body[0][0], body[-1][0], drawn) if drawn else None


def _build_line(name: str, places: Sequence[float], values: Sequence[float | None]) -> Line | None:
    found = [(place, value) for place, value in zip(places, values, strict=True) if value is not None]
    if len(found) < _LEAST_POINTS:
        return None
    least, most = min(value for _, value in found), max(value for _, value in found)
    span, start, length = most - least or 1.0, places[0], places[-1] - places[0]
    points = " ".join(
        f"{WIDTH * (place - start) / length:.1f},{HEIGHT - HEIGHT * (value - least) / span:.1f}"
        for place, value in found
    )
    return Line(name[:_LONGEST_CELL], points, f"{least:g}", f"{most:g}")


def _read_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _read_place(text: str) -> float | None:
    number = _read_number(text)
    if number is not None:
        return number
    try:
        time = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp()
