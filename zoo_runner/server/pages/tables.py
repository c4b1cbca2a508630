"""Tables and charts of the begin of CSV files; pure."""

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from io import StringIO

_MOST_ROWS, _MOST_COLUMNS, _MOST_LINES, _LEAST_POINTS = 50, 20, 6, 3
_LONGEST_CELL, _LONGEST_HEAD = 200, 4096
_NO_COLUMN = -2
_COLUMN = re.compile(r"-1|\d{1,2}", re.ASCII)
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
class Axes:
    """Which columns are drawn, by their numbers: `x` the place of each point (None: not said), `ys` the lines."""

    x: int | None = None
    ys: tuple[int, ...] = ()


BY_ROW = -1
"""In place of a column: a point lies where its row does."""


@dataclass(frozen=True)
class Line:
    """A column as a line: its parts between values that are missing, as SVG has points, and least and largest value."""

    name: str
    parts: tuple[str, ...]
    least: str
    most: str


@dataclass(frozen=True)
class Column:
    """A column that can be drawn: its number and name, and whether it is the axis or a line now."""

    number: int
    name: str
    is_chosen: bool


@dataclass(frozen=True)
class Chart:
    """Columns of numbers over another column, each on a scale from its least to its largest value.

    Without `lines` nothing of it is drawn: `axes` and `columns` are those that can be chosen. `missing` is the number
    of rows that have no place on the axis.
    """

    axis: str
    start: str
    end: str
    lines: tuple[Line, ...]
    axes: tuple[Column, ...] = ()
    columns: tuple[Column, ...] = ()
    missing: int = 0


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


def build_chart(rows: Sequence[Sequence[str]], asked: Axes = Axes()) -> Chart | None:
    """Build the chart of rows, the first of which is their head; None where no column has numbers.

    Where nothing is asked for, the axis is the first column of dates or times, else the first column if its numbers are
    in order, and the others are lines. A column is an axis in any order: its points are sorted.
    """
    if len(rows) <= _LEAST_POINTS or len(rows[0]) < 2:
        return None
    head, body = rows[0], rows[1:]
    columns = [[row[number] if number < len(row) else "" for row in body] for number in range(len(head))]
    places = {number: [_read_place(cell) for cell in column] for number, column in enumerate(columns)}
    values = {number: [_read_number(cell) for cell in column] for number, column in enumerate(columns)}
    axes = [number for number, column in places.items() if _has_points(column)]
    drawable = [number for number, column in values.items() if _has_points(column)]
    if not drawable:
        return None
    dates = (number for number in axes if number not in drawable and all(map(_is_date_or_empty, columns[number])))
    x = _choose_axis(places, asked, axes, next(dates, None))
    wanted = [y for y in dict.fromkeys(asked.ys) if y in drawable] or [y for y in drawable if y != x]
    place = list(map(float, range(1, len(body) + 1))) if x == BY_ROW else places.get(x, [])
    order = sorted((at, row) for row, at in enumerate(place) if at is not None)
    lines = [_build_line(_cut(head[y]), order, values[y]) for y in wanted[:_MOST_LINES]] if order else []
    drawn = {y for y, line in zip(wanted, lines, strict=False) if line}
    first, last = (_name_end(columns, x, row) for row in (order[0][1], order[-1][1])) if order else ("", "")
    return Chart(
        "Row" if x == BY_ROW else _cut(head[x]) if order else "",
        first,
        last,
        tuple(line for line in lines if line),
        (*(Column(number, _cut(head[number]), number == x) for number in axes), Column(BY_ROW, "Row", x == BY_ROW)),
        tuple(Column(number, _cut(head[number]), number in drawn) for number in drawable),
        len(place) - len(order),
    )


def _choose_axis(
    places: Mapping[int, Sequence[float | None]], asked: Axes, axes: Sequence[int], dates: int | None
) -> int:
    """Choose the column of the axis; one that there is not, where nothing is drawn unless it is asked for."""
    if asked.x is not None and asked.x in (BY_ROW, *axes):
        return asked.x
    if dates is not None:
        return dates
    if 0 in axes and _is_in_order(places[0]):
        return 0
    return BY_ROW if asked.ys else _NO_COLUMN


def _is_date_or_empty(cell: str) -> bool:
    return not cell.strip() or _read_place(cell) is not None


def _name_end(columns: Sequence[Sequence[str]], x: int, row: int) -> str:
    return str(row + 1) if x == BY_ROW else columns[x][row][:_LONGEST_CELL]


def _is_in_order(column: Sequence[float | None]) -> bool:
    known = [place for place in column if place is not None]
    return known == sorted(known) and known[0] != known[-1]


def _has_points(column: Sequence[float | None]) -> bool:
    return sum(one is not None for one in column) >= _LEAST_POINTS


def _build_line(name: str, order: Sequence[tuple[float, int]], values: Sequence[float | None]) -> Line | None:
    found = [value for _, row in order if (value := values[row]) is not None]
    if len(found) < _LEAST_POINTS:
        return None
    least, most = min(found), max(found)
    span, start, length = most - least or 1.0, order[0][0], (order[-1][0] - order[0][0]) or 1.0
    parts: list[list[str]] = [[]]
    for place, row in order:
        value = values[row]
        if value is None:
            parts.append([])
            continue
        x, y = WIDTH * (place - start) / length, HEIGHT - HEIGHT * (value - least) / span
        parts[-1].append(f"{x:.1f},{y:.1f}")
    # a line of one point is a dot
    drawn = tuple(" ".join(part if len(part) > 1 else part * 2) for part in parts if part)
    return Line(name, drawn, f"{least:g}", f"{most:g}")


def read_axes(query: Sequence[tuple[str, str]]) -> tuple[str, Axes]:
    """Read from parameters of a page which file's chart is asked for, and its columns; what is no number is not."""
    asked = dict(query)
    numbers = [(name, int(value)) for name, value in query if name in ("x", "y") and _COLUMN.fullmatch(value)]
    x = next((number for name, number in numbers if name == "x"), None)
    return asked.get("chart", ""), Axes(x, tuple(number for name, number in numbers if name == "y"))


def _cut(text: str) -> str:
    return text[:_LONGEST_CELL]


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
