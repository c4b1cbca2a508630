"""The phases of one command on this machine, as the lines that it prints show them."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.commands import build_environ, read_processor_seconds
from bench.trace_pods import Trace

_ECHO = str(Path(__file__).resolve().parents[1] / "examples" / "echo" / "echo.cwl")


@dataclass(frozen=True)
class Traced:
    """A command, and the words of the lines with which its phases end."""

    words: tuple[str, ...]
    ends: Mapping[str, str]


START, LOADED = "Python and its modules started", "package read and checked, step prepared"
STEP, AFTER = "the step has ended", "results and end"
ZOO_RUNNER = Traced(
    ("-m", "zoo_runner", "run", _ECHO, "--containers", "none", "--isolation", "trusted", "-o", "out"),
    {"job ": START, "step write begins": LOADED, "step write ends": STEP},
)
CWLTOOL = Traced(
    ("-m", "cwltool", "--no-container", "--outdir", "out-cwltool", f"{_ECHO}#echo"),
    {"Resolved ": START, "[job write] /": LOADED, "[job write] completed": STEP},
)


def trace_command(traced: Traced, folder: Path) -> Trace:
    """Run a command and measure its phases; ends this program where it fails."""
    environ = {**build_environ(folder), "ZOO_RUNNER_CACHE": str(folder / "cache"), "PYTHONUNBUFFERED": "1"}
    trace, waiting = Trace(), dict(traced.ends)
    begun, used, before = time.monotonic(), 0.0, read_processor_seconds()
    command = [sys.executable, *traced.words]
    said: list[str] = []
    with subprocess.Popen(
        command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        for line in process.stderr:
            said.append(line)
            if found := next((words for words in waiting if words in line), None):
                now, busy = time.monotonic(), _read_seconds(process.pid)
                trace.phases[waiting.pop(found)] = (now - begun, busy - used)
                begun, used = now, busy
    if process.returncode or waiting:
        sys.exit(f"bench: {' '.join(command)} said:\n{''.join(said)}{os.linesep}and not {list(waiting)}")
    trace.phases[AFTER] = (time.monotonic() - begun, read_processor_seconds() - before - used)
    return trace


def _read_seconds(pid: int) -> float:
    """Read the processor seconds of a process and all that it has started."""
    process = psutil.Process(pid)
    tree = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return float(sum(each.user + each.system + each.children_user + each.children_system for each in tree))
