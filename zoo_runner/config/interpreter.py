"""Find the Python for child programs: inside another program `sys.executable` may be that program, or empty."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from zoo_runner.config.settings import Settings
from zoo_runner.model.errors import SettingsError

_PYTHON = re.compile(r"python(\d+(\.\d+)?)?$")


def find_python(settings: Settings) -> str:
    """Return the path of a Python that has the packages of this one.

    First the setting ZOO_RUNNER_PYTHON, then those in `sys`, then the installation's own; inside another program those
    in `sys` come last. Raises `SettingsError`.
    """
    if settings.python:
        if _runs(settings.python):
            return settings.python
        raise SettingsError(
            f"ZOO_RUNNER_PYTHON={settings.python!r} is not an executable file",
            "Set it to the absolute path of a Python, or unset it.",
            code="settings.interpreter",
        )
    for candidate in _candidates():
        if candidate and _PYTHON.search(candidate) and _runs(candidate):
            return candidate
    raise SettingsError(
        f"no Python interpreter was found (sys.executable is {sys.executable!r}, sys.prefix {sys.prefix!r})",
        "Set ZOO_RUNNER_PYTHON to the absolute path of a Python that has the same packages.",
        code="settings.interpreter",
    )


def _candidates() -> Iterator[str]:
    named = (sys.executable, getattr(sys, "_base_executable", ""))
    # inside another program these are the first `python3` of PATH, which may be of another version
    if _is_running(sys.executable):
        yield from named
        yield from _list_installed()
    else:
        yield from _list_installed()
        yield from named


def _is_running(path: str | None) -> bool:
    """Whether this process runs that program."""
    try:
        return Path(path or "/").samefile("/proc/self/exe")
    except OSError:
        return False


def _list_installed() -> Iterator[str]:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for prefix in (sys.prefix, sys.base_prefix):
        for name in (f"python{version}", "python3"):
            yield str(Path(prefix) / "bin" / name)


def _runs(path: str) -> bool:
    return Path(path).is_absolute() and Path(path).is_file() and os.access(path, os.X_OK)
