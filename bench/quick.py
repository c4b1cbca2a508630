"""A few ratios to cwltool in under five minutes, beside those recorded last: a change that costs more is seen.

    python -m bench.quick [--rounds 5] [--record]

Each is the median of paired rounds, so that a slower machine has the same. What is a tenth above the last record is
marked; the exit status says nothing of it, because machines of a CI are busy. --record adds a row to
docs/bench-history.md, for the commit that it is made with.
"""

import argparse
import sys
import tempfile
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

from bench.__main__ import BARE, LIMITS, ROOT, build_commands
from bench.api import build_server_environ, serving_echo, time_executions
from bench.commands import find_ratio, measure
from bench.options import whole
from bench.scale import CASES, measure_case

HISTORY = ROOT / "docs" / "bench-history.md"
RESOLVED, FIRST_USE = LIMITS
SEEN = 1.1


def main() -> int:
    """Measure, print each ratio beside the last record, and record on request; 0 in any case."""
    parser = argparse.ArgumentParser(
        prog="bench.quick", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=whole(), default=5)
    parser.add_argument("--record", action="store_true", help="add a row to docs/bench-history.md")
    given = parser.parse_args()
    ratios, before = _measure(given.rounds), read_last(HISTORY.read_text())
    for name, ratio in ratios.items():
        print(f"bench: {name}: {ratio:.2f} x cwltool{compare(ratio, before.get(name))}")
    if given.record:
        text = HISTORY.read_text().rstrip()
        HISTORY.write_text(f"{text}\n{build_row(ratios, f'{datetime.now(timezone.utc):%Y-%m-%d}')}\n")
    return 0


def compare(ratio: float, before: float | None) -> str:
    """Say how a ratio stands to the one recorded last."""
    if before is None:
        return ""
    change = f", {before:.2f} x in the last record"
    return f"{change}: {ratio / before - 1:.0%} more" if ratio > before * SEEN else change


def read_last(page: str) -> Mapping[str, float]:
    """Read the last row of the history: ratio by the name of its column; empty where there is none."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("|")]
    if len(rows) < 3:
        return {}
    return {name: float(cell) for name, cell in zip(rows[0][1:], rows[-1][1:], strict=True) if cell}


def build_row(ratios: Mapping[str, float], day: str) -> str:
    """Build a row of the history."""
    return f"| {day} | {' | '.join(f'{ratio:.2f}' for ratio in ratios.values())} |"


def _measure(rounds: int) -> dict[str, float]:
    found = {}
    with tempfile.TemporaryDirectory(prefix="zoo-runner-bench-") as name:
        folder = Path(name)
        times = measure(build_commands(folder), folder, rounds)
        for title, command in (("run", RESOLVED), ("first use", FIRST_USE)):
            found[title] = find_ratio(times[command].clock, times[BARE].clock)
            found[f"{title}, processor"] = find_ratio(times[command].processor, times[BARE].processor)
        with serving_echo(build_server_environ(folder), folder) as server:
            found["execution over HTTP"] = find_ratio(*time_executions(server, folder, rounds))
    for case in ("scatter", "lines"):
        ours, theirs = measure_case(CASES[case], max(1, rounds // 3))
        found[case] = find_ratio([cost.seconds for cost in ours], [cost.seconds for cost in theirs])
        found[f"{case}, processor"] = find_ratio([c.processor for c in ours], [c.processor for c in theirs])
    return found


if __name__ == "__main__":
    sys.exit(main())
