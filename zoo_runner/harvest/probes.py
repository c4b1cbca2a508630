"""Files by which a platform sees whether a command that follows messages goes on, and is connected."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

BEAT_SECONDS = 5.0
"""How often the files are renewed while nothing happens."""
_ALIVE, _READY = "alive", "ready"


class Probes:
    """Files in a folder: `alive`, whose time is that of the last step, and `ready`, there while messages are received.

    Without a folder there are none.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._is_connected: Callable[[], bool] = bool
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
        self.beat()

    def watch(self, is_connected: Callable[[], bool]) -> None:
        """Ask this from now on whether messages are received."""
        self._is_connected = is_connected
        self.beat()

    @property
    def is_connected(self) -> bool:
        """Whether messages are received."""
        return self._is_connected()

    def leave(self) -> None:
        """Show that no messages are received until something else is watched."""
        self.watch(bool)

    def beat(self) -> None:
        """Show that there was a step, and what is so now."""
        if self._folder is None:
            return
        # a full disk is no reason to stop
        with suppress(OSError):
            (self._folder / _ALIVE).touch()
            if self._is_connected():
                (self._folder / _READY).touch()
            else:
                (self._folder / _READY).unlink(missing_ok=True)
