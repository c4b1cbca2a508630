"""Side by side on the same cluster: this runner, a bare Calrissian Job with the same CWL, and pycalrissian.

    python -m bench.cluster [--rounds 5] [--jobs 20] [--steps 200] [--no-page]
    python -m bench.cluster --lines [--rounds 5] [--engine calrissian] [--no-page]

Needs a cluster (KUBECONFIG, or the one of `make cluster`) with warm images; the results store is started here, where
pods reach it (--host). Each round runs every side once, in turning order; figures are medians. Writes its part of
docs/bench.md.
"""

import json
import math
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from bench.by_hand import CORES, MOST_CORES, MOST_RAM_MIB, RAM_MIB, run_by_hand
from bench.lines import NUMBERS, Lines, build_part, build_table
from bench.on_cluster import build_parser, installed, show
from bench.options import whole
from bench.peers import ECHO, PYCALRISSIAN, ROOT, Prepared, ensure_pycalrissian, run_bare, run_pycalrissian
from bench.pods_alone import run_pods_alone
from zoo_runner.config.configuration import Configuration
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.names import build_names
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.execution.accept import accept, draft_job
from zoo_runner.execution.context import open_context
from zoo_runner.execution.execute import execute
from zoo_runner.inputs.job_file import read_order
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.events import Event, StepLines
from zoo_runner.model.job import Status
from zoo_runner.package.loading import load_package

STAGED = ROOT / "bench" / "staged.cwl"
ITEM = ROOT / "examples" / "data" / "landsat-p035r032-sr" / "LT50350322008110PAC01"
STEP_IMAGE = "docker.io/library/debian:bookworm-slim"
LEFT_KINDS = ("Job", "Pod", "Secret", "ConfigMap", "PersistentVolumeClaim")
LEFT_SECONDS, LEFT_SECONDS_OWN_NAMESPACE = 5.0, 20.0
LONGEST_SECONDS = 60.0


@dataclass
class Row:
    """One comparison: seconds of each round on each side; `limit` is that of the ratio to the bare Job."""

    title: str
    limit: float
    ours: Callable[[], float]
    bare: Callable[[], float]
    incumbent: Callable[[], float] | None = None
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def measure(self, rounds: int) -> None:
        """Run every side once a round, the next round in the opposite order."""
        sides = [("ours", self.ours), ("bare", self.bare)]
        sides += [("incumbent", self.incumbent)] if self.incumbent else []
        for number in range(rounds):
            for name, run in sides if number % 2 else reversed(sides):
                self.seconds.setdefault(name, []).append(run())
                print(f"bench: {self.title}: {name} {self.seconds[name][-1]:.2f} s", file=sys.stderr)

    def show(self) -> str:
        """The row of the table."""
        ours, bare = (statistics.median(self.seconds[name]) for name in ("ours", "bare"))
        ratio = statistics.median(a / b for a, b in zip(self.seconds["ours"], self.seconds["bare"], strict=True))
        last = f"{statistics.median(self.seconds['incumbent']):.2f}" if self.incumbent else ""
        kept = "kept" if ratio <= self.limit else "missed"
        limit = "" if math.isinf(self.limit) else f"{self.limit} x, {kept}"
        return f"| {self.title} | {ours:.2f} | {bare:.2f} | {ratio:.2f} | {limit} | {last} |"


