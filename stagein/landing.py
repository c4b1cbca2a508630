"""A file in the making: under a hidden name beside its target until it is whole."""

import ctypes
import errno
import hashlib
import itertools
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stagein.progress import Transfer
from stagein.sources import Chunk

# hidden names are this process's own
_RUN = secrets.token_hex(8)
_NUMBERS = itertools.count()


class Landing:
    """Where the bytes of one transfer land; `size_bytes` is how many are there. Its methods block.

    Threads may still be at work when the transfer is given up: the file is closed when the last one is out.
    """

    def __init__(self, transfer: Transfer) -> None:
        self.transfer = transfer
        self.size_bytes = 0
        self._target = os.fspath(transfer.target)
        # plain text: making a Path costs as much as moving a small file
        self._partial = f"{os.path.dirname(self._target)}/.{_RUN}-{next(_NUMBERS)}.part"  # noqa: PTH120
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._users = 0
        self._wanted = True

    def open(self) -> None:
        """Begin with an empty file."""
        with self._lock:
            if self._wanted:
                self._descriptor = os.open(self._partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)

    def reserve(self, size_bytes: int) -> None:
        """Have the disk set the space aside: writing is quicker then, and a full disk is told before a byte moves."""
        with self._use() as descriptor:
            _allocate(descriptor, size_bytes)

    def write(self, chunk: Chunk | bytearray, offset: int) -> None:
        """Put bytes to their place."""
        view = memoryview(chunk)
        with self._use() as descriptor:
            while view:
                written = os.pwrite(descriptor, view, offset)
                view, offset = view[written:], offset + written

    def digest(self, algorithm: str) -> str:
        """The hex digest of what is there."""
        digest, offset = hashlib.new(algorithm, usedforsecurity=False), 0
        with self._use() as descriptor:
            while self._wanted and (chunk := os.pread(descriptor, 1 << 20, offset)):
                digest.update(chunk)
                offset += len(chunk)
        return digest.hexdigest()

    def finish(self) -> None:
        """Give the file its name."""
        with self._lock:
            if self._wanted:
                os.replace(self._partial, self._target)  # noqa: PTH105
                self._give_up()

    def discard(self) -> None:
        """Take away what is there, if the file has not got its name."""
        with self._lock:
            if self._wanted and self._descriptor is not None:
                Path(self._partial).unlink(missing_ok=True)
            self._give_up()

    def _give_up(self) -> None:
        self._wanted = False
        if self._descriptor is not None and not self._users:
            os.close(self._descriptor)
            self._descriptor = None

    @contextmanager
    def _use(self) -> Iterator[int]:
        with self._lock:
            if self._descriptor is None or not self._wanted:
                raise OSError(errno.EBADF, "the transfer was given up")
            descriptor = self._descriptor
            self._users += 1
        try:
            yield descriptor
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._wanted:
                self._give_up()


def _allocate(descriptor: int, size_bytes: int) -> None:
    """fallocate(2) itself: `os.posix_fallocate` would write zeros where the file system cannot (NFS before 4.2)."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)
    if call is None:
        return
    call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    if call(descriptor, 0, 0, size_bytes) and ctypes.get_errno() in (errno.ENOSPC, errno.EDQUOT):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
