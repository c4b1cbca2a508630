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
`cid_folder` and the control groups that match `groups` are removed, and where the parent is gone the `scratch` folder
too, which nobody else would remove.
The exit code is the run's (128 + n where signal n ended it).
"""

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:  # each run has a supervisor: what it does not import is memory that many of them do not take
    from typing import Any

    from zoo_runner.engines.cwl_process.disk import DiskWatch

GRACE_SECONDS = 3.0
_CANNOT_START = 127
_REFUSED = 125
_TOO_LARGE = 124
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> None:
    """Call prctl where there is one (Linux); elsewhere the process group has to do."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def adopt_orphans() -> None:
    """Have descendants that lose their parent come to this process, so that it still finds them."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def descendants(pid: int) -> list[int]:
    """Every living descendant of a process, by /proc; empty where there is no /proc."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found: list[int] = []
    queue = [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found.extend(below)
        queue.extend(below)
    return found


def _wait_for_child(pid: int, seconds: float | None, also: int | None = None) -> str:
    """Wait until the child ends ("ended"), `also` is readable ("readable") or time is up ("late")."""
    handle = os.pidfd_open(pid)
    try:
        readable, _, _ = select.select([handle, *([also] if also is not None else [])], [], [], seconds)
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


def remove_containers(cid_folder: str | None, remover: list[str]) -> None:
    """Remove the containers whose ids lie in a folder; how the run ended stands, whatever comes of it."""
    if cid_folder is None:
        return
    ids = [path.read_text().strip() for path in Path(cid_folder).glob("*") if path.is_file()]
    if ids:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run([*remover, *filter(None, ids)], check=False, capture_output=True, timeout=60)


def remove_groups(patterns: Iterable[str]) -> None:
    """Remove the control groups of a run that its launcher could not remove; they are empty now."""
    for pattern in map(Path, patterns):
        for group in pattern.parent.glob(pattern.name):
            with contextlib.suppress(OSError):
                group.rmdir()


def _stop(child: "subprocess.Popen[bytes]") -> None:
    _signal_group(child.pid, signal.SIGTERM)
    if _wait_for_child(child.pid, GRACE_SECONDS) == "late":
        _signal_group(child.pid, signal.SIGKILL)
        _wait_for_child(child.pid, None)


def main() -> int:
    """Run what stdin says; see the module's text."""
    lifeline = sys.stdin.fileno()
    first = _read_line(lifeline)
    if not first:
        raise SystemExit("the parent ended before it said what to run")
    order = json.loads(first)
    adopt_orphans()
    try:
        child = subprocess.Popen(
            order["command"],
            env=order["env"],
            cwd=order["cwd"],
            stdin=subprocess.PIPE if order.get("waits") else subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=lambda: _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM),  # this program has one thread
        )
    except OSError as error:
        sys.stderr.write(f"cannot start {error.filename}: {error.strerror}\n")
        return _CANNOT_START
    endings: dict[int, str] = {}
    _follow(child, order, lifeline, endings)
    code = child.wait()
    kill_descendants()
    remove_containers(order["cid_folder"], order["remover"])
    remove_groups(order.get("groups", ()))
    if order.get("scratch") and _is_orphan(lifeline):
        _find_modules()
        from zoo_runner.removal import remove_tree

        remove_tree(order["scratch"])
    for early, reason in endings.items():
        sys.stderr.write(f"\nended: {' '.join(reason.splitlines())}\n")
        return early
    return code if code >= 0 else 128 - code


def _follow(child: "subprocess.Popen[bytes]", order: "dict[str, Any]", lifeline: int, endings: dict[int, str]) -> None:
    """Wait until the run ends, or end it where the parent asks for it or is gone; pass on the job that it waits for.

    `endings` gets why the run was ended from here, by the exit code.
    """

    def end(code: int, reason: str) -> None:
        endings[code] = reason
        _signal_group(child.pid, signal.SIGKILL)

    disk: DiskWatch | None = None
    while (change := _wait_for_child(child.pid, disk.seconds if disk else None, also=lifeline)) != "ended":
        if change == "late":
            if disk and (reason := disk.look(descendants(os.getpid()))):
                end(_TOO_LARGE, reason)
            continue
        line = _read_line(lifeline)
        if child.stdin is None or not line.startswith(b"{"):
            _stop(child)
            return
        order.update(json.loads(line))
        if order.get("programs"):
            _start_server(order["scratch"], order["programs"], lambda reason: end(_REFUSED, reason))
        if order.get("disk_bytes"):
            disk = _watch_disk(child.pid, order)
        with contextlib.suppress(OSError), child.stdin as pipe:  # it may just have ended
            pipe.write(line)
        child.stdin = None


def _start_server(scratch: str, order: "dict[str, Any]", on_refused: Callable[[str], None]) -> None:
    """Start steps for the command from now on; not every run has any, and this program must be started quickly."""
    _find_modules()
    from zoo_runner.engines.cwl_process.step_server import StepServer

    StepServer(scratch, order, on_refused).listen()


def _watch_disk(pid: int, order: "dict[str, Any]") -> "DiskWatch":
    """Limit each file that a process and this one's further children write, and watch all of them together."""
    _find_modules()
    from zoo_runner.engines.cwl_process.disk import DiskWatch

    for process in (pid, os.getpid()):
        hard = resource.prlimit(process, resource.RLIMIT_FSIZE)[1]
        most = order["disk_bytes"] if hard == resource.RLIM_INFINITY else min(order["disk_bytes"], hard)
        resource.prlimit(process, resource.RLIMIT_FSIZE, (most, most))
    return DiskWatch(order["scratch"], order["disk_bytes"])


def _find_modules() -> None:
    """Have further modules of this package found."""
    sys.path.append(str(Path(__file__).parents[3]))


def _is_orphan(lifeline: int) -> bool:
    """Whether the parent died: nobody else would tidy up then. A line `cancel` may still stand in the pipe."""
    while select.select([lifeline], [], [], 0)[0]:
        if not os.read(lifeline, 64):
            return True
    return False


def _read_line(descriptor: int) -> bytes:
    """Read to the first newline without buffering past it, so that select still sees what comes after.

    Returns an empty line at the end; what the parent did not finish does not count.
    """
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(descriptor, 1)
        if not byte:
            return b""
        line += byte
    return line


if __name__ == "__main__":
    sys.exit(main())