@dataclass
class Ours:
    """Runs jobs of this runner, and measures how long what they made stays after each."""

    configuration: Configuration
    cluster: Cluster
    left: list[float] = field(default_factory=list)
    engine: str = "calrissian"

    def count_lines(self, package: Path) -> tuple[float, int]:
        """Run one job; return its seconds, and how many lines the log of its step has of the tool."""
        before, seconds = self._list_step_logs(), self.run(1, package)
        (path,) = self._list_step_logs() - before
        with path.open("rb") as log:
            return seconds, sum(line.startswith(b"tile ") for line in log)

    def _list_step_logs(self) -> set[Path]:
        return set(self.configuration.workspace.folders.temp.rglob("lines.log"))

    def run(self, jobs: int, package: Path = ECHO, *words: str) -> float:
        """Start so many jobs at once; seconds until the last has its results document and logs."""
        prepared = self.prepare(jobs, package, *words)
        seconds = prepared.run()
        prepared.settle()
        return seconds

    def prepare(self, jobs: int, package: Path = ECHO, *words: str) -> Prepared:
        """Prepare what `run` measures: the package and the store; `settle` measures how long a job stays."""
        context, draft, ids = open_context(self.configuration), self._read(package, words), list[str]()

        def run_one(_: int) -> str:
            job = accept(context, draft(), self.engine, self.configuration.workspace)
            outcome = execute(context, job.id)
            if outcome.status is not Status.SUCCESSFUL:
                raise SystemExit(f"{outcome.diagnosis}")
            return job.id

        def run() -> float:
            begun = time.monotonic()
            with ThreadPoolExecutor(jobs) as pool:
                ids.extend(pool.map(run_one, range(jobs)))
            return time.monotonic() - begun

        # the jobs have asked for their removal themselves
        return Prepared(run, settle=lambda: self.left.append(self._wait_until_gone(ids[-1])))

    def cancel(self, package: Path) -> float:
        """Run a job, cancel it when its step prints; seconds from then until nothing of it is left."""
        context, cancellation = open_context(self.configuration), Cancellation()
        cancelled: list[float] = []

        def report(event: Event) -> None:
            if isinstance(event, StepLines) and not cancelled:
                cancelled.append(time.monotonic())
                cancellation.cancel()

        job = accept(context, self._read(package, ())(), self.engine, self.configuration.workspace)
        outcome = execute(context, job.id, report, cancellation)
        if outcome.status is not Status.DISMISSED:
            raise SystemExit(f"bench: {outcome.status}, not dismissed: {outcome.diagnosis}")
        self._wait_until_gone(job.id)
        return time.monotonic() - cancelled[0]

    def _read(self, package: Path, words: Sequence[str]) -> Callable[[], JobSpec]:
        """Read a package and its inputs; returns what drafts a job of them."""
        settings, workspace = self.configuration.settings, self.configuration.workspace
        loaded = load_package(str(package), settings)
        order = read_order(loaded, None, words, settings).values
        return lambda: draft_job(loaded, order, lambda paths: f"s3://results/{paths.job_id}", workspace)

    def _wait_until_gone(self, job_id: str) -> float:
        names = build_names(job_id, self.configuration.kubernetes, self.configuration.workspace)
        begun, pause = time.monotonic(), threading.Event()
        while self._is_there(names.selector) and time.monotonic() - begun < LONGEST_SECONDS:
            pause.wait(0.1)
        return time.monotonic() - begun

    def _is_there(self, selector: str) -> bool:
        kinds = ("Namespace", *LEFT_KINDS)
        return any(self.cluster.find(kind, None, selector) for kind in kinds)


def main() -> int:
    """Measure, print the table, write it; 1 where a limit is missed."""
    parser = build_parser(__doc__)
    parser.add_argument("--jobs", type=whole(), default=20)
    parser.add_argument("--steps", type=whole(), default=200, help="of the scatter, which each side runs once")
    parser.add_argument("--lines", action="store_true", help="a tool that prints very many lines, and nothing else")
    parser.add_argument("--engine", action="append", help="the engines that run it [default: calrissian]")
    words = parser.parse_args()
    if words.lines:
        return _measure_lines(words.host, words.rounds, words.engine or ["calrissian"], is_page=not words.no_page)
    with installed(words.host, ITEM) as (configuration, folder):
        scatter = folder / "scatter.cwl"
        scatter.write_text(_build_scatter(words.steps))
        table = _measure(configuration, words.rounds, words.jobs, scatter, words.steps, words.host)
    return show(table, "Jobs on Kubernetes", None if words.no_page else lambda text: _build_part(text, words.rounds))


def _measure_lines(host: str, rounds: int, engines: Sequence[str], *, is_page: bool) -> int:
    with installed(host) as (configuration, folder):
        cluster, measured = Cluster(configuration.kubernetes), [Lines(number, folder) for number in NUMBERS]
        sides = [Ours(configuration, cluster, engine=engine) for engine in engines]
        # the first round reads the programs
        for one in (Lines(1000, folder), *rounds * measured):
            one.measure_peers()
            for ours in sides:
                one.measure(f"zoo-runner, {ours.engine}", partial(ours.count_lines, one.package))
            one.measure("bare Calrissian Job", partial(_run_bare_alone, cluster, configuration, one.package))
        cluster.close()
        table = build_table(measured)
    load = f"one node with {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end"
    return show(table, "Many lines on Kubernetes", (lambda text: build_part(text, rounds, load)) if is_page else None)


def _run_bare_alone(cluster: Cluster, configuration: Configuration, package: Path) -> tuple[float, None]:
    return run_bare(cluster, configuration, 1, package), None


def _build_scatter(steps: int) -> str:
    """Build the package of the scatter: steps that print a line each, on messages that are its default."""
    ram = {"ramMin": RAM_MIB, "ramMax": MOST_RAM_MIB}
    tool = {
        "class": "CommandLineTool",
        "id": "print",
        "baseCommand": "echo",
        "stdout": "line.txt",
        "hints": {"DockerRequirement": {"dockerPull": STEP_IMAGE}},
        "requirements": {"ResourceRequirement": {"coresMin": CORES, "coresMax": MOST_CORES, **ram}},
        "inputs": {"line": {"type": "string", "inputBinding": {}}},
        "outputs": {"text": "stdout"},
    }
    workflow = {
        "class": "Workflow",
        "id": "main",
        "requirements": {"ScatterFeatureRequirement": {}},
        "inputs": {"lines": {"type": "string[]", "default": [f"line {number}" for number in range(steps)]}},
        "outputs": {"texts": {"type": "File[]", "outputSource": "each/text"}},
        "steps": {"each": {"run": "#print", "scatter": "line", "in": {"line": "lines"}, "out": ["text"]}},
    }
    return json.dumps({"cwlVersion": "v1.2", "$graph": [workflow, tool]})


