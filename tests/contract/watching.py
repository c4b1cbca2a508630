"""Watches what this process does to the world: files changed, addresses asked, programs started.

Python's audit hooks (PEP 578) see every such call of every thread; a hook cannot be removed, so there is one for the
whole run, which looks away when nobody watches.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# event: positions of the paths that it changes
CHANGES: Mapping[str, tuple[int, ...]] = {
    "os.chmod": (0,),
    "os.chown": (0,),
    "os.link": (1,),
    "os.mkdir": (0,),
    "os.remove": (0,),
    "os.rename": (0, 1),
    "os.rmdir": (0,),
    "os.symlink": (1,),
    "os.truncate": (0,),
    "os.utime": (0,),
}
STARTS = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork"})


@dataclass
class Seen:
    """What was seen: changed paths outside the allowed folders, addresses asked, programs started."""

    folder: Path
    changed: list[str] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    started: list[str] = field(default_factory=list)

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take note of one audit event."""
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING:
            self._change(arguments[0])
        elif event in CHANGES:
            for position in CHANGES[event]:
                self._change(arguments[position])
        elif event == "socket.connect":
            self.asked.add(str(arguments[1][0] if isinstance(arguments[1], tuple) else arguments[1]))
        elif event in STARTS:
            self.started.append(f"{event} {arguments[0]}")

    def _change(self, path: Any) -> None:
        if isinstance(path, int):
            return  # an open file, whose opening was noted
        # decided on text alone: to look at the disk would raise audit events again
        plain = os.path.normpath(os.path.join(os.getcwd(), os.fsdecode(path)))  # noqa: PTH109, PTH118
        inside = plain == str(self.folder) or plain.startswith(f"{self.folder}/")
        if not inside and "__pycache__" not in plain and plain != os.devnull:
            self.changed.append(plain)


_watchers: list[Seen] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    for watcher in _watchers:
        watcher.note(event, arguments)


sys.addaudithook(_hook)


@contextmanager
def watching(folder: Path) -> Iterator[Seen]:
    """Watch what happens in the block; changes inside `folder` are fine."""
    seen = Seen(folder)
    _watchers.append(seen)
    try:
        yield seen
    finally:
        _watchers.remove(seen)
