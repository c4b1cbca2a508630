"""What the HTTP server costs: executions beside bare cwltool, reads beside pygeoapi and wraptile, viewers of a log.

    python -m bench.api [--rounds 7] [--jobs 200] [--viewers 200] [--no-page]

The peers are installed by pip into an environment of their own below the temporary folder. Requests are sent by
ApacheBench (`ab`) or over plain connections from this process. Exits with 1 where a limit is missed, and writes its
part of docs/bench.md.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from time import perf_counter

from bench.api_peers import PROCESSES, measure_reads
from bench.api_viewers import measure_viewers
from bench.commands import build_environ, describe_machine, find_ratio, read_mib
from bench.options import whole
from bench.page import write_part
from tests.serving import ASYNC, CWL, Server, serving
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parents[1]
ECHO = ROOT / "examples" / "echo" / "echo.cwl"
TITLE = "The HTTP server"
WORKERS = 2
LONGEST_SECONDS = 600


@dataclass(frozen=True)
class Row:
    """One line of the table: what was measured, and whether its limit is kept."""

    what: str
    found: str
    limit: str
    kept: bool

    def __str__(self) -> str:
        return f"| {self.what} | {self.found} | {self.limit}, {'kept' if self.kept else 'missed'} |"


def main() -> int:
    """Measure, print, write the page; 1 where a limit is missed."""
    parser = argparse.ArgumentParser(prog="bench.api", description=__doc__)
    parser.add_argument("--rounds", type=whole(), default=7)
    parser.add_argument("--jobs", type=whole(), default=200)
    parser.add_argument("--viewers", type=whole(), default=200)
    parser.add_argument("--no-page", action="store_true", help="do not write docs/bench.md")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zoo-runner-bench-") as folder:
        rows = []
        for row in _measure(Path(folder), given.rounds, given.jobs, given.viewers):
            print(row, flush=True)
            rows.append(row)
    table = "\n".join(["| what | found | limit |", "|---|---|---|", *map(str, rows)])
    if not given.no_page:
        write_part(TITLE, _build_part(table, given.rounds))
    return 0 if all(row.kept for row in rows) else 1


def _measure(folder: Path, rounds: int, jobs: int, viewers: int) -> Iterator[Row]:
    environ = build_server_environ(folder)
    yield from _measure_start(environ, folder, rounds)
    with serving_echo(environ, folder) as server:
        yield _measure_deployments(server, rounds)
        yield _measure_execution(server, folder, rounds)
        for number in range(1, PROCESSES):
            _deploy(server, number)
        for read in measure_reads(server.url, folder, rounds):
            name = f"GET {read.path}, requests per second beside {read.peer}"
            yield Row(name, f"{read.rates}: {read.ratio:.2f} x", f"{read.limit} x", read.ratio >= read.limit)
    with serving_echo({**environ, "ZOO_RUNNER_WORKERS": str(WORKERS)}, folder) as server:
        yield _measure_burst(server, folder, jobs)
        mib, ratio = measure_viewers(server, viewers, rounds)
        yield Row(f"memory of each of {viewers} viewers of one live log", f"{mib:.2f} MiB", "1 MiB", mib <= 1)
        yield Row(
            "time of that job beside one that nobody views",
            f"{ratio:.2f} x",
            "1.05 x",
            ratio <= 1.05,
        )


def build_server_environ(folder: Path) -> dict[str, str]:
    """Build the environment of a server that runs trusted packages without containers."""
    return {
        **build_environ(folder),
        "ZOO_RUNNER_CONTAINERS": "none",
        "ZOO_RUNNER_ISOLATION": "trusted",
        "ZOO_RUNNER_RESULTS_FOLDER": str(folder / "results"),
    }


@contextmanager
def serving_echo(environ: Mapping[str, str], folder: Path) -> Iterator[Server]:
    """Start a server that has the echo package; it stops at the end."""
    with serving(environ, folder) as server:
        wait_for(lambda: server.request("GET", "/health").status == 200, LONGEST_SECONDS)
        if server.request("GET", "/processes/echo").status == 404:
            server.deploy(ECHO)
        yield server


def _measure_start(environ: Mapping[str, str], folder: Path, rounds: int) -> Iterator[Row]:
    seconds, sizes = [], []
    for _ in range(rounds + 1):
        started = perf_counter()
        with serving(environ, folder) as server:
            assert server.request("GET", "/health/ready").status == 200
            seconds.append(perf_counter() - started)
            wait_for(lambda: server.request("GET", "/health").status == 200, LONGEST_SECONDS)
            sizes.append(sum(map(read_mib, (server.process.pid, *server.find_workers()))))
    # the first start creates the database
    took, size = statistics.median(seconds[1:]), max(sizes)
    yield Row("`serve` until it answers", f"{took:.2f} s", "2 s", took < 2)
    yield Row("memory of `serve` and its worker (proportional set size)", f"{size:.0f} MiB", "150 MiB", size < 150)


def _measure_deployments(server: Server, rounds: int) -> Row:
    seconds = []
    for number in range(1, rounds + 3):
        started = perf_counter()
        _deploy(server, number)
        seconds.append(perf_counter() - started)
        server.request("DELETE", f"/processes/echo{number}")
    took = statistics.median(seconds[2:])
    return Row("deployment of a package", f"{took:.2f} s", "0.35 s", took <= 0.35)


def _deploy(server: Server, number: int) -> None:
    body = ECHO.read_text().replace("id: echo", f"id: echo{number}").encode()
    assert server.request("POST", "/processes", body, {"Content-Type": CWL}).status == 201


def _measure_execution(server: Server, folder: Path, rounds: int) -> Row:
    ours, bare = time_executions(server, folder, rounds)
    ratio = find_ratio(ours, bare)
    text = f"{statistics.median(ours):.2f} s, cwltool {statistics.median(bare):.2f} s: {ratio:.2f} x"
    return Row("POST execution until successful", text, "1.0 x", ratio <= 1.0)


def time_executions(server: Server, folder: Path, rounds: int) -> tuple[Sequence[float], Sequence[float]]:
    """Time executions of the echo package: seconds over HTTP, and of cwltool, in each round."""
    sides: dict[Callable[[Server, Path], None], list[float]] = {_execute: [], _run_bare: []}
    for number in range(rounds):
        for measure in sides if number % 2 else reversed(sides):
            started = perf_counter()
            measure(server, folder)
            sides[measure].append(perf_counter() - started)
    return sides[_execute], sides[_run_bare]


def _execute(server: Server, _: Path) -> None:
    answer = server.request("POST", "/processes/echo/execution", {"inputs": {"message": "bench"}})
    assert answer.status == 200, answer.body


def _run_bare(_: Server, folder: Path) -> None:
    programs = Path(sys.executable).parent
    out = tempfile.mkdtemp(dir=folder)
    package = [f"{ECHO}#echo", str(ECHO.with_name("inputs.yml"))]
    words = [str(programs / "cwltool"), "--no-container", "--quiet", "--outdir", out, *package]
    subprocess.run(words, capture_output=True, check=True)


def _measure_burst(server: Server, folder: Path, count: int) -> Row:
    """Submit all at once; the other side runs as many commands, two at a time."""

    def submit(_: int) -> str:
        answer = server.request("POST", "/processes/echo/execution", {}, ASYNC)
        assert answer.status == 201, answer.body
        return str(answer.json["jobID"])

    started = perf_counter()
    with ThreadPoolExecutor(count) as pool:
        jobs = set(pool.map(submit, range(count)))
    # looking takes from what is measured: one short question, twenty times a second at most
    wait_for(lambda: _count_active(server) == 0, LONGEST_SECONDS)
    ours = perf_counter() - started
    good = sum(server.wait(job)["status"] == "successful" for job in jobs)
    started = perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: _run_bare(server, folder), range(count)))
    bare = perf_counter() - started
    rates = f"{count / ours:.2f} jobs/s, cwltool {count / bare:.2f}: {bare / ours:.2f} x; {good} successful"
    return Row(f"{count} executions at once, {WORKERS} workers", rates, "1.5 x", good == count and bare / ours >= 1.5)


def _count_active(server: Server) -> int:
    return int(server.request("GET", "/jobs?status=accepted,running&limit=1").json["numberTotal"])


def _build_part(table: str, rounds: int) -> str:
    today = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    return f"""Written by `python -m bench.api` on {today}: {rounds} rounds, medians; {describe_machine()}.

{table}

SQLite and the local engine, without containers; the package is `examples/echo`. Each round measures both sides, the
next one in the opposite order; a ratio is the median of the ratios of the rounds. Reads: `ab` with 8 connections that
are kept, 12 processes on each server, each in one process of the system. The first deployments are not counted: they
start the process that the others use."""


if __name__ == "__main__":
    sys.exit(main())
