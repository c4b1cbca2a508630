"""Starts podman or docker for an isolated launcher, which has no network: by requests that can only be those of steps.

A part of the supervisor, which never reads a package; it needs the standard library only. The launcher finds
`container_client` under the names of these programs. A request is refused unless it runs a container as an isolated
step is run: without privileges, without the network unless the job may have it, from an image that is there, and with
files of the job alone. cwltool asks for nothing else: a refused request ends the run.
"""

import contextlib
import csv
import json
import os
import resource
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

SOCKET = "programs"
"""Name of the socket in the job's scratch folder."""
REFUSED = 125
"""The exit code of a run that a refused request ended; podman and docker end with it if they start no container."""
_MONITOR_SECONDS = 2.0
_MONITOR = "--conmon-pidfile="
_WITHOUT_VALUE = ("-i", "--rm")
_VALUES = {"--net": "none", "--pull": "never", "--cap-drop": "ALL", "--security-opt": "no-new-privileges"}
_OPTIONS = (
    *("--conmon-pidfile", "--pids-limit", "--mount", "--workdir", "--read-only", "--log-driver", "--user", "--cidfile"),
    *("--gpus", "--env", "--memory", "--cpus", "--shm-size"),
)
_SAME_USER = "--userns=keep-id"
_REQUIRED = tuple(f"{name}={value}" for name, value in _VALUES.items())
_WRITABLE = ("out", "tmp", "outputs", "copies", "inputs")
_NOTES = {"--conmon-pidfile": "monitors", "--cidfile": "cids"}


def find_refusal(words: Sequence[str], *, has_network: bool) -> str | None:
    """Find why podman or docker must not be started with these words; None where it may. Pure."""
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return "no list of words"
    if len(words) == 2 and words[0] in ("inspect", "kill") and not words[1].startswith("-"):
        return None
    if not words or words[0] != "run":
        return f"not a request of a step: {' '.join(words[:1])}"
    options = []
    for word in words[1:]:
        if not word.startswith("-"):
            break
        options.append(word)
    for option in options:
        name, equals, value = option.partition("=")
        known = option in (*_WITHOUT_VALUE, _SAME_USER) or (equals and (name in _OPTIONS or _VALUES.get(name) == value))
        if not known or (name == "--mount" and not value.startswith("type=bind,")):
            return f"not an option of a step: {name}"
    missing = [one for one in _REQUIRED if one not in options and not (has_network and one == "--net=none")]
    return f"lacks {', '.join(missing)}" if missing else None


def find_foreign(words: Sequence[str], scratch: str, readable: Sequence[str]) -> str | None:
    """Find what a request of a step would mount or write that is not the job's, links followed; None where nothing.

    The job's are the folders of steps in `scratch`, and `readable` (without links), which may be mounted read-only.
    """
    own, given = os.path.realpath(scratch), frozenset(readable)
    writable = {f"{own}/{name}" for name in _WRITABLE}
    for word in words[1:]:
        if not word.startswith("-"):
            return None
        name, _, value = word.partition("=")
        if name == "--mount" and not _is_own_mount(value, writable, given):
            return f"not a mount of this job: {value}"
        if name in _NOTES and os.path.dirname(os.path.realpath(value)) != f"{own}/{_NOTES[name]}":  # noqa: PTH120
            return f"not a file of this job: {word}"
    return None


def _is_own_mount(value: str, writable: Set[str], given: Set[str]) -> bool:
    """Whether a mount is one that cwltool asks for: `type=bind,source=…,target=…`, maybe `readonly`, as CSV."""
    # podman and docker read a carriage return in another way than Python
    lines = [] if "\r" in value else _read_csv(value)
    if len(lines) != 1 or len(lines[0]) not in (3, 4):
        return False
    kind, source, target, *rest = lines[0]
    if kind != "type=bind" or not source.startswith("source=/") or not target.startswith("target=/"):
        return False
    place = os.path.realpath(source.removeprefix("source="))
    if _is_below(place, writable):
        return rest in ([], ["readonly"])
    return rest == ["readonly"] and _is_below(place, given)


