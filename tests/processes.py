"""Finds processes of this machine."""

import secrets
from contextlib import suppress
from pathlib import Path


def find_in_folder(name: str, word: bytes) -> list[int]:
    """Processes of this machine with a word in their command line whose folder has this name."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if word in (path / "cmdline").read_bytes() and (path / "cwd").readlink().name == name:
                found.append(int(path.name))
    return found


def find_by_argument(argument: str) -> list[int]:
    """Processes of this machine that have an argument."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if argument.encode() in (path / "cmdline").read_bytes().split(b"\0"):
                found.append(int(path.name))
    return found


def find_by_text(text: str) -> list[str]:
    """Command lines of this machine that hold a text."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            lines.append(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
    return [line for line in lines if text in line]


def choose_seconds() -> int:
    """Choose how long a process sleeps so that it can be found: no other of this machine has this number."""
    return 10**8 + secrets.randbelow(10**8)
