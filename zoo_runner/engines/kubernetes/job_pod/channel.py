"""The connection between the two containers of a job pod: lines of JSON in both directions, on a Unix socket.

Its folder is a volume of the pod that no step mounts. One side offers the socket, to a single peer; the other waits
for it. The peer also receives a pipe that takes what it prints.
"""

import contextlib
import ctypes
import json
import os
import select
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

JOIN_SECONDS = 120.0
"""How long one container waits for the other."""
_NAME = "job"
_IN_MOVED_TO = 0x80
# a step may name tens of thousands of files, and so may an output object
_LONGEST_MESSAGE_BYTES = 64 << 20


class Channel:
    """One end of the connection; threads may share it."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket, self._lock = connection, threading.Lock()

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message; raises `OSError` if the other side has gone."""
        with self._lock:
            self._socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> Iterator[dict[str, Any]]:
        """Yield messages until either side closes the connection; raises `ValueError` for what is no message."""
        with self._socket.makefile("rb") as stream:
            while line := _read_line(stream):
                try:
                    message = json.loads(line)
                except RecursionError as error:
                    raise ValueError("a message is nested too deeply") from error
                if not isinstance(message, dict):
                    raise ValueError(f"expected an object, got {type(message).__name__}")  # noqa: TRY004 as for bad JSON
                yield message

    def close(self) -> None:
        """End the connection, for whoever reads from it too; may be called in a signal handler."""
        _shut_down(self._socket)


def _read_line(stream: Any) -> bytes:
    try:
        line: bytes = stream.readline(_LONGEST_MESSAGE_BYTES + 1)
    except OSError:  # reset by the other side
        return b""
    if len(line) > _LONGEST_MESSAGE_BYTES:
        raise ValueError(f"a message has more than {_LONGEST_MESSAGE_BYTES >> 20} MiB")
    return line if line.endswith(b"\n") else b""


def _shut_down(connection: socket.socket) -> None:
    """Close a socket, and wake whoever waits for it in another thread."""
    with contextlib.suppress(OSError):  # it is not connected any more
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


class Offer:
    """The socket that one peer may join."""

    def __init__(self, folder: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        new = folder / f".{_NAME}"
        try:
            self._socket.bind(str(new))
            self._socket.listen(1)
            # whoever waits for it can connect at once
            new.rename(folder / _NAME)
        except OSError:
            self._socket.close()
            raise

    def accept(self, printed: int) -> Channel:
        """Wait for the peer and hand it the pipe `printed`; raises `OSError` if none comes, or after `close`."""
        self._socket.settimeout(JOIN_SECONDS)
        with self._socket:
            peer, _ = self._socket.accept()
        socket.send_fds(peer, [b"\n"], [printed])
        return Channel(peer)

    def close(self) -> None:
        """Wait for nobody any more; may be called in a signal handler."""
        _shut_down(self._socket)


def join(folder: Path, seconds: float | None = JOIN_SECONDS) -> tuple[Channel, int]:
    """Wait for the socket, None: as long as it takes, and connect; return the connection and the pipe.

    Raises `TimeoutError`.
    """
    _wait_for(folder / _NAME, seconds)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(folder / _NAME))
        _, (printed,), _, _ = socket.recv_fds(connection, 1, 1)
    except OSError:
        connection.close()
        raise
    return Channel(connection), printed


def _wait_for(path: Path, seconds: float | None) -> None:
    """Wait for a file that is moved to its place (inotify(7))."""
    libc = ctypes.CDLL(None)
    changes = libc.inotify_init1(os.O_CLOEXEC)
    try:
        libc.inotify_add_watch(changes, os.fsencode(path.parent), _IN_MOVED_TO)
        deadline = None if seconds is None else time.monotonic() + seconds
        while not path.exists():
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([changes], [], [], left)[0]:
                raise TimeoutError(f"nobody offered {path} for {seconds:g} s")
            os.read(changes, 4096)
    finally:
        os.close(changes)
