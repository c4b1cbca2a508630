"""Starts programs as an ordinary user, also where root runs the tests: a service should not be root."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.values import ROOT

USER = 65534
"""The user `nobody`, where root runs the tests."""
PYTHON = (Path(sys.prefix), Path(sys.base_prefix))
"""The folders that an interpreter of these tests needs."""


def name_user() -> int:
    """The user as whom the programs run."""
    return os.geteuid() or USER


def as_ordinary_user(folder: Path) -> list[str]:
    """The words that go before a command; `folder` becomes the user's own.

    Others may not enter the home of root, where the interpreter or this tree may be: in a mount namespace of its own,
    the command sees of such folders what it needs. Raises `FileNotFoundError` where a program for this is missing.
    """
    if os.geteuid():
        return []
    for path in (folder, *folder.rglob("*")):
        os.chown(path, USER, USER)
    needed = [*dict.fromkeys(path.resolve() for path in (ROOT, *PYTHON))]
    hidden = dict.fromkeys(top for path in (folder, *needed) if (top := _find_closed(path)))
    words = [_find("bwrap"), "--dev-bind", "/", "/"]
    for path in hidden:
        words += ["--tmpfs", str(path)]
    for path in (*needed, folder):
        words += _show(path, hidden, "--bind" if path == folder else "--ro-bind")
    return [*words, "--", _find("setpriv"), f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]


def _show(path: Path, hidden: Iterable[Path], how: str) -> Iterator[str]:
    """Show a folder again that is hidden: everybody may enter what is above it."""
    top = next((top for top in hidden if path.is_relative_to(top)), None)
    if top is None:
        return
    for parent in reversed(path.parents):
        if parent != top and parent.is_relative_to(top):
            yield from ("--perms", "0755", "--dir", str(parent))
    yield from (how, str(path), str(path))


def _find_closed(path: Path) -> Path | None:
    """The first folder on the way to a path that others may not enter."""
    return next((parent for parent in reversed(path.parents) if not parent.stat().st_mode & 0o001), None)


def _find(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise FileNotFoundError(program)
    return found