def _read_csv(value: str) -> list[list[str]]:
    try:
        return list(csv.reader([value]))
    except csv.Error:
        return []


def _is_below(path: str, folders: Set[str]) -> bool:
    while path not in folders and path != "/":
        path = os.path.dirname(path)  # noqa: PTH120
    return path in folders


def serve(scratch: str, order: Mapping[str, Any], on_refused: Callable[[str], None]) -> None:
    """Answer requests in threads of this process until it ends; `on_refused` is called with why one is refused.

    `order` has `runtime`, `env`, `network`, and `readable`: inputs and files of the package, without links.
    """

    def execute(words: Sequence[str], streams: Sequence[int], connection: socket.socket) -> int:
        refusal = find_refusal(words, has_network=order["network"])
        if refusal := refusal or find_foreign(words, scratch, order["readable"]):
            on_refused(refusal)
            return REFUSED
        return _run([order["runtime"], *words], streams, connection, {"env": order["env"], "cwd": scratch})

    folder = os.open(scratch, os.O_PATH | os.O_DIRECTORY)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # the path of a socket has at most 107 bytes
    server.bind(f"/proc/self/fd/{folder}/{SOCKET}")
    os.close(folder)
    server.listen(128)

    def accept() -> None:
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_answer, args=(connection, execute), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def _answer(connection: socket.socket, execute: Callable[[Sequence[str], Sequence[int], socket.socket], int]) -> None:
    with connection, contextlib.suppress(OSError, ValueError):
        _, streams, _, _ = socket.recv_fds(connection, 1, 3)
        try:
            code = execute(json.loads(connection.makefile("rb").readline()), streams, connection)
        finally:
            for stream in streams:
                os.close(stream)
        connection.sendall(f"{code}\n".encode())


def _run(words: list[str], streams: Sequence[int], connection: socket.socket, place: Mapping[str, Any]) -> int:
    stdin, stdout, stderr = streams
    with subprocess.Popen(words, stdin=stdin, stdout=stdout, stderr=stderr, **place) as process:
        _wait(process.pid, connection)
        try:
            _, status, used = os.wait4(process.pid, 0)
        except ChildProcessError:  # the run was stopped, and all its processes were reaped
            process.returncode = -signal.SIGKILL
            return 128 + signal.SIGKILL
        process.returncode = os.waitstatus_to_exitcode(status)
    monitor = next((word.removeprefix(_MONITOR) for word in words if word.startswith(_MONITOR)), None)
    if monitor:
        _note_usage(Path(monitor), used)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def _wait(pid: int, connection: socket.socket) -> None:
    """Wait until a program ends; ask it to end where its client is asked to, or is gone."""
    handle = os.pidfd_open(pid)
    try:
        listened: list[Any] = [handle, connection]
        while handle not in (readable := select.select(listened, [], [])[0]):
            if connection in readable:
                if not connection.recv(1):
                    listened.remove(connection)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
    finally:
        os.close(handle)


def _note_usage(monitor: Path, program: resource.struct_rusage) -> None:
    """Write what a container used beside the file of its monitor (podman's conmon), which is a child of this process.

    The monitor waited for all that ran in the container, and for podman's own clean-up.
    """
    with contextlib.suppress(OSError, ValueError):
        pid = int(monitor.read_text())
        handle = os.pidfd_open(pid)
        try:
            select.select([handle], [], [], _MONITOR_SECONDS)
            reaped, _, used = os.wait4(pid, os.WNOHANG)
        finally:
            os.close(handle)
        if reaped:
            usage = {
                "cpu_seconds": used.ru_utime + used.ru_stime,
                "peak_kib": used.ru_maxrss,
                "program_kib": program.ru_maxrss,
            }
            name_usage(monitor).write_text(json.dumps(usage))


def name_usage(monitor: Path) -> Path:
    """Name the file with what a container used."""
    return monitor.with_name(f"{monitor.name}.used")
