"""Owns one run: starts it, and takes every child and container with it when it ends, in whatever way.

A program of its own that needs the standard library only. The first line on its stdin says what to do:

    {"command": [...], "env": {...}, "cwd": "...", "cid_folder": "..." or null, "remover": ["podman", "rm", "-f"],
     "scratch": "...", "groups": [...]}

With `"waits": true` the command is started before its job is known: a second line, an object, goes to its stdin as it
is, and the `cid_folder`, `remover`, `scratch` and `groups` in it count.

With `programs` in it, this process starts containers and sandboxes for the command (see `step_server`). A request of it
that is refused ends the run: the exit code is 125, and the last line of stderr `ended: ` and why.

With `disk_bytes` in it, the files in `scratch` may have so many bytes together, and each by itself; a run that has more
ends in the same way, with exit code 124.

The pipe then stays open as a life line: a line `cancel`, or its end (the parent died, in whatever way), stops the
run: SIGTERM to its process group, after a grace SIGKILL to every descendant, and the containers whose ids lie in
`cid_folder` or that this process started, and the control groups that match `groups`, are removed, and where the parent
is gone the `scratch` folder too, which nobody else would remove.
The exit code is the run's (128 + n where signal n ended it).

Each run has a supervisor: what it does not import is memory that many of them do not take. `subprocess` and `pathlib`
are a fifth of it.
"""

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterable, Mapping

if __name__ == "__main__":
    # it is started by its path: its package is found from there
    sys.path.append(os.path.abspath(f"{__file__}/../../../.."))  # noqa: PTH100

from zoo_runner.engines.cwl_process.processes import GRACE_SECONDS, descendants, wait_until_readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from zoo_runner.engines.cwl_process.disk import DiskWatch
    from zoo_runner.engines.cwl_process.step_server import StepServer

_CANNOT_START = 127
_REFUSED = 125
_TOO_LARGE = 124
_LONGEST_ID = 80
_CHUNK_BYTES = 1 << 16
_MOST_DESCRIPTORS = 16384
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> None:
    """Call prctl where there is one (Linux); elsewhere the process group has to do."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def adopt_orphans() -> None:
    """Have descendants that lose their parent come to this process, so that it still finds them."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


class LifeLine:
    """The lines of the parent, each read as a whole, in time linear in its length; the pipe may have more."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._unread = bytearray()

    @property
    def has_line(self) -> bool:
        """Whether another line was read already: the pipe itself does not show it."""
        return b"\n" in self._unread

    def read_line(self) -> bytes:
        """Return the next line; an empty one at the end: what the parent did not finish does not count."""
        looked = 0
        while (end := self._unread.find(b"\n", looked)) < 0:
            looked = len(self._unread)
            chunk = os.read(self.descriptor, _CHUNK_BYTES)
            if not chunk:
                return b""
            self._unread += chunk
        line = bytes(self._unread[: end + 1])
        del self._unread[: end + 1]
        return line


def _wait_for_child(pid: int, seconds: float | None, also: int | None = None) -> str:
    """Wait until the child ends ("ended"), `also` is readable ("readable") or time is up ("late")."""
    handle = os.pidfd_open(pid)
    try:
        readable = wait_until_readable([handle, *([also] if also is not None else [])], seconds)
    finally:
        os.close(handle)
    if handle in readable:
        return "ended"
    return "readable" if readable else "late"


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def kill_descendants() -> None:
    """Kill until none is left: orphans come to us, because we are their subreaper."""
    deadline = time.monotonic() + GRACE_SECONDS
    while (pids := descendants(os.getpid())) and time.monotonic() < deadline:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            _wait_for_child(pids[0], GRACE_SECONDS)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass


def remove_containers(cid_folder: str | None, remover: list[str], env: Mapping[str, str] | None = None) -> None:
    """Remove the containers whose ids lie in a folder; how the run ended stands, whatever comes of it."""
    if cid_folder is None:
        return
    with contextlib.suppress(OSError):
        names = os.listdir(cid_folder)  # noqa: PTH208
        _remove([found for name in names if (found := _read_id(f"{cid_folder}/{name}"))], remover, env)


def _remove(containers: list[str], remover: list[str], env: Mapping[str, str] | None) -> None:
    """Remove containers by their names or ids; those that are not there are no error."""
    if containers:
        import subprocess

        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run([*remover, *containers], check=False, capture_output=True, timeout=60, env=env)


def _read_id(path: str) -> str | None:
    """Read the id of a container; None for anything else that a step on the host may put there, such as a pipe."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        found = os.read(file, _LONGEST_ID) if stat.S_ISREG(os.fstat(file).st_mode) else b""
    finally:
        os.close(file)
    text = found.strip().decode(errors="replace")
    return text if len(text) == 64 and set(text) <= set("0123456789abcdef") else None


def remove_groups(patterns: Iterable[str]) -> None:
    """Remove the control groups of a run that its launcher could not remove; they are empty now."""
    for pattern in patterns:
        import glob

        for group in glob.glob(pattern):  # noqa: PTH207
            with contextlib.suppress(OSError):
                os.rmdir(group)  # noqa: PTH106


def _stop(child: int) -> None:
    _signal_group(child, signal.SIGTERM)
    if _wait_for_child(child, GRACE_SECONDS) == "late":
        _signal_group(child, signal.SIGKILL)
        _wait_for_child(child, None)


