"""Large jobs beside cwltool, paired in one go: many files, many steps, a long job order, many runs at once.

    python -m bench.scale [--rounds 5] [--case files|scatter|order|runs|lines] [--no-page]

A round runs both commands, the next round in the opposite order. Time is that of whole processes; memory is the largest
sum over all processes of a command that was seen at once, with shared pages counted once (PSS). Writes a part of
docs/bench.md.
"""

import argparse
import json
import os
import platform
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from bench.commands import build_environ, describe_machine, find_ratio, read_processor_seconds
from bench.options import whole
from bench.page import write_part

PROGRAMS = Path(sys.executable).parent
FILES, STEPS, ORDER_MIB, RUNS, LINES = 20_000, 500, 10, 20, 2_000_000
_LOOK_SECONDS = 0.25

MANY_FILES = f"""
cwlVersion: v1.2
class: CommandLineTool
id: files
baseCommand: [sh, -c]
arguments:
  - mkdir tiles && cd tiles && awk 'BEGIN {{for (i = 0; i < {FILES}; i++) {{f = i ".txt"; print i > f; close(f)}}}}'
inputs: []
outputs: {{tiles: {{type: Directory, outputBinding: {{glob: tiles}}}}}}
"""
SCATTER = """
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: scatter
    requirements: {ScatterFeatureRequirement: {}}
    inputs: {numbers: "int[]"}
    outputs: {texts: {type: "string[]", outputSource: say/text}}
    steps:
      say: {run: "#say", scatter: number, in: {number: numbers}, out: [text]}
  - class: CommandLineTool
    id: say
    baseCommand: [echo, -n]
    stdout: out.txt
    inputs: {number: {type: int, inputBinding: {}}}
    outputs:
      text: {type: string, outputBinding: {glob: out.txt, loadContents: true, outputEval: "$(self[0].contents)"}}
"""
LONG_ORDER = """
cwlVersion: v1.2
class: CommandLineTool
id: order
baseCommand: [echo, done]
stdout: out.txt
inputs: {numbers: "int[]"}
outputs: {text: stdout}
"""
MANY_LINES = f"""
cwlVersion: v1.2
class: CommandLineTool
id: lines
baseCommand: [awk, 'BEGIN {{for (i = 0; i < {LINES}; i++) print "tile " i " of the mosaic is written"}}']
inputs: []
outputs: []
"""
ECHO = """
cwlVersion: v1.2
class: CommandLineTool
id: echo
baseCommand: [echo, hello]
stdout: out.txt
inputs: []
outputs: {text: stdout}
"""


@dataclass(frozen=True)
class Case:
    """A package with its job order, run so many times at once; limits are ratios to cwltool, or seconds without it."""

    name: str
    package: str
    order: Mapping[str, object]
    entry: str = ""
    runs: int = 1
    most_time: float = 1.0
    most_memory: float | None = None
    most_seconds: float | None = None


