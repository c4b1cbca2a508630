"""Thousands of jobs on a simulated Kubernetes: what the service, its API server and its database do for each of them.

    python -m bench.scale_kubernetes [--jobs 500 1000 2000 5000] [--nodes 1000] [--pods 10000] [--no-page]

A server with one worker accepts so many jobs over HTTP, as fast as it does, and runs them to their end on a cluster of
its own (bench/simulated_cluster.py): etcd, API server, controllers and scheduler are real, nodes and pods are played by
kwok, and the logs of the pods, with their results, by this program. Each number of jobs is a run of its own on the same
cluster. With `--followed 2000` the first run has as many jobs whose pods do not end before all of them run.

Needs the servers of `make cluster` (it may run, and is not touched) and `make postgres`. Try it with `--jobs 100
--nodes 20 --pods 100 --followed 0 --no-page`, which takes a minute. Exits with 1 where a limit is missed, and writes
its part of docs/scale.md and the plot docs/images/scale.svg.
"""

import argparse
import json
import signal
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import psycopg

from bench.commands import build_environ, describe_machine, read_mib
from bench.options import whole
from bench.own_database import use_database
from bench.page import SCALE, write_part
from bench.peers import ROOT
from bench.plot import Line, write_plot
from bench.simulated_cluster import SimulatedCluster, simulate_cluster
from tests.servers import S3Server, serve_s3
from tests.serving import ASYNC, Server, serving

TITLE = "Many jobs on Kubernetes"
PLOT = SCALE.parent / "images" / "scale.svg"
ECHO = ROOT / "examples" / "echo" / "echo.cwl"
MOST_THREADS, MOST_MIB = 60, 500.0
MOST_REQUESTS, MOST_WRITES = 25.0, 60.0
# a second, of a job in which nothing happens: its lease
MOST_IDLE_WRITES = 0.2
SIMULATED = """**What is simulated.** Kubelets, by kwok: the pod of a job runs as soon as it has a node, and has
succeeded after a time that is the same for all. Volumes, by kwok: a PVC is bound at once. What a pod prints: the API
server asks this program for the log, as it asks kubelets, and gets the lines of a real job pod, the last of which has
the results. Nothing is staged, evaluated or stored by pods. Real are etcd, the API server, the controllers of jobs,
garbage and accounts, the scheduler, the S3 server to which the worker writes the record of each job, PostgreSQL, the
server and its worker."""
_LONGEST_SECONDS = 3600.0
_IDLE_SECONDS = 30.0


@dataclass
class Run:
    """What so many jobs took; requests and writes are those of all of them, memory and threads the most at once."""

    jobs: int
    run_seconds: float
    accepted_seconds: float = 0.0
    ended_seconds: float = 0.0
    most_followed: int = 0
    threads: int = 0
    worker_mib: float = 0.0
    server_mib: float = 0.0
    requests: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)
    accept_ms: list[float] = field(default_factory=list)
    ended: Counter[str] = field(default_factory=Counter)
    idle_requests: float | None = None
    idle_writes: float | None = None

    @property
    def requests_per_job(self) -> float:
        """Requests of the worker to the API server for each job."""
        return sum(self.requests.values()) / self.jobs

    @property
    def writes_per_job(self) -> float:
        """Rows that were written for each job."""
        return sum(self.writes.values()) / self.jobs


