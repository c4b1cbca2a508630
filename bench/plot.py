"""Plots of a few lines as SVG, readable in light and dark pages; no library draws them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 300, 240, 62, 44, 40
_COLOURS = ("#1f77b4", "#d9730d")


@dataclass(frozen=True)
class Line:
    """A line of a plot: its name, and its points."""

    name: str
    points: Sequence[tuple[float, float]]


def write_plot(path: Path, title: str, axis: str, panels: Sequence[tuple[str, Sequence[Line]]]) -> None:
    """Write panels beside each other, each with a unit and lines; all axes begin at 0, so that a slope is one."""
    width = _WIDTH * len(panels)
    drawn = "".join(_draw_panel(number * _WIDTH, axis, *panel) for number, panel in enumerate(panels))
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_HEIGHT}" width="{width}" height="{_HEIGHT}"'
        f' font-family="sans-serif" font-size="11" role="img"><title>{escape(title)}</title>'
        f'<rect width="{width}" height="{_HEIGHT}" fill="#ffffff"/>{drawn}</svg>\n'
    )


def _draw_panel(left: float, axis: str, unit: str, lines: Sequence[Line]) -> str:
    most_x = max(x for line in lines for x, _ in line.points) or 1.0
    most_y = _round_up(max(y for line in lines for _, y in line.points) or 1.0)
    begin, end, top, bottom = left + _LEFT, left + _WIDTH - 14, _TOP, _HEIGHT - _BOTTOM

    def place(x: float, y: float) -> str:
        return f"{begin + (end - begin) * x / most_x:.1f},{bottom - (bottom - top) * y / most_y:.1f}"

    parts = [f'<path d="M{begin},{top}V{bottom}H{end}" fill="none" stroke="#555555"/>']
    for part in (0.0, 0.5, 1.0):
        y = bottom - (bottom - top) * part
        parts.append(f'<path d="M{begin},{y:.1f}H{end}" stroke="#dddddd"/>')
        parts.append(_write(begin - 5, y + 4, f"{most_y * part:,.0f}", "end"))
    for x in sorted({x for line in lines for x, _ in line.points}):
        if x >= most_x / 6:
            parts.append(_write(begin + (end - begin) * x / most_x, bottom + 15, f"{x:,.0f}", "middle"))
    parts.append(_write((begin + end) / 2, bottom + 32, axis, "middle"))
    parts.append(_write(left + 10, 16, unit, "start", "#222222"))
    for number, line in enumerate(lines):
        colour = _COLOURS[number % len(_COLOURS)]
        points = " ".join(place(x, y) for x, y in line.points)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, y in line.points:
            at_x, at_y = place(x, y).split(",")
            parts.append(f'<circle cx="{at_x}" cy="{at_y}" r="3" fill="{colour}"/>')
        parts.append(_write(begin + 8 + 110 * number, 30, line.name, "start", colour))
    return "".join(parts)


def _round_up(number: float) -> float:
    step = 10 ** (len(f"{number:.0f}") - 1) / 2
    return float(step * -(-number // step))


def _write(x: float, y: float, text: str, anchor: str, colour: str = "#444444") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