CASES = {
    "files": Case(f"a folder of {FILES:,} files as output", MANY_FILES, {}, most_time=2.0),
    "scatter": Case(f"a scatter of {STEPS}", SCATTER, {"numbers": list(range(STEPS))}, "scatter", most_time=1.2),
    "order": Case(
        f"a job order with an array of {ORDER_MIB} MiB",
        LONG_ORDER,
        {"numbers": [1_000_000] * (ORDER_MIB * 2**20 // len("1000000, "))},
        most_seconds=5.0,
    ),
    "runs": Case(f"{RUNS} runs at once", ECHO, {}, runs=RUNS, most_time=1.0, most_memory=1.0),
    "lines": Case(f"a tool that prints {LINES:,} lines", MANY_LINES, {}, most_time=1.5),
}


@dataclass(frozen=True)
class Cost:
    """What one command took: seconds by the clock and of the processor, and MiB at once."""

    seconds: float
    processor: float
    memory_mib: float


def main() -> int:
    """Measure, print the table, write the page; 1 where a limit is missed."""
    parser = argparse.ArgumentParser(prog="bench.scale", description=__doc__)
    parser.add_argument("--rounds", type=whole(), default=5)
    parser.add_argument("--case", choices=CASES, action="append", help="only these")
    parser.add_argument("--no-page", action="store_true", help="do not write docs/bench.md")
    given = parser.parse_args()
    table = "\n".join(
        [*_HEAD, *(_build_row(CASES[name], *measure_case(CASES[name], given.rounds)) for name in given.case or CASES)]
    )
    print(table)
    if not given.no_page:
        write_part("Scale", _build_page(table, given.rounds))
    return 1 if "missed" in table else 0


_HEAD = (
    "| case | ours, s | cwltool, s | x cwltool | processor s, ours : cwltool | x cwltool | MiB, ours : cwltool"
    " | x cwltool | limit |",
    "|---|---|---|---|---|---|---|---|---|",
)


def measure_case(case: Case, rounds: int) -> tuple[Sequence[Cost], Sequence[Cost]]:
    """Measure a case: what ours and theirs cost in each round; of theirs nothing where the limit is one of seconds."""
    ours: list[Cost] = []
    theirs: list[Cost] = []
    with tempfile.TemporaryDirectory(prefix="zoo-runner-scale-") as folder:
        words = _write(case, Path(folder))
        for number in range(rounds + 1):
            place = Path(folder, str(number))
            place.mkdir()
            sides = [(ours, _build_ours(case, words, place))]
            if case.most_seconds is None:
                sides.append((theirs, _build_theirs(case, words, place)))
            for costs, commands in sides if number % 2 else reversed(sides):
                cost = _run(commands, Path(folder))
                if number:  # the first round reads the programs, and resolves the package
                    costs.append(cost)
            shutil.rmtree(place)
    return ours, theirs


def _write(case: Case, folder: Path) -> list[str]:
    """Write package and job order; return the words that name them."""
    (folder / "package.cwl").write_text(case.package)
    (folder / "order.json").write_text(json.dumps(case.order))
    entry = f"#{case.entry}" if case.entry else ""
    return [f"{folder / 'package.cwl'}{entry}", str(folder / "order.json")]


def _build_ours(case: Case, words: Sequence[str], folder: Path) -> list[Sequence[str]]:
    start = [str(PROGRAMS / "zoo-runner"), "run", *words, "--containers", "none", "--quiet", "--output"]
    return [[*start, str(folder / f"ours-{number}")] for number in range(case.runs)]


def _build_theirs(case: Case, words: Sequence[str], folder: Path) -> list[Sequence[str]]:
    start = [str(PROGRAMS / "cwltool"), "--no-container", "--quiet", "--outdir"]
    return [[*start, str(folder / f"theirs-{number}"), *words] for number in range(case.runs)]


def _run(commands: Iterable[Sequence[str]], folder: Path) -> Cost:
    """Run commands at once, to their end."""
    environ = build_environ(folder)
    begun, used = time.perf_counter(), read_processor_seconds()
    said = folder / "said.txt"
    with said.open("wb") as stream:
        running = [
            subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=stream)
            for command in commands
        ]
        memory_mib = _watch(running)
    seconds = time.perf_counter() - begun
    if any([process.wait() for process in running]):
        sys.exit(f"bench: {running[0].args!r} failed:\n{said.read_text()}")
    return Cost(seconds, read_processor_seconds() - used, memory_mib)


def _watch(running: Sequence["subprocess.Popen[bytes]"]) -> float:
    """Wait until all processes have ended; return the most memory (MiB) that they and their children had at once."""
    ends = {os.pidfd_open(process.pid): process for process in running}
    most = 0.0
    while ends:
        ended, _, _ = select.select(list(ends), [], [], _LOOK_SECONDS)
        for handle in ended:
            os.close(handle)
            ends.pop(handle)
        most = max(most, sum(map(_read_memory_mib, _find_descendants(process.pid for process in ends.values()))))
    return most


def _find_descendants(roots: Iterable[int]) -> set[int]:
    found, waiting = set[int](), list(roots)
    while waiting:
        process = waiting.pop()
        found.add(process)
        with suppress(OSError):  # it has ended meanwhile
            for children in list(Path(f"/proc/{process}/task").glob("*/children")):
                waiting += map(int, children.read_text().split())
    return found


def _read_memory_mib(process: int) -> float:
    """Read the proportional set size of a process (proc_pid_smaps(5)); 0 once it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def _build_row(case: Case, ours: Sequence[Cost], theirs: Sequence[Cost]) -> str:
    def cells(name: str, digits: int) -> tuple[str, str, float | None]:
        left = [getattr(cost, name) for cost in ours]
        right = [getattr(cost, name) for cost in theirs]
        if not right:
            return f"{statistics.median(left):.{digits}f}", "", None
        return (
            f"{statistics.median(left):.{digits}f}",
            f"{statistics.median(right):.{digits}f}",
            find_ratio(left, right),
        )

    seconds, processor, memory = cells("seconds", 2), cells("processor", 2), cells("memory_mib", 0)
    limits = list(_judge(case, seconds, memory[2]))
    pairs = (f"{' : '.join(filter(None, cell[:2]))} | {_show(cell[2])}" for cell in (processor, memory))
    row = [case.name, seconds[0], seconds[1], _show(seconds[2]), *pairs, "; ".join(limits)]
    return f"| {' | '.join(row)} |"


def _judge(case: Case, seconds: tuple[str, str, float | None], memory: float | None) -> Iterable[str]:
    """Say whether the limits of a case are kept."""
    if case.most_seconds is not None:
        yield f"{case.most_seconds:g} s, {_say(float(seconds[0]) <= case.most_seconds)}"
    if seconds[2] is not None:
        yield f"time {case.most_time:g} x, {_say(seconds[2] <= case.most_time)}"
    if case.most_memory is not None and memory is not None:
        yield f"memory {case.most_memory:g} x, {_say(memory <= case.most_memory)}"


def _say(kept: bool) -> str:
    return "kept" if kept else "missed"


def _show(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _build_page(table: str, rounds: int) -> str:
    machine = f"{describe_machine()}; Python {platform.python_version()}"
    return f"""
Written by `python -m bench.scale` on {datetime.now(timezone.utc):%Y-%m-%d}: {rounds} rounds, medians; {machine}.

{table}

*x cwltool*: the median of the ratios of the rounds, each of `zoo-runner run --containers none` beside `cwltool
--no-container`, one after the other. Memory is that of all processes of a command at once, shared pages counted once
(PSS), looked at four times a second. The package was read before and has not changed. cwltool alone takes minutes for
the long job order and is not run there. Of the many lines cwltool keeps none, and ours the first 64 MiB twice.
"""


if __name__ == "__main__":
    sys.exit(main())
