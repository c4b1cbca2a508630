"""What a job of a ZOO service costs beside bare cwltool: an echo, and a tool that prints 200,000 lines.

    python -m bench.zoo [--url http://host:port] [--rounds 7] [--lines 200000] [--series 20]

Each round runs every command once, the next round in the opposite order. The service runs in the kernel's double; with
`--url` in that kernel too, where a job is measured by the clock from its submission to `successful`, as a client sees
it. `--series` runs that many echoes on the kernel and nothing else. Exits with 1 where a limit is missed: 1.3 times
cwltool for the lines, 1.5 s for an echo on a kernel.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.commands import build_environ, find_ratio, read_processor_seconds
from bench.options import whole
from tests.zoo_client import User, make_user
from zoo_runner.testing import KernelDouble

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = Path(sys.executable).parent
SITE_PACKAGES = [path for path in sys.path if path.endswith("site-packages")]
PAUSE_SECONDS = 0.1
ECHO_SECONDS, LINES_RATIO = 1.5, 1.3
BARE, COMMAND, DOUBLE, KERNEL = "cwltool", "zoo-runner run", "service, kernel's double", "service, kernel"


@dataclass(frozen=True)
class Work:
    """A package and its inputs."""

    process: str
    package: Path
    inputs: Mapping[str, Any]


@dataclass(frozen=True)
class Spent:
    """Seconds by the clock, and of the processor where they can be seen."""

    clock: float
    processor: float | None


Door = Callable[[Work], Spent]


def main() -> int:
    """Measure and print; 1 where a limit is missed."""
    parser = argparse.ArgumentParser(
        prog="bench.zoo", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--url", help="a running kernel; docs/zoo.md, Live tests, says what it needs")
    parser.add_argument("--rounds", type=whole(), default=7)
    parser.add_argument("--lines", type=whole(), default=200_000)
    parser.add_argument("--series", type=whole(0), default=0)
    given = parser.parse_args()
    echo = Work("echo", ROOT / "examples" / "echo" / "echo.cwl", {"message": "bench"})
    prints = Work("prints", ROOT / "tests/data/packages/kernel/prints.cwl", {"count": given.lines})
    with (
        tempfile.TemporaryDirectory(prefix="zoo-runner-bench-") as folder,
        opened_kernel(given.url, echo, prints) as on,
    ):
        if given.series:
            return run_series([on[KERNEL](echo).clock for _ in range(given.series)])
        doors = {**build_doors(Path(folder), echo, prints), **on}
        missed = [report(work, measure(doors, work, given.rounds)) for work in (echo, prints)]
    return int(any(missed))


def build_doors(folder: Path, *works: Work) -> dict[str, Door]:
    """Commands, and a service in the kernel's double, with folders of their own."""
    bare = [str(PROGRAMS / "cwltool"), "--no-container", "--outdir", str(folder / "bare")]
    command = [str(PROGRAMS / "zoo-runner"), "run", "--containers", "none", "--output", str(folder / "results")]
    environ = build_environ(folder)
    trusted = {"ZOO_RUNNER_ENGINE": "local", "ZOO_RUNNER_CONTAINERS": "none", "ZOO_RUNNER_ISOLATION": "trusted"}
    double = KernelDouble(folder / "kernel", environ=trusted, python_path=SITE_PACKAGES)
    for work in works:
        double.deploy("alice", work.package, work.process)

    def run(words: Sequence[str], work: Work) -> None:
        job_file = folder / f"{work.process}.json"
        job_file.write_text(json.dumps(work.inputs))
        last = [f"{work.package}#{work.process}", str(job_file)]
        subprocess.run([*words, *last], env=environ, cwd=folder, capture_output=True, check=True)

    def submit(work: Work) -> None:
        job = double.submit("alice", work.process, {"inputs": dict(work.inputs)}).wait()
        assert job.succeeded, job.message

    return {
        BARE: lambda work: spend(lambda: run(bare, work)),
        COMMAND: lambda work: spend(lambda: run(command, work)),
        DOUBLE: lambda work: spend(lambda: submit(work)),
    }


def spend(work: Callable[[], None]) -> Spent:
    """Measure what work takes, with all its children."""
    before, started = read_processor_seconds(), time.perf_counter()
    work()
    return Spent(time.perf_counter() - started, read_processor_seconds() - before)


@contextmanager
def opened_kernel(url: str | None, *works: Work) -> Iterator[dict[str, Door]]:
    """Deploy the packages on a running kernel; yields the door, or none without a kernel."""
    if url is None:
        yield {}
        return
    with make_user(url.rstrip("/"), "bench") as user:
        for work in works:
            answer = user.deploy(work.package)
            assert answer.code == 201, answer.body
        yield {KERNEL: lambda work: run_on_kernel(user, work)}


def run_on_kernel(user: User, work: Work) -> Spent:
    """Run a job on a kernel, and look at its status until it has ended, ten times a second."""
    started = time.perf_counter()
    last = user.execute(work.process, dict(work.inputs)).wait(pause_seconds=PAUSE_SECONDS)[-1]
    assert last["status"] == "successful", last
    return Spent(time.perf_counter() - started, None)


def measure(doors: Mapping[str, Door], work: Work, rounds: int) -> dict[str, list[Spent]]:
    """Run everything once for the caches, then round by round."""
    spent: dict[str, list[Spent]] = {name: [] for name in doors}
    for number in range(-1, rounds):
        for name in doors if number % 2 else reversed(list(doors)):
            once = doors[name](work)
            if number >= 0:
                spent[name].append(once)
    return spent


def report(work: Work, spent: Mapping[str, Sequence[Spent]]) -> bool:
    """Print a table of medians, beside cwltool; returns whether a limit is missed."""
    print(f"\n{work.process} {dict(work.inputs)}, {len(spent[BARE])} rounds, load {os.getloadavg()[0]:.1f}\n")
    print("| door | median, s | least | most | x cwltool | processor, s | x cwltool |\n|---|---|---|---|---|---|---|")
    ratios = [report_door(name, each, spent[BARE]) for name, each in spent.items()]
    if work.process == "prints":
        return max(ratios) > LINES_RATIO
    return KERNEL in spent and statistics.median(once.clock for once in spent[KERNEL]) > ECHO_SECONDS


def report_door(name: str, spent: Sequence[Spent], bare: Sequence[Spent]) -> float:
    """Print one row; returns how many times as long as cwltool it takes, by the processor where that can be seen."""
    clocks = [once.clock for once in spent]
    ratio = find_ratio(clocks, [once.clock for once in bare])
    worked = [once.processor for once in spent if once.processor is not None]
    row = f"| {name} | {statistics.median(clocks):.2f} | {min(clocks):.2f} | {max(clocks):.2f} | {ratio:.2f}"
    if not worked:
        print(f"{row} | | |")
        return ratio
    work = statistics.median(worked) / statistics.median(once.processor or 0 for once in bare)
    print(f"{row} | {statistics.median(worked):.2f} | {work:.2f} |")
    return work


def run_series(seconds: Sequence[float]) -> int:
    """Print a series of echoes on the kernel; 1 where their median is above the limit."""
    median = statistics.median(seconds)
    print(f"echo, {len(seconds)} jobs, median {median:.2f} s, {min(seconds):.2f} to {max(seconds):.2f} s")
    print(" ".join(f"{each:.2f}" for each in seconds))
    return int(median > ECHO_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
