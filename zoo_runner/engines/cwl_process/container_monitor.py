"""How a container of podman has ended: by the word of podman's monitor (conmon), which waits for all that runs in it.

`podman run` ends with exit code 0 if somebody asks it to end (SIGTERM) before its container has started, as it does for
`systemctl stop podman.service` (podman 4.3): nothing has run then. That code counts where podman has reported the start
(podman-run(1), `--sdnotify=conmon`) and where the monitor, which ends with the exit code of the container, has it too.
"""

import os
import resource
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zoo_runner.engines.cwl_process.processes import wait_until_readable
from zoo_runner.engines.cwl_process.signals import TERMINATED, as_exit_code

# the monitor waits for the clean-up after its container, which takes long on a busy machine
_SUCCESS_SECONDS = 60.0
_FAILURE_SECONDS = 2.0


@dataclass(frozen=True)
class ContainerEnd:
    """How a container ended, and what all of it used; None where that is not known."""

    code: int
    used: resource.struct_rusage | None


class Monitor:
    """The monitor of one container; `file` is where it leaves its process id, removed at the end."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        # in no folder, under a name that the kernel chooses (unix(7), "Autobind feature")
        self._socket.bind("")

    @property
    def words(self) -> list[str]:
        """The options of `podman run`."""
        return [f"--conmon-pidfile={self._file}", "--sdnotify=conmon"]

    @property
    def variables(self) -> dict[str, str]:
        """The environment of podman, in which it finds where to report the start; source: sd_notify(3)."""
        return {"NOTIFY_SOCKET": f"@{self._socket.getsockname()[1:].decode()}"}

    def conclude(self, code: int, success_seconds: float = _SUCCESS_SECONDS) -> ContainerEnd:
        """Find out how the container of a podman that ended with `code` has ended; closes the monitor.

        The process is a child of this one where that is the reaper of orphans; else its end is not known. A container
        that has not come to its end has the exit code of SIGTERM.
        """
        if code == 0 and not self._has_started():
            code = TERMINATED
        try:
            pid = int(self._file.read_text())
            handle = os.pidfd_open(pid)
        except (OSError, ValueError):
            return ContainerEnd(code, None)
        finally:
            self.close()
        try:
            has_ended = wait_until_readable([handle], _FAILURE_SECONDS if code else success_seconds)
            reaped, status, used = os.wait4(pid, os.WNOHANG)
        except ChildProcessError:
            return ContainerEnd(code if code or has_ended else TERMINATED, None)
        finally:
            os.close(handle)
        if not reaped:
            return ContainerEnd(code or TERMINATED, None)
        return ContainerEnd(code or as_exit_code(os.waitstatus_to_exitcode(status)), used)

    def close(self) -> None:
        """Listen to podman no more, and remove the file; may be called again."""
        self._socket.close()
        with suppress(OSError):
            self._file.unlink(missing_ok=True)

    def _has_started(self) -> bool:
        """Whether podman has reported the start."""
        with suppress(BlockingIOError):
            while message := self._socket.recv(4096):
                if b"READY=1" in message.split(b"\n"):
                    return True
        return False
