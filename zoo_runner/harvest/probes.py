"""Files by which a platform sees whether a command that follows messages goes on, and is connected."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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

    @contextmanager
    def watching(self, is_connected: Callable[[], bool]) -> Iterator[None]:
        """Ask this while the block runs whether messages are received; then again what was asked before."""
        former = self._is_connected
        self._watch(is_connected)
        try:
            yield
        finally:
            self._watch(former)

    def _watch(self, is_connected: Callable[[], bool]) -> None:
        self._is_connected = is_connected
        self.beat()

    @property
    def is_connected(self) -> bool:
        """Whether messages are received."""
        return self._is_connected()

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
