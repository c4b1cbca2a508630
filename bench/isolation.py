"""What isolation costs: the examples in containers, trusted and isolated, paired in one go.

    python -m bench.isolation [--rounds 5] [--no-page]

Needs podman with the images of dev/images. Writes its part of docs/bench.md.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

from bench.commands import Command, Times, describe_machine, find_ratio, measure
from bench.options import whole
from bench.page import PAGE, write_part

EXAMPLES = Path(__file__).parents[1] / "examples"
LIMIT = 1.25
MODES = ("trusted", "isolated")


def main() -> int:
    """Measure, print the table, write the page; 1 where the limit is missed."""
    parser = argparse.ArgumentParser(
        prog="bench.isolation", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=whole(), default=5)
    parser.add_argument("--no-page", action="store_true", help="do not write docs/bench.md")
    given = parser.parse_args()
    rows = []
    for package in sorted(EXAMPLES.rglob("*.cwl")):
        if (package.parent / "inputs.yml").exists():
            with tempfile.TemporaryDirectory(prefix="zoo-runner-bench-") as folder:
                rows.append(
                    _build_row(
                        package.stem, measure(_build_commands(package, Path(folder)), Path(folder), given.rounds)
                    )
                )
            print(rows[-1], flush=True)
    if not given.no_page:
        write_part("Isolation", _build_page(rows, given.rounds))
        print(f"\nwritten to {PAGE.relative_to(EXAMPLES.parent)}")
    return 1 if any("missed" in row for row in rows) else 0


def _build_commands(package: Path, folder: Path) -> list[Command]:
    program = str(Path(sys.executable).parent / "zoo-runner")
    words = [program, "run", str(package), str(package.parent / "inputs.yml"), "--containers", "podman", "--quiet"]
    return [Command(mode, [*words, "--isolation", mode, "--output", str(folder / mode)]) for mode in MODES]


def _build_row(name: str, times: Mapping[str, Times]) -> str:
    trusted, isolated = (times[mode] for mode in MODES)
    ratio = find_ratio(isolated.clock, trusted.clock)
    clocks = " | ".join(f"{statistics.median(each.clock):.2f}" for each in (trusted, isolated))
    work = statistics.median(isolated.processor) / statistics.median(trusted.processor)
    return f"| `{name}` | {clocks} | {ratio:.2f} | {work:.2f} | {LIMIT} x, {'kept' if ratio <= LIMIT else 'missed'} |"


def _build_page(rows: list[str], rounds: int) -> str:
    head = [
        "| example | trusted, s | isolated, s | x trusted | processor, x trusted | limit |",
        "|---|---|---|---|---|---|",
    ]
    return (
        f"Written by `python -m bench.isolation` on {datetime.now(timezone.utc):%Y-%m-%d}: {rounds} rounds, medians;"
        f" {describe_machine()}.\n\n"
        + "\n".join([*head, *rows])
        + """

`zoo-runner run --containers podman`, once with `--isolation trusted` and once with `--isolation isolated`, as whole
processes. Both run the steps that name an image in it; isolated also runs the others in one, and has neither network
nor a step on this machine."""
    )


if __name__ == "__main__":
    sys.exit(main())
