"""What the program of a step prints, read by another container of its pod while it runs.

The files lie in a folder that the program may write to, so that nothing else than regular files is read, and no link is
followed. inotify(7) reports their changes, because the containers of a pod share one kernel.
"""

import ctypes
import os
import select
from collections.abc import Iterator, Sequence
from pathlib import Path

from zoo_runner.engines.argo.native.slots import Slot
from zoo_runner.files import read_unlinked
from zoo_runner.lines import LONGEST_LINE, iterate_lines

_CHANGES = 0x2 | 0x8 | 0x80 | 0x100  # IN_MODIFY, IN_CLOSE_WRITE, IN_MOVED_TO, IN_CREATE
_CHUNK_BYTES = 1 << 20
# where a file system reports no changes, the files are looked at nevertheless
_LONGEST_WAIT_SECONDS = 5.0
# where there is no instance of inotify left
_PAUSE_SECONDS = 0.5


class Printed:
    """What a program prints until it has ended; `most_bytes` of it are read."""

    def __init__(self, slot: Slot, most_bytes: int) -> None:
        self._slot, self._left_bytes = slot, most_bytes
        self._place = 0
        self._libc = ctypes.CDLL(None)

    def read(self) -> Iterator[Sequence[str]]:
        """Yield the lines as they come, until the program has ended."""
        changes = self._watch()
        try:
            yield from iterate_lines(lambda: self._read_some(changes), LONGEST_LINE)
        finally:
            if changes is not None:
                os.close(changes)

    def _watch(self) -> int | None:
        """Watch the folder; None where the kernel gives no instance (`fs.inotify.max_user_instances`)."""
        changes: int = self._libc.inotify_init1(os.O_CLOEXEC)
        if changes < 0:
            return None
        self._libc.inotify_add_watch(changes, os.fsencode(self._slot.private), _CHANGES)
        return changes

    def _read_some(self, changes: int | None) -> bytes:
        while True:
            ended = read_exit_code(self._slot) is not None
            content = self._read_more()
            if content or ended:
                return content
            _wait_for_change(changes)

    def _read_more(self) -> bytes:
        """Read what is new; nothing where it is too much, or the program has put something else in its place."""
        try:
            descriptor = os.open(self._slot.log, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return b""
        with os.fdopen(descriptor, "rb") as file:
            if not _is_regular(descriptor):
                return b""
            file.seek(self._place)
            content = file.read(min(_CHUNK_BYTES, self._left_bytes))
        self._place += len(content)
        self._left_bytes -= len(content)
        return content


def _wait_for_change(changes: int | None) -> None:
    if changes is None:
        select.select([], [], [], _PAUSE_SECONDS)
    elif select.select([changes], [], [], _LONGEST_WAIT_SECONDS)[0]:
        os.read(changes, 1 << 16)


def _is_regular(descriptor: int) -> bool:
    return Path(f"/proc/self/fd/{descriptor}").is_file()


def read_exit_code(slot: Slot) -> int | None:
    """Read the exit code of the program; None where it has not ended."""
    try:
        text = read_unlinked(slot.exit_code).decode()
        return int(text.removesuffix(".\n")) if text.endswith(".\n") else None
    except (OSError, ValueError):
        return None
