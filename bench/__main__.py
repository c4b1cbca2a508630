"""What a run costs around the tool that it runs: `zoo-runner run` beside bare cwltool, paired in one go.

    python -m bench [--rounds 11] [--no-page]

Each round runs every command once, the next round in the opposite order, so that what the machine does besides hits
all of them alike. A figure is the time of a whole process from start to end. Writes docs/bench.md.
"""

import argparse
import platform
import statistics
import sys
import tempfile
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from bench.commands import Command, Times, describe_machine, find_ratio, measure
from bench.options import whole
from bench.page import PAGE, write_part

ROOT = Path(__file__).parents[1]
ECHO = [str(ROOT / "examples" / "echo" / name) for name in ("echo.cwl#echo", "inputs.yml")]
BARE = "cwltool --no-container"
LIMITS = {
    "zoo-runner run, package resolved": 1.3,
    "zoo-runner run, first use": 2.0,
}
HELP = "zoo-runner --help"
HELP_SECONDS = 0.3


def main() -> int:
    """Measure, print the table, write the page; 1 where a limit is missed."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=whole(), default=11)
    parser.add_argument("--no-page", action="store_true", help="do not write docs/bench.md")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zoo-runner-bench-") as folder:
        times = measure(build_commands(Path(folder)), Path(folder), given.rounds)
    table = _build_table(times)
    print(table)
    if not given.no_page:
        write_part(None, _build_page(table, given.rounds))
        print(f"\nwritten to {PAGE.relative_to(ROOT)}")
    return 1 if "missed" in table else 0


def build_commands(folder: Path) -> list[Command]:
    """Build what is compared: cwltool, ours with the package resolved and not, and the help."""
    programs = Path(sys.executable).parent
    ours = [str(programs / "zoo-runner"), "run", *ECHO, "--containers", "none", "--quiet", "--output"]
    resolved, first = LIMITS
    return [
        Command(
            BARE, [str(programs / "cwltool"), "--no-container", "--quiet", "--outdir", str(folder / "bare"), *ECHO]
        ),
        Command(resolved, [*ours, str(folder / "resolved")]),
        Command(first, [*ours, str(folder / "first")], fresh=True),
        Command(HELP, [str(programs / "zoo-runner"), "--help"]),
    ]


def _build_table(times: Mapping[str, Times]) -> str:
    bare = times[BARE]
    rows = [
        "| command | median, s | least | most | x cwltool | processor, s | x cwltool | limit |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, each in times.items():
        clock, processor = statistics.median(each.clock), statistics.median(each.processor)
        ratio = find_ratio(each.clock, bare.clock)
        work = processor / statistics.median(bare.processor)
        rows.append(
            f"| `{name}` | {clock:.2f} | {min(each.clock):.2f} | {max(each.clock):.2f} | {ratio:.2f}"
            f" | {processor:.2f} | {work:.2f} | {_judge(name, clock, ratio)} |"
        )
    return "\n".join(rows)


def _judge(name: str, seconds: float, ratio: float) -> str:
    """Say whether a limit is kept, by the clock: on a busy machine the seconds of `--help` tell of others too."""
    if name == HELP:
        return f"{HELP_SECONDS} s, {'kept' if seconds <= HELP_SECONDS else 'missed'}"
    if name in LIMITS:
        return f"{LIMITS[name]} x, {'kept' if ratio <= LIMITS[name] else 'missed'}"
    return ""


def _build_page(table: str, rounds: int) -> str:
    software = f"Python {platform.python_version()}, cwltool {version('cwltool')}, zoo-runner {version('zoo-runner')}"
    today = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    return f"""# What a run costs

Written by `make bench` on {today}: {rounds} rounds, medians; {describe_machine()}; {software}.

{table}

The package has one `echo` step (`examples/echo`) and runs without containers. Each round runs every command once, in
a different order; a ratio is the median of the ratios of the rounds. *Package resolved*: the package was read before
and has not changed. *First use*: the package cache is empty, so the package is also read, checked, resolved and
packed. Beside what cwltool does, `zoo-runner run` checks the inputs, the package and the destination, runs cwltool in
a process of its own under a supervisor, stages the results out as STAC, and writes logs, usage and the job. A load
above the number of cores means that other programs ran at the same time: the seconds are then too high, and the
ratios less so, because both sides wait.

Further measurements, each beside a peer: `python -m bench.api` (the HTTP server beside cwltool, pygeoapi and wraptile),
`python -m bench.job_list` (lists of 100,000 jobs on both databases), `python -m bench.pages` (pages in a browser),
`python -m bench.authorisation` (what tokens and a policy add to a request, with 1,000 workspaces),
`python -m bench.staging` (data in and out beside rclone), `python -m bench.isolation` (isolated beside trusted jobs),
`python bench/kernel.py` (a service in ZOO's kernel), `python -m bench.zoo` (a service beside cwltool, also a tool that
prints 200,000 lines), `python -m bench.cluster` (jobs on Kubernetes),
`python -m bench.trace` (where the time of a job goes).
"""


if __name__ == "__main__":
    sys.exit(main())
