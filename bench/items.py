"""Many STAC items with small assets from a server that takes its time: stage-in beside stac-asset and rclone.

    python -m bench.items [--rounds 3] [--seconds 0.1] [--no-page]

Each side brings all assets of 200 items of 10 assets each, 64 KiB, as whole processes. stac-asset gets the items from a
file that is there; ours reads them from the server; rclone lists the folders. Writes its part of docs/bench.md.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from urllib.request import urlopen

from bench.commands import describe_machine
from bench.options import whole
from bench.page import write_part
from bench.servers import find_free_port, find_program, run_server

ITEMS, ASSETS, SIZE_BYTES = 200, 10, 64 << 10
PEER = "stac-asset[cli]==0.4.8"
LIMIT = 1.5
TITLE = "Many small assets"


def main() -> int:
    """Measure, print the table, write it; 1 where a limit is missed."""
    parser = argparse.ArgumentParser(prog="bench.items", description=__doc__)
    parser.add_argument("--rounds", type=whole(), default=3)
    parser.add_argument("--seconds", type=float, default=0.1, help="until the server answers [default: 0.1]")
    parser.add_argument("--no-page", action="store_true", help="do not write docs/bench.md")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zoo-runner-bench-") as name, _serving(given.seconds) as url:
        table = _measure(Path(name), url, given.rounds)
    print(table)
    if not given.no_page:
        write_part(TITLE, _build_part(table, given.rounds, given.seconds))
    return 1 if "missed" in table else 0


def _measure(folder: Path, url: str, rounds: int) -> str:
    program = _install(folder / "stac-asset")
    items = folder / "all.json"
    with urlopen(f"{url}/all.json") as answer:
        items.write_bytes(answer.read())
    into = folder / "in"
    sides = {
        "zoo-runner's stage-in": [sys.executable, "-m", "stagein", "--quiet", f"{url}/all.json", "--output-folder"],
        "stac-asset": [str(program), "download", "--quiet", str(items)],
        "rclone": [find_program("rclone"), "copy", "--config=", f":http,url='{url}/':"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in sides if number % 2 else reversed(sides):
            seconds[name].append(_run([*sides[name], str(into)], into))
            print(f"bench: {name} {seconds[name][-1]:.2f} s", file=sys.stderr)
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    ours, *peers = medians
    lines = ["| what | s | its time, x ours |", "|---|---|---|", f"| {ours} | {medians[ours]:.2f} | |"]
    for name in peers:
        ratio = medians[name] / medians[ours]
        kept = "kept" if ratio >= LIMIT else "missed"
        lines.append(f"| {name} | {medians[name]:.2f} | {ratio:.2f} (limit {LIMIT} x, {kept}) |")
    return "\n".join(lines)


def _install(home: Path) -> Path:
    print(f"bench: making an environment with {PEER}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    subprocess.run([str(home / "bin" / "pip"), "install", "--quiet", PEER], check=True)
    return home / "bin" / "stac-asset"


def _run(command: Sequence[str], into: Path) -> float:
    """Run a command in an empty folder, check what it brings, and remove it; seconds of the whole process."""
    into.mkdir()
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    sizes = [path.stat().st_size for path in into.rglob("*.bin")]
    if done.returncode or (len(sizes), set(sizes)) != (ITEMS * ASSETS, {SIZE_BYTES}):
        sys.exit(f"bench: {command[0]} ended with {done.returncode}, {len(sizes)} files:\n{done.stderr}")
    shutil.rmtree(into)
    return seconds


@contextmanager
def _serving(seconds: float) -> Iterator[str]:
    port = find_free_port()
    variables = [f"SECONDS={seconds}", f"ITEMS={ITEMS}", f"ASSETS={ASSETS}"]
    uvicorn = [sys.executable, "-m", "uvicorn", "bench.slow_items:app", "--log-level", "error", "--port", str(port)]
    with run_server(["env", *variables, *uvicorn], port):
        yield f"http://127.0.0.1:{port}"


def _build_part(table: str, rounds: int, seconds: float) -> str:
    return f"""Written by `python -m bench.items` on {datetime.now(timezone.utc):%Y-%m-%d}: {rounds} rounds, medians of
whole processes; {describe_machine()}.

{table}

{ITEMS} STAC items of {ASSETS} assets each, 64 KiB, from a server that answers each request after {seconds:g} s, and
shares the processors with it. stac-asset gets the items from a file that is there; ours reads them from the server;
rclone lists the folders. All have their default settings."""


if __name__ == "__main__":
    sys.exit(main())
