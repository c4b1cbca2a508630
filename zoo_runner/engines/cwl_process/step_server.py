"""Starts the steps of a launcher: in containers by podman or docker, and in sandboxes.

A part of the supervisor, which never reads a package; it needs the standard library only. An isolated launcher cannot
start them itself: it has no network. It asks by `step_client`. cwltool asks for nothing else than steps: a request that
can be none ends the run.
"""

import contextlib
import json
import os
import resource
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from zoo_runner.engines.cwl_process.container_programs import (
    ContainerFrame,
    Containers,
    find_foreign,
    find_refusal,
)
from zoo_runner.engines.cwl_process.job_places import JobPlaces
from zoo_runner.engines.cwl_process.sandbox_programs import RefusedError, SandboxFrame, read_step, run_in_sandbox

SOCKET = "programs"
"""Name of the socket in the job's scratch folder."""
REFUSED = 125
"""The exit code of a run that a refused request ended; podman and docker end with it if they start no container."""
_CANNOT_START = 126
_LONGEST_REQUEST = 16 << 20
# the connection, three streams, the process, a few while it starts
_DESCRIPTORS_OF_STEP = 12
_RETRY_SECONDS = 1.0


class StepServer:
    """Executes the requests of one launcher; `on_refused` is called with why one is refused.

    `order` has `readable` (inputs and files of the package, without links); `containers`, the fields of
    `ContainerFrame`, or null where none may be started; and `sandbox`, the fields of `SandboxFrame`, or null. As many
    requests are executed at a time as half of the descriptors of this process are enough for; further ones wait. The
    other half is for what steps see, which is opened for one step after the other.
    """

    def __init__(self, scratch: str, order: Mapping[str, Any], on_refused: Callable[[str], None]) -> None:
        self._scratch, self._on_refused = scratch, on_refused
        self._places = JobPlaces(scratch, order["readable"])
        self._containers = ContainerFrame(**order["containers"]) if order["containers"] else None
        self._register = Containers(self._containers) if self._containers else None
        self._sandbox = SandboxFrame(**order["sandbox"]) if order["sandbox"] else None
        half = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 1 << 20) // 2
        self._free, self._most_mounts = threading.BoundedSemaphore(max(1, half // _DESCRIPTORS_OF_STEP)), half // 2
        self._starting, self._ended = threading.Lock(), threading.Event()
        self._stopped = False

    def listen(self) -> None:
        """Answer requests in threads of this process until it ends."""
        folder = os.open(self._scratch, os.O_PATH | os.O_DIRECTORY)
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # the path of a socket has at most 107 bytes
        server.bind(f"/proc/self/fd/{folder}/{SOCKET}")
        os.close(folder)
        server.listen(128)
        threading.Thread(target=self._accept, args=(server,), daemon=True).start()

    def stop(self) -> None:
        """Start nothing from now on."""
        with self._starting:
            self._stopped = True

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables of podman or docker."""
        return self._containers.variables if self._containers else {}

    def list_containers(self) -> list[str]:
        """List the containers that may still be there."""
        return self._register.list_left() if self._register else []

    def _accept(self, server: socket.socket) -> None:
        while True:
            self._free.acquire()
            try:
                connection, _ = server.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
            except (OSError, RuntimeError):  # the machine has no descriptors or threads left
                self._free.release()
                self._ended.clear()
                self._ended.wait(_RETRY_SECONDS)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, contextlib.suppress(OSError):
                self._answer(connection)
        finally:
            self._free.release()
            self._ended.set()

    def _answer(self, connection: socket.socket) -> None:
        greeting, streams, _, _ = socket.recv_fds(connection, 1, 3)
        if not greeting:  # the client was killed
            return
        try:
            answer = self._execute(_read_request(connection, streams), streams, connection)
        except (RefusedError, ValueError) as error:  # of texts that are no words for a program
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
            case {"sandbox": fields, **more} if not more and self._sandbox:
                step = read_step(fields)
                if len(step.writable) + len(step.readable) > self._most_mounts:
                    raise OSError(f"it would see more than {self._most_mounts} files and folders")
                place = (self._scratch, self._places)
                return run_in_sandbox(self._sandbox, step, place, streams, connection, self._begin)
        raise RefusedError("not a request of a step")

    def _run_container(self, words: Any, streams: Sequence[int], connection: socket.socket) -> dict[str, Any]:
        if self._containers is None or self._register is None:
            raise RefusedError("not a request of a step")
        refusal = find_refusal(words, has_network=self._containers.network)
        if refusal := refusal or find_foreign(words, self._places):
            raise RefusedError(refusal)
        with self._begin():
            started = self._register.start(words, streams)
        answer = started.wait(connection)
        # a program that was killed, or asked to end, may have left its container
        if started.name and started.process.returncode == answer["code"]:
            self._register.forget(started.name)
        return answer

    @contextlib.contextmanager
    def _begin(self) -> Iterator[None]:
        """Start a program in the block; none after `stop`. Raises `OSError`."""
        with self._starting:
            if self._stopped:
                raise OSError("the run has ended")
            yield


def _read_request(connection: socket.socket, streams: Sequence[int]) -> Any:
    """Read a line of JSON, and nothing after it; raises `RefusedError`, `OSError`."""
    line = b""
    while not line.endswith(b"\n"):
        seen = connection.recv(1 << 16, socket.MSG_PEEK)
        if not seen:
            raise ConnectionError("the client is gone")
        line += connection.recv(seen.find(b"\n") + 1 or len(seen))
        if len(line) > _LONGEST_REQUEST:
            raise RefusedError(f"a request of more than {_LONGEST_REQUEST >> 20} MiB")
    if len(streams) != 3:
        raise RefusedError("a request without the streams of a step")
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RefusedError("a request that is no JSON") from error
