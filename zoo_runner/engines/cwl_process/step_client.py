"""Has the supervisor run a step for a launcher, and stands for it: `step_client.py SCRATCH KIND WORD…`.

A program of its own that needs the standard library only (see `step_server`). `KIND WORD…` is `container` with the
words for podman or docker, or `sandbox FILE` with the command of the step; `FILE` has what else the step is, as JSON.
It lends its streams, passes on a request to end (SIGTERM) and one to be killed (`KILLED_BY`), and ends as the step did.
What is known of that end is written to `FILE`, or beside the file that cwltool names for the id of the container. That
file is not written: the supervisor alone knows its containers.
"""

import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

END, KILL = b"t", b"k"
"""What the client of a step sends to have it end."""
KILLED_BY = signal.SIGUSR1
"""The signal on which a client has its step killed."""
_SOCKET = "programs"
_ID_FILE = "--cidfile="


def main(scratch: str, kind: str, *words: str) -> int:
    """Return the exit code; raises `OSError` where nobody answers."""
    if kind == "sandbox":
        notes: Path | None = Path(words[0])
        request: dict[str, Any] = {kind: {**json.loads(Path(words[0]).read_bytes()), "command": words[1:]}}
    else:
        ids = None if words[:1] != ("run",) else next((word for word in words if word.startswith(_ID_FILE)), None)
        notes = name_notes(Path(ids.removeprefix(_ID_FILE))) if ids else None
        request = {kind: _without(words, ids)}
    answer = _ask(scratch, request)
    if notes:
        notes.write_text(json.dumps(answer))
    return int(answer["code"])


def name_notes(id_file: Path) -> Path:
    """Name the file with what is known of the end of a container, by that of its id."""
    return id_file.with_name(f"{id_file.name}.ended")


def _without(words: tuple[str, ...], removed: str | None) -> list[str]:
    """Leave out the first of the words that is equal; the command of the step may have it too."""
    left = list(words)
    if removed is not None:
        left.remove(removed)
    return left


def _ask(scratch: str, request: dict[str, Any]) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        folder = os.open(scratch, os.O_PATH | os.O_DIRECTORY)
        connection.connect(f"/proc/self/fd/{folder}/{_SOCKET}")
        os.close(folder)
        socket.send_fds(connection, [b"x"], [0, 1, 2])
        connection.sendall(json.dumps(request).encode() + b"\n")
        for number, word in ((signal.SIGTERM, END), (KILLED_BY, KILL)):
            signal.signal(number, lambda *_, word=word: connection.send(word))
        answer: dict[str, Any] = json.loads(connection.makefile("rb").readline())
        return answer


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