def _measure(configuration: Configuration, rounds: int, jobs: int, scatter: Path, steps: int, host: str) -> str:
    python = ensure_pycalrissian(configuration.settings.cache)
    cluster = Cluster(configuration.kubernetes)
    ours = Ours(configuration, cluster)
    # only the cluster says how many of its steps run at the same time
    wide = Ours(
        replace(configuration, kubernetes_settings=replace(configuration.kubernetes, max_cores=float(steps))), cluster
    )
    item = json.dumps({"class": "Directory", "location": f"s3://source/{ITEM.name}/{ITEM.name}.json"})
    rows = [
        Row(
            "echo, one job",
            0.7,
            lambda: ours.run(1),
            lambda: run_bare(cluster, configuration, 1),
            lambda: run_pycalrissian(python, configuration),
        ),
        Row(
            "one STAC item from S3, results to S3",
            1.0,
            lambda: ours.run(1, STAGED, f"item={item}"),
            lambda: run_bare(cluster, configuration, 1),
        ),
        Row(f"echo, {jobs} jobs at once", 1.0, lambda: ours.run(jobs), lambda: run_bare(cluster, configuration, jobs)),
        Row(
            f"scatter of {steps} trivial steps",
            0.7,
            lambda: wide.run(1, scatter),
            lambda: run_bare(cluster, configuration, 1, scatter, steps),
        ),
        Row(
            f"that scatter; beside it {steps} such pods, created by hand at once",
            1.2,
            lambda: rows[3].seconds["ours"][-1],
            lambda: run_by_hand(cluster, configuration, steps, STEP_IMAGE),
        ),
    ]
    alone = [
        _beside_pods(rows[0], cluster, configuration, 1, host),
        _beside_pods(rows[2], cluster, configuration, jobs, host),
    ]
    rows[0].measure(1)  # images, compiled modules and the package cache are there for all of them
    rows[0].seconds.clear()
    for row in rows[:2]:
        row.measure(rounds)
    left = list(ours.left)
    alone[0].measure(rounds)
    rows[2].measure(max(1, rounds // 2))
    alone[1].measure(1)
    rows[3].measure(1)
    rows[4].measure(1)
    site = replace(configuration.kubernetes, namespace_per="job")
    own = Ours(replace(configuration, kubernetes_settings=site), cluster)
    for _ in range(rounds):
        own.run(1)
    cluster.close()
    return _build_table([*rows, *alone], left, own.left)


def _beside_pods(row: Row, cluster: Cluster, configuration: Configuration, jobs: int, host: str) -> Row:
    """Put the pods of so many jobs, with nothing in them, beside a row that was measured."""
    return Row(
        f"{row.title}; beside it their pods alone",
        math.inf,
        lambda: statistics.median(row.seconds["ours"]),
        lambda: run_pods_alone(cluster, configuration, jobs, STEP_IMAGE, host),
    )


def _build_table(rows: Sequence[Row], left: Sequence[float], left_own: Sequence[float]) -> str:
    lines = [
        f"| what | zoo-runner, s | bare Job, s | x bare Job | limit | {PYCALRISSIAN.replace('==', ' ')}, s |",
        "|---|---|---|---|---|---|",
        *(row.show() for row in rows),
        show_seconds("nothing left of a job after", left, LEFT_SECONDS),
        show_seconds("nothing left of a job in a namespace of its own after", left_own, LEFT_SECONDS_OWN_NAMESPACE),
    ]
    return "\n".join(lines)


def show_seconds(title: str, seconds: Sequence[float], limit: float) -> str:
    """Build the row of something that may take so many seconds."""
    kept = "kept" if max(seconds) <= limit else "missed"
    return f"| {title} | {statistics.median(seconds):.2f} (most {max(seconds):.2f}) | | | {limit:g} s, {kept} | |"


SLOTS = """*At once*: a step that asks for nothing takes a core (CWL v1.2, ResourceRequirement), so that beside the job
pods one step fits at a time on a node of two cores, on both sides. The processors have time then (a load of 1): what
counts is how long the pod of a step keeps its core, from its place on the node until kubelet has seen its end."""


def _build_part(table: str, rounds: int) -> str:
    node = f"one node with {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end"
    return f"""Written by `python -m bench.cluster` on {datetime.now(timezone.utc):%Y-%m-%d}: {rounds} rounds, medians;
{node}; images warm.

{table}

*zoo-runner*: from the call until the results document and the logs are here and the deletion of everything else is
requested. *Bare Job*: a PVC, a ConfigMap and a Job that runs Calrissian as in its documentation, with the same image
and CWL, from the first request to the Job's Complete condition; it never stages data. *By hand*: the pods that the
steps have, from the first request until the last has succeeded; on all sides the scheduler says how many of them run at
the same time. *Their pods alone*: for each job a pod of two containers that wait, with a volume, and as soon as one
runs a pod like that of the step, created by hand with nothing else, until all steps have run. *pycalrissian*: the same
image and CWL, in a namespace that it always creates, from its first request until output, log and tool logs are here;
its clean-up is not timed.

{SLOTS}
"""


if __name__ == "__main__":
    sys.exit(main())
