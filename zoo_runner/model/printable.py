"""Text of others as a log or a terminal may show it; pure."""

import re

TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?")
"""Colours and cursor movements of terminals (ECMA-48)."""

# what would not stay on its line, or turns the order of what follows (Unicode Standard Annex 9, explicit directions)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_ODD = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
# those of ASCII among them
_ODD_BYTES = bytes({*range(0x20), 0x7F} - set(b"\t\n"))


def has_odd_characters(text: str) -> bool:
    """Whether a text of several lines has anything that `make_one_line` would change in one of them."""
    if text.isascii():
        # a fifth of the time of the pattern
        content = text.encode()
        return len(content.translate(None, _ODD_BYTES)) < len(content)
    return _ODD.search(text) is not None


def make_one_line(text: str) -> str:
    """Keep a text from forging lines, and from controlling the terminal of its reader."""
    return _CONTROL.sub(" ", TERMINAL.sub("", text))


def make_lines(text: str) -> str:
    """The same for a text of several lines, which stay."""
    return "\n".join(map(make_one_line, text.split("\n")))