def _start(order: "dict[str, Any]") -> tuple[int, int | None]:
    """Start the command in a session of its own; return its process id, and the pipe by which it gets its job.

    Raises `OSError`. This program has one thread.
    """
    waits = bool(order.get("waits"))
    source, pipe = os.pipe() if waits else (os.open(os.devnull, os.O_RDONLY), -1)
    # it is closed where the command begins
    failure, report = os.pipe()
    child = os.fork()
    if not child:
        _become(order, source, report)
    os.close(source)
    os.close(report)
    with open(failure) as failed:  # noqa: PTH123
        if said := failed.read():
            os.waitpid(child, 0)
            number, _, path = said.partition(" ")
            raise OSError(int(number), os.strerror(int(number)), path)
    return child, pipe if waits else None


def _become(order: "dict[str, Any]", source: int, report: int) -> None:
    """Become the command, or report why that is not possible and end."""
    try:
        os.dup2(source, 0)
        os.setsid()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        # Python ignores these, and what ignores them hands that on
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        os.chdir(order["cwd"])
        os.execvpe(order["command"][0], order["command"], order["env"])
    except OSError as error:
        os.write(report, f"{error.errno} {error.filename or order['command'][0]}".encode(errors="replace"))
    finally:
        os._exit(_CANNOT_START)


def main() -> int:
    """Run what stdin says; see the module's text."""
    lifeline = LifeLine(sys.stdin.fileno())
    first = lifeline.read_line()
    if not first:
        raise SystemExit("the parent ended before it said what to run")
    order = json.loads(first)
    _raise_limit()
    adopt_orphans()
    try:
        child, pipe = _start(order)
    except OSError as error:
        sys.stderr.write(f"cannot start {error.filename}: {error.strerror}\n")
        return _CANNOT_START
    endings: dict[int, str] = {}
    steps = _follow(child, pipe, order, lifeline, endings)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if steps:
        steps.stop()
    kill_descendants()
    remove_containers(order["cid_folder"], order["remover"], order["env"])
    if steps:
        _remove(steps.list_containers(), order["remover"], steps.environment)
    remove_groups(order.get("groups", ()))
    if order.get("scratch") and _is_orphan(lifeline.descriptor):
        from pathlib import Path

        from zoo_runner.engines.cwl_process.scratch_folder import remove_scratch

        remove_scratch(Path(order["scratch"]))
    for early, reason in endings.items():
        sys.stderr.write(f"\nended: {' '.join(reason.splitlines())}\n")
        return early
    return code if code >= 0 else 128 - code


def _raise_limit() -> None:
    """Have this process, and those that it starts, open as many files as they may: each step takes some."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _follow(
    child: int, pipe: int | None, order: "dict[str, Any]", lifeline: LifeLine, endings: dict[int, str]
) -> "StepServer | None":
    """Wait until the run ends, or end it where the parent asks for it or is gone; pass on the job that it waits for.

    `endings` gets why the run was ended from here, by the exit code. Returns what starts its steps.
    """

    def end(code: int, reason: str) -> None:
        endings[code] = reason
        _signal_group(child, signal.SIGKILL)

    disk: DiskWatch | None = None
    steps: StepServer | None = None
    while (change := _wait_for_change(child, disk.seconds if disk else None, lifeline)) != "ended":
        if change == "late":
            if disk and (reason := disk.look(descendants(os.getpid()))):
                end(_TOO_LARGE, reason)
            continue
        line = lifeline.read_line()
        if pipe is None or not line.startswith(b"{"):
            _stop(child)
            return steps
        order.update(json.loads(line))
        if order.get("programs"):
            steps = _start_server(order["scratch"], order["programs"], lambda reason: end(_REFUSED, reason))
        if order.get("disk_bytes"):
            disk = _watch_disk(child, order)
        _hand_over(child, pipe, line, lifeline)
        pipe = None
    return steps


def _wait_for_change(child: int, seconds: float | None, lifeline: LifeLine) -> str:
    """Wait as `_wait_for_child` does, also for a line of the parent."""
    return "readable" if lifeline.has_line else _wait_for_child(child, seconds, also=lifeline.descriptor)


def _hand_over(child: int, pipe: int, job: bytes, lifeline: LifeLine) -> None:
    """Write the job to the command, as fast as that reads it, until it ends or the parent wants something else."""
    os.set_blocking(pipe, False)
    handle, left = os.pidfd_open(child), memoryview(job)
    waiting = select.poll()
    waiting.register(pipe, select.POLLOUT)
    for descriptor in (handle, lifeline.descriptor):
        waiting.register(descriptor, select.POLLIN)
    try:
        while left and not lifeline.has_line and [found for found, _ in waiting.poll()] == [pipe]:
            left = left[os.write(pipe, left) :]
    except OSError:  # it may just have ended
        pass
    finally:
        os.close(handle)
        os.close(pipe)


def _start_server(scratch: str, order: "dict[str, Any]", on_refused: Callable[[str], None]) -> "StepServer":
    """Start steps for the command from now on; not every run has any, and this program must be started quickly."""
    from zoo_runner.engines.cwl_process.step_server import StepServer

    server = StepServer(scratch, order, on_refused)
    server.listen()
    return server


def _watch_disk(pid: int, order: "dict[str, Any]") -> "DiskWatch":
    """Limit each file that a process and this one's further children write, and watch all of them together."""
    from zoo_runner.engines.cwl_process.disk import DiskWatch

    for process in (pid, os.getpid()):
        hard = resource.prlimit(process, resource.RLIMIT_FSIZE)[1]
        most = order["disk_bytes"] if hard == resource.RLIM_INFINITY else min(order["disk_bytes"], hard)
        resource.prlimit(process, resource.RLIMIT_FSIZE, (most, most))
    return DiskWatch(order["scratch"], order["disk_bytes"])


def _is_orphan(lifeline: int) -> bool:
    """Whether the parent died: nobody else would tidy up then. A line `cancel` may still stand in the pipe."""
    while wait_until_readable([lifeline], 0):
        if not os.read(lifeline, 64):
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
