"""A program that the supervisor started for a step: its client may ask it to end, and learns how it ended."""

import contextlib
import os
import resource
import select
import signal
import socket
import subprocess
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Ended:
    """How a program ended; `used` is None where that is not known."""

    code: int
    used: resource.struct_rusage | None


def follow(process: "subprocess.Popen[bytes]", connection: socket.socket) -> Ended:
    """Wait until a program ends; ask it to end where its client is asked to, or is gone."""
    _wait(process.pid, connection)
    try:
        _, status, used = os.wait4(process.pid, 0)
    except ChildProcessError:  # the run was stopped, and all its processes were reaped
        process.returncode = -signal.SIGKILL
        return Ended(128 + signal.SIGKILL, None)
    process.returncode = code = os.waitstatus_to_exitcode(status)
    return Ended(code if code >= 0 else 128 - code, used)


def describe_usage(used: resource.struct_rusage, others_kib: int) -> dict[str, float]:
    """Describe what a step used; a peak that is not above `others_kib` may be that of a program beside it."""
    return {"cpu_seconds": used.ru_utime + used.ru_stime, "peak_kib": used.ru_maxrss, "others_kib": others_kib}


def _wait(pid: int, connection: socket.socket) -> None:
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
