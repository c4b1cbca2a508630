"""Where the time of one job goes: each phase by the clock and in processor seconds, beside the same job of the peer.

    python -m bench.trace [--case local] [--case kubernetes] [--rounds 5] [--no-page]

local: `zoo-runner run` beside `cwltool --no-container`, both with examples/echo; phases end with lines that they print.
kubernetes: a job beside a bare Calrissian Job, and beside such pods with nothing in them, created by hand; phases end
with what the API reports of their pods. It needs the cluster
of `make cluster`, whose node is this machine. Nothing else may run: processor seconds of the phases are those of the
whole machine. Medians of the rounds. Writes its part of docs/bench.md.
"""

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from statistics import median

from bench.cluster import STEP_IMAGE, Ours
from bench.commands import describe_machine
from bench.on_cluster import build_parser, installed, show
from bench.peers import Prepared, prepare_bare
from bench.pods_alone import prepare_pods_alone
from bench.trace_local import CWLTOOL, ZOO_RUNNER, trace_command
from bench.trace_pods import GONE, Trace, read_servers, trace_pods
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.names import build_names

CASES = ("local", "kubernetes")
TITLE = "Where the time goes"
_IDLE_SECONDS = 20.0


def main() -> int:
    """Measure, print the tables, write them."""
    parser = build_parser(__doc__)
    parser.add_argument("--case", action="append", choices=CASES, help="only this; repeatable")
    words = parser.parse_args()
    cases = words.case or CASES
    parts = []
    if "local" in cases:
        parts.append(_trace_local(words.rounds))
    if "kubernetes" in cases:
        parts.append(_trace_kubernetes(words.host, words.rounds))
    return show("\n\n".join(parts), TITLE, None if words.no_page else lambda text: _build_part(text, words.rounds))


def _trace_local(rounds: int) -> str:
    sides: dict[str, list[Trace]] = {"`zoo-runner run`": [], "`cwltool --no-container`": []}
    with tempfile.TemporaryDirectory(prefix="zoo-runner-bench-") as name:
        # the first round compiles modules and reads the package
        for number in range(rounds + 1):
            for traces, command in zip(sides.values(), (ZOO_RUNNER, CWLTOOL), strict=True):
                trace = trace_command(command, Path(name))
                traces += [trace] if number else []
    return _build_phases("a local job", sides)


def _trace_kubernetes(host: str, rounds: int) -> str:
    sides: dict[str, list[Trace]] = {"zoo-runner": [], "bare Job": [], "its pods alone": []}
    with installed(host) as (configuration, _):
        cluster = Cluster(configuration.kubernetes)
        ours = Ours(configuration, cluster)
        namespace = build_names("bench", configuration.kubernetes, configuration.workspace).namespace
        prepares: Sequence[Callable[[], Prepared]] = (
            lambda: ours.prepare(1),
            lambda: prepare_bare(cluster, configuration, 1),
            lambda: prepare_pods_alone(cluster, configuration, 1, STEP_IMAGE, host),
        )
        for number in range(rounds + 1):
            for traces, prepare in zip(sides.values(), prepares, strict=True):
                prepared = prepare()
                trace = trace_pods(prepared, namespace)
                prepared.settle()
                traces += [trace] if number else []
        cluster.close()
    phases = _build_phases("a job on Kubernetes", sides)
    return f"{phases}\n\n{_build_programs(sides)}\n\n{_measure_idle()}"


def _measure_idle() -> str:
    """Say what the servers of the cluster use by themselves, which is in the figures of each side."""
    before, begun = read_servers(), time.monotonic()
    threading.Event().wait(_IDLE_SECONDS)
    took = time.monotonic() - begun
    used = {name: (seconds - before[name]) / took for name, seconds in read_servers().items()}
    parts = ", ".join(f"{name} {seconds:.3f}" for name, seconds in used.items())
    return f"An idle cluster uses {sum(used.values()):.2f} processor seconds each second: {parts}."


def _build_phases(title: str, sides: Mapping[str, Sequence[Trace]]) -> str:
    """Build the table of phases: seconds by the clock and of the processor, on each side."""
    names = list(dict.fromkeys(phase for traces in sides.values() for trace in traces for phase in trace.phases))
    head = " | ".join(f"{side}, s | processor, s" for side in sides)
    lines = [f"| {title} | {head} |", f"|---|{'---|' * 2 * len(sides)}"]
    for name in names:
        cells = [_show_phase(traces, name) for traces in sides.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    totals = [
        f"{median([sum(s for s, _ in trace.phases.values()) for trace in traces]):.2f} | "
        f"{median([sum(p for _, p in trace.phases.values()) for trace in traces]):.2f}"
        for traces in sides.values()
    ]
    lines.append(f"| **all** | {' | '.join(totals)} |")
    removals = [[trace.removal for trace in traces if trace.removal] for traces in sides.values()]
    if all(removals):
        cells = [f"{median(s for s, _ in each):.2f} | {median(p for _, p in each):.2f}" for each in removals]
        lines.append(f"| {GONE} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _show_phase(traces: Sequence[Trace], name: str) -> str:
    found = [trace.phases[name] for trace in traces if name in trace.phases]
    if not found:
        return " | "
    return f"{median([seconds for seconds, _ in found]):.2f} | {median([used for _, used in found]):.2f}"


def _build_programs(sides: Mapping[str, Sequence[Trace]]) -> str:
    """Build the table of processor seconds of each program."""
    names = list(dict.fromkeys(name for traces in sides.values() for trace in traces for name in trace.programs))
    lines = [f"| processor seconds of | {' | '.join(sides)} |", f"|---|{'---|' * len(sides)}"]
    for name in names:
        cells = [median([trace.programs.get(name, 0.0) for trace in traces]) for traces in sides.values()]
        lines.append(f"| {name} | {' | '.join(f'{cell:.2f}' for cell in cells)} |")
    return "\n".join(lines)


def _build_part(table: str, rounds: int) -> str:
    return f"""Written by `make bench-trace` on {datetime.now(timezone.utc):%Y-%m-%d}: {rounds} rounds, medians;
{describe_machine()}.

{table}

A phase goes from the end of the one above to what its name says. Its processor seconds are those of the whole machine,
whoever used them, and so include what other programs did meanwhile. On the cluster the programs are counted one by one:
the containers by their control groups, the servers of Kubernetes by their processes. *Client*: the process that starts
and follows the job. Containers that had ended before they could be read are missing from it. All programs are counted
until the pods are removed, which every side asks for at its end.

*Its pods alone*: a volume, a pod of two containers that only wait, and as soon as one of them runs a pod with the
resources of the step, created by hand with nothing else; the containers say themselves that they run. It is the least
that a job of two such pods can take here.

Kubelet's own logs show two waits in which nothing runs. A pod with a volume waits 0.3 s before its network is made, as
kubelet looks for its volumes only that often (`podAttachAndMountRetryInterval`); a job has two such pods. And kubelet
looks once a second for containers that have begun or ended (`genericPlegRelistPeriod`). The job pod does not wait for
that where a step succeeds: its container leaves lines and exit code on the volume.
"""


if __name__ == "__main__":
    sys.exit(main())
