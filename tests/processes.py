"""Finds processes of this machine."""

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
