"""Has the supervisor run a step for a launcher, and stands for it: `step_client.py SCRATCH KIND WORD…`.

A program of its own that needs the standard library only (see `step_server`). `KIND WORD…` is `container` with the
words for podman or docker, or `sandbox FILE` with the command of the step; `FILE` has what else the step is, as JSON.
It lends its streams, passes on a request to end, and ends as the step did. What is known of that end is written to
`FILE`, or beside the file with the process id of podman's monitor.
"""

import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

_SOCKET = "programs"
_MONITOR = "--conmon-pidfile="


def main(scratch: str, kind: str, *words: str) -> int:
    """Return the exit code; raises `OSError` where nobody answers."""
    if kind == "sandbox":
        notes: Path | None = Path(words[0])
        request: dict[str, Any] = {kind: {**json.loads(Path(words[0]).read_bytes()), "command": words[1:]}}
    else:
        monitor = next((word.removeprefix(_MONITOR) for word in words if word.startswith(_MONITOR)), None)
        notes, request = name_notes(Path(monitor)) if monitor else None, {kind: words}
    answer = _ask(scratch, request)
    if notes:
        notes.write_text(json.dumps(answer))
    return int(answer["code"])


def name_notes(monitor: Path) -> Path:
    """Name the file with what is known of the end of a container, by that of its monitor."""
    return monitor.with_name(f"{monitor.name}.ended")


def _ask(scratch: str, request: dict[str, Any]) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        folder = os.open(scratch, os.O_PATH | os.O_DIRECTORY)
        connection.connect(f"/proc/self/fd/{folder}/{_SOCKET}")
        os.close(folder)

        def pass_on(*_: Any) -> None:
            connection.send(b"t")

        signal.signal(signal.SIGTERM, pass_on)
        socket.send_fds(connection, [b"x"], [0, 1, 2])
        connection.sendall(json.dumps(request).encode() + b"\n")
        answer: dict[str, Any] = json.loads(connection.makefile("rb").readline())
        return answer


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
