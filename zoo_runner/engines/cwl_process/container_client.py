"""Stands for podman or docker in an isolated launcher: `container_client.py SCRATCH WORD…` asks the supervisor.

A program of its own that needs the standard library only (see `container_programs`). It lends its streams, passes on a
request to end, and ends as the program did.
"""

import json
import os
import signal
import socket
import sys
from typing import Any

_SOCKET = "programs"


def main(scratch: str, *words: str) -> int:
    """Return the exit code; raises `OSError` where nobody answers."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        folder = os.open(scratch, os.O_PATH | os.O_DIRECTORY)
        connection.connect(f"/proc/self/fd/{folder}/{_SOCKET}")
        os.close(folder)

        def pass_on(*_: Any) -> None:
            connection.send(b"t")

        signal.signal(signal.SIGTERM, pass_on)
        socket.send_fds(connection, [b"x"], [0, 1, 2])
        connection.sendall(json.dumps(words).encode() + b"\n")
        return int(connection.makefile("rb").readline())


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
