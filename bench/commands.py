"""Times commands of `zoo-runner` and its peers in rounds, each in a process of its own."""

import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Command:
    """A command with what it may find from former rounds: `fresh` takes its package cache away.

    `environ` is added to the environment.
    """

    name: str
    words: Sequence[str]
    fresh: bool = False
    environ: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Times:
    """Seconds of each round: by the clock, and of the processor with all children."""

    clock: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)


def measure(commands: Sequence[Command], folder: Path, rounds: int) -> Mapping[str, Times]:
    """Run every command once in each round, the next round in the opposite order; once before, uncounted."""
    times = {command.name: Times() for command in commands}
    for command in commands:
        _run(command, folder)  # compiled modules and disk caches are there for all of them
    for number in range(rounds):
        for command in commands if number % 2 else reversed(commands):
            clock, processor = _run(command, folder)
            times[command.name].clock.append(clock)
            times[command.name].processor.append(processor)
    return times


def _run(command: Command, folder: Path) -> tuple[float, float]:
    cache = folder / ("cache-fresh" if command.fresh else "cache")
    shutil.rmtree(folder / "cache-fresh", ignore_errors=True)
    environ = {**build_environ(folder), "ZOO_RUNNER_CACHE": str(cache), **command.environ}
    before, started = read_processor_seconds(), time.perf_counter()
    done = subprocess.run(command.words, env=environ, cwd=folder, capture_output=True, text=True, check=False)
    clock = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"bench: {command.name} failed:\n{done.stderr}")
    return clock, read_processor_seconds() - before


def build_environ(folder: Path) -> dict[str, str]:
    """Build the environment of a user whose installation lies in this folder, with modules that are compiled once."""
    places = {f"ZOO_RUNNER_{name}": str(folder / name.lower()) for name in ("TEMP", "STATE", "SCRATCH", "CACHE")}
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "", **places}  # noqa: TID251 as a user's shell hands it on


def read_processor_seconds() -> float:
    """Read what all children of this process have used that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def find_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Find the median of the ratios of the rounds."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def read_mib(pid: int, kind: str = "Pss") -> float:
    """Read the proportional or resident (`Rss`) size of a process."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")) / 1024


def describe_machine() -> str:
    """Describe the machine and its load."""
    return f"{os.cpu_count()} cores of {_read_processor()}, load {os.getloadavg()[0]:.1f} at the end"


def _read_processor() -> str:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return names[0] if names else platform.machine()