def main() -> int:
    """Run, print, write the page and the plot; 1 where a limit is missed."""
    parser = argparse.ArgumentParser(
        prog="bench.scale_kubernetes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    runs_of = [500, 1000, 2000, 5000]
    parser.add_argument("--jobs", type=whole(), nargs="*", default=runs_of, help="a run for each number; none: without")
    parser.add_argument("--followed", type=whole(0), default=2000, help="jobs that run at the same time; 0: without")
    parser.add_argument("--nodes", type=whole(), default=1000)
    parser.add_argument("--pods", type=whole(0), default=10_000, help="pods of others that are there besides")
    parser.add_argument("--run-seconds", type=float, default=20.0, help="how long the pod of a job runs")
    parser.add_argument("--followed-seconds", type=float, default=600.0, help="how long those of --followed run")
    parser.add_argument("--no-page", action="store_true", help="do not write docs/scale.md")
    given = parser.parse_args()
    # what it has started ends with it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="zoo-runner-scale-") as name:
        if given.followed:
            with _simulate(Path(name, "followed"), given.nodes, given.pods, given.followed_seconds) as cluster:
                runs.append(run_jobs(cluster, Path(name, "f"), given.followed, looks_idle=True))
                _print(runs[-1])
        if given.jobs:
            with _simulate(Path(name, "runs"), given.nodes, given.pods, given.run_seconds) as cluster:
                for number, jobs in enumerate(given.jobs):
                    runs.append(run_jobs(cluster, Path(name, str(number)), jobs))
                    _print(runs[-1])
    found = list(check(runs))
    print("\n".join(found))
    if not given.no_page:
        _write_plot(_list_passing(runs))
        write_part(TITLE, _build_part(runs, found, given.nodes, given.pods), SCALE)
    return 1 if any("missed" in one for one in found) else 0


@contextmanager
def _simulate(folder: Path, nodes: int, pods: int, run_seconds: float) -> Iterator[SimulatedCluster]:
    folder.mkdir()
    begun = time.monotonic()
    with simulate_cluster(folder, nodes, pods, run_seconds) as cluster:
        print(f"a cluster of {nodes:,} nodes and {pods:,} pods after {time.monotonic() - begun:.0f} s", flush=True)
        yield cluster


def run_jobs(cluster: SimulatedCluster, folder: Path, jobs: int, *, looks_idle: bool = False) -> Run:
    """Accept so many jobs, and follow them to their end."""
    (folder / "s3" / "results").mkdir(parents=True)
    cluster.kubelet.most_open = 0
    run = Run(jobs, cluster.kubelet.run_seconds)
    with use_database() as database, serve_s3(folder / "s3") as store:
        environ = _build_environ(folder, cluster.kubeconfig, database, store, jobs)
        with serving(environ, folder) as server, psycopg.connect(database, autocommit=True) as connection:
            process = server.deploy(ECHO)
            _, since = cluster.count_requests()
            before = _count_writes(connection)
            begun = time.monotonic()
            watch = _Watch(run, server, connection, cluster, begun)
            with ThreadPoolExecutor(1) as pool:
                accepting = pool.submit(_accept, server, process, run)
                watch.look_until(accepting.done)
                accepting.result()
            run.accepted_seconds = time.monotonic() - begun
            if looks_idle:
                watch.look_until(lambda: cluster.kubelet.open_logs >= jobs or watch.ended > 0)
                _look_at_idle(run, watch, cluster, connection)
            watch.look_until(lambda: watch.ended >= jobs)
            run.ended_seconds = time.monotonic() - begun
            run.requests, _ = cluster.count_requests(since)
            run.writes = _count_writes(connection) - before
            run.ended = Counter(dict(connection.execute("SELECT status, count(*) FROM jobs GROUP BY 1").fetchall()))
    run.most_followed = cluster.kubelet.most_open
    return run


def _build_environ(folder: Path, kubeconfig: Path, database: str, store: S3Server, jobs: int) -> dict[str, str]:
    return {
        **build_environ(folder),
        "KUBECONFIG": str(kubeconfig),
        "ZOO_RUNNER_DATABASE": database,
        "ZOO_RUNNER_ENGINE": "calrissian",
        "ZOO_RUNNER_WORKSPACE": "scale",
        "ZOO_RUNNER_WORKERS": "1",
        "ZOO_RUNNER_REMOTE_JOBS": "2000",
        # one worker from the first job to the last, so that what it leaves is seen
        "ZOO_RUNNER_WORKER_JOBS": str(10 * jobs),
        "STAGEOUT_OUTPUT": "s3://results/scale",
        "AWS_ENDPOINT_URL": str(store.options.endpoint),
        "AWS_ACCESS_KEY_ID": str(store.options.access_key_id),
        "AWS_SECRET_ACCESS_KEY": str(store.options.secret_access_key),
    }


def _accept(server: Server, process: str, run: Run) -> None:
    body = json.dumps({"inputs": {"message": "hello"}}).encode()
    headers = {**ASYNC, "Content-Type": "application/json"}

    def send(_: int) -> float:
        started = time.perf_counter()
        request = urllib.request.Request(f"{server.url}/processes/{process}/execution", body, headers)
        with urllib.request.urlopen(request, timeout=600) as answer:
            answer.read()
        return (time.perf_counter() - started) * 1000

    with ThreadPoolExecutor(8) as pool:
        run.accept_ms = sorted(pool.map(send, range(run.jobs)))


@dataclass
class _Watch:
    """Looks twice a second at what the service takes; that is the program that measures, and not the service."""

    run: Run
    server: Server
    connection: "psycopg.Connection[tuple[object, ...]]"
    cluster: SimulatedCluster
    begun: float
    ended: int = 0
    _shown: float = 0.0
    _pause: threading.Event = field(default_factory=threading.Event)

    def look_until(self, is_over: Callable[[], bool]) -> None:
        """Look until a condition is met."""
        while not is_over():
            self.look()
            self._pause.wait(0.5)
        self.look()

    def look(self) -> None:
        """Note the most threads and memory so far, and how many jobs have ended."""
        if self.server.process.poll() is not None:
            raise SystemExit(f"the server has ended: {self.server.log.read_text()[-3000:]}")
        if ended := [name for name, process in self.cluster.servers.items() if process.poll() is not None]:
            raise SystemExit(f"of the simulated cluster have ended: {', '.join(ended)}")
        if time.monotonic() - self.begun > _LONGEST_SECONDS:
            raise SystemExit(f"after an hour {self.ended} of {self.run.jobs} jobs have ended")
        for worker in self.server.find_workers():
            self.run.threads = max(self.run.threads, _count_threads(worker))
            self.run.worker_mib = max(self.run.worker_mib, read_mib(worker))
        self.run.server_mib = max(self.run.server_mib, read_mib(self.server.process.pid))
        found = self.connection.execute("SELECT count(*) FROM jobs WHERE finished IS NOT NULL").fetchone()
        self.ended = int(str(found[0])) if found else 0
        if time.monotonic() - self._shown > 15:
            self._shown = time.monotonic()
            print(
                f"  {self._shown - self.begun:.0f} s: {self.cluster.kubelet.begun} have begun, {self.ended} ended,"
                f" {self.cluster.kubelet.open_logs} are followed; {self.run.threads} threads,"
                f" {self.run.worker_mib:.0f} MiB",
                flush=True,
            )


def _count_threads(process: int) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Threads:"))


def _look_at_idle(
    run: Run, watch: _Watch, cluster: SimulatedCluster, connection: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    """Measure what is asked and written while all jobs run and nothing happens in any."""
    _, since = cluster.count_requests()
    before, begun = _count_writes(connection), time.monotonic()
    watch.look_until(lambda: time.monotonic() - begun > _IDLE_SECONDS)
    seconds = time.monotonic() - begun
    run.idle_requests = sum(cluster.count_requests(since)[0].values()) / seconds
    run.idle_writes = sum((_count_writes(connection) - before).values()) / seconds


def _count_writes(connection: "psycopg.Connection[tuple[object, ...]]") -> Counter[str]:
    """Count the rows that were written so far, by table, and the transactions."""
    rows = connection.execute(
        "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables WHERE schemaname = 'public'"
    ).fetchall()
    return Counter({str(name): int(str(number)) for name, number in rows})


def check(runs: Sequence[Run]) -> Iterator[str]:
    """Hold what was found against the limits; one line each."""
    lost = sum(run.jobs - run.ended["successful"] for run in runs)
    yield _judge("jobs that did not end with results", lost, 0)
    yield _judge("threads of the worker", max(run.threads for run in runs), MOST_THREADS)
    yield _judge("memory of the worker, MiB", max(run.worker_mib for run in runs), MOST_MIB)
    yield _judge("requests to the API server for each job", max(run.requests_per_job for run in runs), MOST_REQUESTS)
    if passing := _list_passing(runs):
        yield _judge("rows written for each job", max(run.writes_per_job for run in passing), MOST_WRITES)
    for run in runs:
        if run.idle_requests is not None and run.idle_writes is not None:
            yield _judge("requests a second while nothing happens", run.idle_requests, 1.0)
            each = run.idle_writes / run.jobs
            yield _judge("rows written a second for each job in which nothing happens", each, MOST_IDLE_WRITES)


def _list_passing(runs: Sequence[Run]) -> list[Run]:
    """List the runs whose jobs end one after the other; those of the others are kept running, and write leases."""
    return [run for run in runs if run.idle_requests is None]


def _judge(what: str, found: float, limit: float) -> str:
    return f"| {what} | {found:.2f} | {limit:g}, {'kept' if found <= limit else 'missed'} |"


def _print(run: Run) -> None:
    print(_build_row(run), dict(run.ended), flush=True)
    print("  requests:", {name: round(count / run.jobs, 2) for name, count in run.requests.most_common(30)}, flush=True)
    print("  writes:", {name: round(count / run.jobs, 2) for name, count in run.writes.most_common()}, flush=True)
    print("  idle:", run.idle_requests, run.idle_writes, flush=True)


_HEAD = (
    "| jobs | run for, s | accepted after, s (p50, p95 of one, ms) | all ended after, s | followed at once | threads"
    " | worker, MiB | server, MiB | API requests per job | rows written per job |",
    "|---|---|---|---|---|---|---|---|---|---|",
)


def _build_row(run: Run) -> str:
    half, most = statistics.median(run.accept_ms), run.accept_ms[int(0.95 * (len(run.accept_ms) - 1))]
    cells = [
        f"{run.jobs:,}",
        f"{run.run_seconds:g}",
        f"{run.accepted_seconds:.0f} ({half:.0f}, {most:.0f})",
        f"{run.ended_seconds:.0f}",
        f"{run.most_followed:,}",
        f"{run.threads}",
        f"{run.worker_mib:.0f}",
        f"{run.server_mib:.0f}",
        f"{run.requests_per_job:.1f}",
        f"{run.writes_per_job:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def _write_plot(runs: Sequence[Run]) -> None:
    def line(name: str, read: Callable[[Run], float]) -> Line:
        return Line(name, [(run.jobs, read(run)) for run in runs])

    seconds = (line("accepted", lambda run: run.accepted_seconds), line("ended", lambda run: run.ended_seconds))
    numbers = (
        line("API requests", lambda run: sum(run.requests.values())),
        line("rows written", lambda run: sum(run.writes.values())),
    )
    mib = (line("worker", lambda run: run.worker_mib), line("server", lambda run: run.server_mib))
    panels = (("seconds until all are", seconds), ("of all jobs together", numbers), ("MiB at most", mib))
    write_plot(PLOT, "What a number of jobs takes on Kubernetes", "jobs", panels)


def _build_part(runs: Sequence[Run], found: Sequence[str], nodes: int, pods: int) -> str:
    today = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    largest = runs[-1]
    kinds = ", ".join(f"{name} {count / largest.jobs:.2f}" for name, count in largest.requests.most_common(20))
    tables = ", ".join(f"{name} {count / largest.jobs:.1f}" for name, count in largest.writes.most_common() if count)
    idle = next((run for run in runs if run.idle_requests is not None), None)
    quiet = (
        f"While {idle.most_followed:,} jobs run and nothing happens in them, the worker sends {idle.idle_requests:.2f}"
        f" requests a second to the API server, and {idle.idle_writes:.0f} rows are written a second: leases."
        if idle
        else ""
    )
    rows = "\n".join([*_HEAD, *map(_build_row, runs)])
    limits = "\n".join(["| what | most found | limit |", "|---|---|---|", *found])
    return f"""Written by `python -m bench.scale_kubernetes` on {today}: one server with one worker, {nodes:,} nodes and
{pods:,} pods of others on a simulated cluster; {describe_machine()}.

{rows}

{limits}

![What a number of jobs takes on Kubernetes](images/scale.svg)

Requests to the API server for each of {largest.jobs:,} jobs, by what they do: {kinds}. Rows that were written for each
of them, by table: {tables}. {quiet}

{SIMULATED}"""


if __name__ == "__main__":
    sys.exit(main())
