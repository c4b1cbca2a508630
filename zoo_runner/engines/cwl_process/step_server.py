"""Starts the steps of a launcher: in containers by podman or docker, and in sandboxes.

A part of the supervisor, which never reads a package; it needs the standard library only. An isolated launcher cannot
start them itself: it has no network. It asks by `step_client`. cwltool asks for nothing else than steps: a request that
can be none ends the run.
"""

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from zoo_runner.engines.cwl_process.container_programs import find_foreign, find_refusal, run_container
from zoo_runner.engines.cwl_process.job_places import JobPlaces
from zoo_runner.engines.cwl_process.sandbox_programs import (
    RefusedError,
    SandboxFrame,
    opened_mounts,
    read_step,
    run_in_sandbox,
)

SOCKET = "programs"
"""Name of the socket in the job's scratch folder."""
REFUSED = 125
"""The exit code of a run that a refused request ended; podman and docker end with it if they start no container."""
_CANNOT_START = 126


class StepServer:
    """Executes the requests of one launcher; `on_refused` is called with why one is refused.

    `order` has `readable` (inputs and files of the package, without links); `containers`, with `runtime`, `env` and
    `network`, or null where none may be started; and `sandbox`, the fields of `SandboxFrame`, or null.
    """

    def __init__(self, scratch: str, order: Mapping[str, Any], on_refused: Callable[[str], None]) -> None:
        self._scratch, self._on_refused = scratch, on_refused
        self._places = JobPlaces(scratch, order["readable"])
        self._containers = order["containers"]
        self._frame = SandboxFrame(**order["sandbox"]) if order["sandbox"] else None

    def listen(self) -> None:
        """Answer requests in threads of this process until it ends."""
        folder = os.open(self._scratch, os.O_PATH | os.O_DIRECTORY)
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # the path of a socket has at most 107 bytes
        server.bind(f"/proc/self/fd/{folder}/{SOCKET}")
        os.close(folder)
        server.listen(128)

        def accept() -> None:
            while True:
                connection, _ = server.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, ValueError):
            _, streams, _, _ = socket.recv_fds(connection, 1, 3)
            try:
                answer = self._execute(json.loads(connection.makefile("rb").readline()), streams, connection)
            except RefusedError as error:
                self._on_refused(str(error))
                answer = {"code": REFUSED}
            except OSError as error:
                os.write(streams[2], f"cannot start a program for the step: {error}\n".encode())
                answer = {"code": _CANNOT_START}
            finally:
                for stream in streams:
                    os.close(stream)
            connection.sendall(json.dumps(answer).encode() + b"\n")

    def _execute(self, request: Any, streams: Sequence[int], connection: socket.socket) -> dict[str, Any]:
        """Run what is asked for; return what is known of its end. Raises `RefusedError`, `OSError`."""
        match request:
            case {"container": words, **more} if not more and self._containers:
                return self._run_container(words, streams, connection)
            case {"sandbox": fields, **more} if not more and self._frame:
                step = read_step(fields)
                with opened_mounts(step, self._scratch, self._places) as mounts:
                    return run_in_sandbox(self._frame, step, mounts, streams, connection)
        raise RefusedError("not a request of a step")

    def _run_container(self, words: Any, streams: Sequence[int], connection: socket.socket) -> dict[str, Any]:
        refusal = find_refusal(words, has_network=self._containers["network"])
        if refusal := refusal or find_foreign(words, self._places):
            raise RefusedError(refusal)
        place = {"env": self._containers["env"], "cwd": self._scratch}
        return run_container([self._containers["runtime"], *words], streams, connection, place)
