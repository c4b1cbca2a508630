"""A program that the supervisor started for a step: its client may end it, and learns how it ended."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from zoo_runner.engines.cwl_process.processes import GRACE_SECONDS, wait_until_readable
from zoo_runner.engines.cwl_process.signals import KILLED, as_exit_code
from zoo_runner.engines.cwl_process.step_client import KILL


@dataclass(frozen=True)
class Ended:
    """How a program ended; `used` is None where that is not known."""

    code: int
    used: resource.struct_rusage | None


def follow(process: "subprocess.Popen[bytes]", connection: socket.socket, kill: Callable[[], None]) -> Ended:
    """Wait until a program ends; ask it to end, or kill it, where its client says so or is gone."""
    _wait(process.pid, connection, kill)
    try:
        _, status, used = os.wait4(process.pid, 0)
    except ChildProcessError:  # the run was stopped, and all its processes were reaped
        process.returncode = -signal.SIGKILL
        return Ended(KILLED, None)
    process.returncode = code = os.waitstatus_to_exitcode(status)
    return Ended(as_exit_code(code), used)


def describe_usage(used: resource.struct_rusage, others_kib: int) -> dict[str, float]:
    """Describe what a step used; a peak that is not above `others_kib` may be that of a program beside it."""
    return {"cpu_seconds": used.ru_utime + used.ru_stime, "peak_kib": used.ru_maxrss, "others_kib": others_kib}


def _wait(pid: int, connection: socket.socket, kill: Callable[[], None]) -> None:
    handle = os.pidfd_open(pid)
    try:
        listened, seconds = [handle, connection.fileno()], None
        while handle not in (readable := wait_until_readable(listened, seconds)):
            word = connection.recv(1) if readable else KILL
            if word == KILL:
                listened, seconds = [handle], None
                kill()
            else:
                # nobody would kill it later
                listened, seconds = (listened, None) if word else ([handle], GRACE_SECONDS)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
    finally:
        os.close(handle)
