"""Follows one step while it runs: its output line by line, its time limit, its end and what it used."""

import contextlib
import json
import os
import resource
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cwltool.errors import WorkflowException

from zoo_runner.engines.cwl_process.container_monitor import Monitor
from zoo_runner.engines.cwl_process.processes import descendants, wait_until_readable
from zoo_runner.engines.cwl_process.signals import KILLED, as_exit_code
from zoo_runner.engines.cwl_process.step_client import KILLED_BY
from zoo_runner.engines.local.printed import LAST_LINES_SECONDS, Printed
from zoo_runner.lines import LONGEST_LINE, iterate_lines
from zoo_runner.model.events import EngineLine, StepEnded, StepLines, StepStarted

# cwltool asks the tool to end at its time limit; a tool that did not end is killed this much later
_GRACE_SECONDS = 3.0
_CHUNK_BYTES = 64 * 1024
# a step that failed after using this share of its limit failed for lack of memory
_NEARLY_ALL = 0.95

Emit = Callable[[StepStarted | StepLines | StepEnded | EngineLine], None]


@dataclass(frozen=True)
class Container:
    """A step's container: the program that runs it, a file with its id, and podman's monitor."""

    program: str
    id_file: Path
    monitor: Monitor | None
    memory_mib: int | None

    def kill(self) -> None:
        """Kill the container; one that has ended is not an error."""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            words = [self.program, "kill", self.id_file.read_text().strip()]
            subprocess.run(words, capture_output=True, check=False, timeout=_GRACE_SECONDS * 10)


@dataclass(frozen=True)
class Used:
    """What a step used; None for what could not be measured."""

    cpu_seconds: float | None = None
    peak_memory_mib: float | None = None


class Watch:
    """One step. `writer` receives its standard output and error unless the package redirects them.

    `notes` is where its program notes what it used, where the supervisor ran it (see `step_client`).
    """

    def __init__(
        self,
        step: str,
        command: str,
        emit: Emit,
        container: Container | None,
        time_limit_seconds: int | None,
        notes: Path | None = None,
        last_lines_seconds: float = LAST_LINES_SECONDS,
    ) -> None:
        self._step, self._emit, self._container, self._notes = step, emit, container, notes
        self._time_limit_seconds = time_limit_seconds or None
        self._late = False
        self.started, self._began = time.time(), time.monotonic()
        reader, writer = os.pipe()
        self.writer: IO[bytes] = os.fdopen(writer, "wb")
        self._printed = Printed(reader, last_lines_seconds)
        self._pump = threading.Thread(target=self._read, daemon=True)
        self._pump.start()
        emit(StepStarted(step, command, self.started))

    def _read(self) -> None:
        with self._printed as stream:
            for lines in iterate_lines(lambda: stream.read(_CHUNK_BYTES), LONGEST_LINE):
                self._emit(StepLines(self._step, lines))

    def wait(self, process: "subprocess.Popen[str]") -> None:
        """Wait for the step's process. Raises `WorkflowException` where it ended because of its time limit."""
        self.writer.close()
        self._wait_until_killed(process)
        limit = self._time_limit_seconds
        self._late = limit is not None and time.monotonic() - self._began >= limit
        try:
            # reports what the process and its children used, without sampling
            _, status, used = os.wait4(process.pid, 0)
        except ChildProcessError:  # its time limit expired just as it ended, and cwltool reaped it
            self._finish(process.wait(), Used())
        else:
            process.returncode, measured = self._conclude(os.waitstatus_to_exitcode(status), used)
            self._finish(process.returncode, measured)
        if self._late:
            raise WorkflowException(f"{self._step} was stopped after {limit} seconds")

    def _wait_until_killed(self, process: "subprocess.Popen[str]") -> None:
        if self._time_limit_seconds is None:
            return
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(process.pid)
            try:
                if not wait_until_readable([handle], self._time_limit_seconds + _GRACE_SECONDS):
                    self._kill(process.pid)
            finally:
                os.close(handle)

    def _kill(self, pid: int) -> None:
        if self._notes is not None:  # its program is the supervisor's
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, KILLED_BY)
            return
        if self._container is not None:
            self._container.kill()
            return
        for number in (pid, *descendants(pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, 9)

    def _conclude(self, code: int, used: resource.struct_rusage) -> tuple[int, Used]:
        """Return how the step ended, and what it used, of its program's exit code and usage."""
        if self._notes is not None:
            return code, _read_used(self._notes)
        if self._container is None:
            # a child begins as a copy of this process, and is charged with its size
            return code, _as_used(used, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        if self._container.monitor is None:
            return code, Used()
        end = self._container.monitor.conclude(code)
        # the monitor waited for podman's own clean-up as well, which is about as large as podman itself
        return end.code, _as_used(end.used, used.ru_maxrss * 5 // 4) if end.used else Used()

    def abandon(self) -> None:
        """Note that the step could not be started, unless it was."""
        if self._container and self._container.monitor:
            self._container.monitor.close()
        if not self.writer.closed:
            self.writer.close()
            self._finish(None, Used())

    def _finish(self, returned: int | None, used: Used) -> None:
        exit_code, ended = as_exit_code(returned), time.time()
        self._printed.note_end()
        self._pump.join()
        limit = self._container.memory_mib if self._container else None
        if limit and not self._late and _lacked_memory(exit_code, used, limit):
            self._emit(EngineLine("error", f"[job {self._step}] ran out of memory at its limit of {limit} MiB"))
        self._emit(StepEnded(self._step, self.started, ended, exit_code, used.cpu_seconds, used.peak_memory_mib))


def _as_used(used: resource.struct_rusage, others_kib: int) -> Used:
    """Read usage as Linux reports it."""
    return _build_used(used.ru_utime + used.ru_stime, used.ru_maxrss, others_kib)


def _read_used(file: Path) -> Used:
    """Read what the supervisor found out (see `step_process`)."""
    try:
        used = json.loads(file.read_bytes()).get("used")
    except OSError:
        return Used()
    return _build_used(used["cpu_seconds"], used["peak_kib"], used["others_kib"]) if used else Used()


def _build_used(cpu_seconds: float, peak_kib: int, others_kib: int) -> Used:
    """Build usage; a peak that may be another process's counts as unknown."""
    return Used(round(cpu_seconds, 3), round(peak_kib / 1024, 1) if peak_kib > others_kib else None)


def _lacked_memory(exit_code: int | None, used: Used, limit_mib: int) -> bool:
    peak = used.peak_memory_mib or 0
    return exit_code == KILLED or (bool(exit_code) and peak >= _NEARLY_ALL * limit_mib)
