"""Colours that programs print for terminals (ECMA-48, section 8.3.117: SGR), taken out of a line of text; pure.

A log is plain text. What is taken out of it becomes a few runs of characters with a style that a page has classes for:
hues instead of colours, so that each can be read in light and dark. What would hide text (concealed characters, ink
in the colour of its ground) has no effect.
"""

import colorsys
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from zoo_runner.model.printable import TERMINAL, make_one_line

HUES = ("", "grey", "red", "green", "yellow", "blue", "magenta", "cyan")
MARKS = ("bold", "italic", "underlined", "struck")
MOST_RUNS = 100
"""Of a line with more runs, the rest has no colours."""

_SGR = re.compile(r"\x1b\[([0-9;:]{0,60})m")
_GREY = 1
# black and white are the colours of text and page
_BASIC = (0, 2, 3, 4, 5, 6, 7, 0)
_BRIGHT = (_GREY, *_BASIC[1:])
_LEVELS = (0, 95, 135, 175, 215, 255)
# marks that change the colours, and are not shown themselves
_FAINT, _TURNED, _SHOWN = 16, 32, 15
_EFFECTS: dict[int, tuple[str, int]] = {
    **{30 + number: ("hue", hue) for number, hue in enumerate(_BASIC)},
    **{90 + number: ("hue", hue) for number, hue in enumerate(_BRIGHT)},
    **{40 + number: ("ground", hue or _GREY) for number, hue in enumerate(_BASIC)},
    **{100 + number: ("ground", hue or _GREY) for number, hue in enumerate(_BRIGHT)},
    **{39: ("hue", 0), 49: ("ground", 0)},
    **{1: ("on", 1), 3: ("on", 2), 4: ("on", 4), 9: ("on", 8), 2: ("on", _FAINT), 7: ("on", _TURNED)},
    **{22: ("off", 1 | _FAINT), 23: ("off", 2), 24: ("off", 4), 29: ("off", 8), 27: ("off", _TURNED)},
}
# where on the circle of hues each begins, in degrees
_CIRCLE = ((330, 2), (260, 6), (195, 5), (165, 7), (70, 3), (20, 4), (0, 2))


@dataclass(frozen=True, slots=True)
class Style:
    """How characters look: `hue` and `ground` are numbers of `HUES`, `marks` bits of `MARKS`."""

    hue: int = 0
    ground: int = 0
    marks: int = 0

    def list_classes(self) -> str:
        """List the classes of a page that show this."""
        # on a ground, text has the one colour that can be read there
        ink = f"ground-{HUES[self.ground]}" if self.ground else f"ink-{HUES[self.hue]}" if self.hue else ""
        marks = (name for number, name in enumerate(MARKS) if self.marks & 1 << number)
        return " ".join(filter(None, (ink, *marks)))

    def encode(self) -> int:
        """Write the style as a number below 1024."""
        return self.hue | self.ground << 3 | self.marks << 6

    @classmethod
    def decode(cls, number: int) -> "Style":
        """Read the style of a number."""
        return cls(number & 7, number >> 3 & 7, number >> 6 & 15)


@dataclass(frozen=True, slots=True)
class Run:
    """The characters of a line from `begin` to before `end`, and how they look."""

    begin: int
    end: int
    style: Style


class ColouredLine(str):
    """A line of plain text that remembers which of its characters had colours."""

    __slots__ = ("runs",)
    runs: tuple[Run, ...]


PLAIN = Style()


def make_coloured_line(text: str) -> str:
    """Do what `make_one_line` does, and keep the colours, where the line has any. They end with the line."""
    parts, runs, length = [], list[Run](), 0
    for part, style in _split(text):
        clean = make_one_line(part)
        if clean and style != PLAIN and len(runs) < MOST_RUNS:
            runs.append(Run(length, length + len(clean), style))
        parts.append(clean)
        length += len(clean)
    line = "".join(parts)
    if not runs:
        return line
    coloured = ColouredLine(line)
    coloured.runs = tuple(runs)
    return coloured


def _split(text: str) -> Iterator[tuple[str, Style]]:
    """Split a line at its control sequences into parts, each with its style."""
    state, begin = PLAIN, 0
    for found in TERMINAL.finditer(text):
        yield text[begin : found.start()], _finish(state)
        begin = found.end()
        if sgr := _SGR.fullmatch(found[0]):
            # without the colour space, which is never given
            rest = iter([int(word or 0) for word in re.split("[;:]", sgr[1].replace("::", ":"))])
            for code in rest:
                state = _change(state, code, rest)
    yield text[begin:], _finish(state)


def _finish(state: Style) -> Style:
    """Return the style that a page shows of all that is switched on."""
    hue, ground = state.hue or (_GREY if state.marks & _FAINT else 0), state.ground
    if state.marks & _TURNED:
        hue, ground = ground, hue or _GREY
    return Style(hue, ground, state.marks & _SHOWN)


def _change(state: Style, code: int, rest: Iterator[int]) -> Style:
    if code == 0:
        return PLAIN
    if code == 38:
        return replace(state, hue=_read_colour(rest))
    if code == 48:
        return replace(state, ground=_read_colour(rest) or _GREY)
    what, value = _EFFECTS.get(code, ("on", 0))
    if what in ("on", "off"):
        return replace(state, marks=state.marks | value if what == "on" else state.marks & ~value)
    return replace(state, hue=value) if what == "hue" else replace(state, ground=value)


def _read_colour(rest: Iterator[int]) -> int:
    """Read which hue the colour has that follows, by its number (5) or by red, green and blue (2)."""
    kind = next(rest, 0)
    if kind == 5:
        return _find_hue_of_number(next(rest, 0))
    if kind == 2:
        return _find_hue(*(next(rest, 0) for _ in range(3)))
    for _ in rest:
        # nobody knows how long a colour of another kind is
        pass
    return 0


def _find_hue_of_number(number: int) -> int:
    if number < 16:
        return (*_BASIC, *_BRIGHT)[number]
    if number < 232:
        red, rest = divmod(number - 16, 36)
        return _find_hue(*(_LEVELS[level] for level in (red, *divmod(rest, 6))))
    return _find_hue(*[8 + 10 * (number - 232)] * 3)


def _find_hue(red: int, green: int, blue: int) -> int:
    angle, saturation, value = colorsys.rgb_to_hsv(*(min(one, 255) / 255 for one in (red, green, blue)))
    if saturation < 0.25 or value < 0.2:
        return _GREY if 0.25 < value < 0.75 else 0
    return next(hue for begin, hue in _CIRCLE if angle * 360 >= begin)
