"""Starts programs as an ordinary user, also where root runs the tests: a service should not be root."""

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from shlex import quote

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
    shown = [*dict.fromkeys(path.resolve() for path in (folder, ROOT, *PYTHON))]
    hidden = dict.fromkeys(top for path in shown if (top := _find_closed(path)))
    show = [path for path in shown if any(path.is_relative_to(top) for top in hidden)]
    # the namespace begins as a copy that the kernel makes at once: mounts of others may come and go meanwhile
    words = [
        _find("unshare"),
        "--mount",
        "--propagation=private",
        "sh",
        "-euc",
        _write_script(hidden, show, folder),
        "sh",
    ]
    return [*words, _find("setpriv"), f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]


def _write_script(hidden: Iterable[Path], show: Iterable[Path], folder: Path) -> str:
    """Hide folders, and show others in them again, which are held open meanwhile: all but `folder` read-only."""
    held = {quote(str(path)): number for number, path in enumerate(show, 3)}
    lines = ["umask 022", *(f"exec {number}< {path}" for path, number in held.items())]
    lines += [f"mount -t tmpfs -o mode=0755 none {quote(str(path))}" for path in hidden]
    for path, number in held.items():
        lines += [f"mkdir -p {path}", f"mount --no-canonicalize --bind /proc/self/fd/{number} {path}"]
        lines += [] if path == quote(str(folder)) else [f"mount -o remount,bind,ro {path}"]
        lines.append(f"exec {number}<&-")
    # the folder that it is called in is still the one that was hidden
    return "\n".join([*lines, 'cd "$(pwd -P)"', 'exec "$@"'])


def _find_closed(path: Path) -> Path | None:
    """The first folder on the way to a path that others may not enter."""
    return next((parent for parent in reversed(path.parents) if not parent.stat().st_mode & 0o001), None)


def _find(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise FileNotFoundError(program)
    return found
