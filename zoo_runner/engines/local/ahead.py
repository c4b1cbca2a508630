"""Launchers that are started before their job is known: their imports take longer than all else in a short job.

Each runs one job or none, and has an empty environment until it gets the job.
"""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zoo_runner.engines.cwl_process.supervised import Supervised

# it ends at once: all it has to say is written, and taking cwltool apart takes as long as a short job
_LAUNCH = (
    "import json, os, sys; sys.path[:] = json.loads(sys.argv[1]);"
    " from zoo_runner.engines.cwl_process.postponed import postpone; postpone();"
    " from zoo_runner.engines.local.launcher import main; os._exit(main())"
)


class _Ahead:
    """The launchers of this process that nobody has taken, each with its Python."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._launchers: dict[Supervised, str] = {}

    def add(self, launcher: Supervised, python: str) -> None:
        with self._lock:
            self._launchers[launcher] = python

    def take(self, python: str) -> Supervised | None:
        with self._lock:
            fits = (one for one, its_python in self._launchers.items() if its_python == python and not one.ended)
            found = next(fits, None)
            if found:
                del self._launchers[found]
            return found

    def discard(self, launcher: Supervised) -> bool:
        with self._lock:
            return self._launchers.pop(launcher, None) is not None


_AHEAD = _Ahead()


@contextmanager
def launcher_ahead(python: str) -> Iterator[None]:
    """Start a launcher for the first job of the local engine within the block; it ends with the block if none comes."""
    launcher = start_launcher(python)
    _AHEAD.add(launcher, python)
    try:
        yield
    finally:
        if _AHEAD.discard(launcher):
            launcher.close()


def take_launcher(python: str) -> Supervised:
    """Return a launcher that was started ahead, or start one."""
    return _AHEAD.take(python) or start_launcher(python)


def start_launcher(python: str) -> Supervised:
    """Start a launcher under the supervisor; it waits for `hand_over`."""
    # the services folder of a platform, and entries for the current folder, must not shadow modules
    paths = [path for path in sys.path if path and Path(path).is_absolute()]
    command = [python, "-I", "-c", _LAUNCH, json.dumps(paths)]
    return Supervised(
        {"command": command, "env": {}, "cwd": "/", "cid_folder": None, "remover": [], "waits": True}, python
    )
