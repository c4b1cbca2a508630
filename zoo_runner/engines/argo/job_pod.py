"""One node of a Workflow, from inside: stage in, run, stage out, or keep the logs.

python -m zoo_runner.engines.argo.job_pod stage-in|run|stage-out|keep-logs [GENERATION]

The nodes pass data on in files on the job's volume, in the folder of the job (`manifests.name_job_folder`). Each writes
events as lines of its log (`pod_log`); the last line is the outcome of the job, or a handover to the next node.
Credentials are in the environment of the nodes that stage. `run` has none, but a token, with which it runs the steps;
the node `cwl` evaluates the package and has neither.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from zoo_runner.engines.argo.nodes import KEEP_LOGS, RUN, STAGE_IN, STAGE_OUT
from zoo_runner.engines.kept_outputs import reserve_record, write_record
from zoo_runner.engines.kubernetes.bundle import read_job, unpack_bundle
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.job_pod.attempts import Attempts, wait_for_steps
from zoo_runner.engines.kubernetes.job_pod.pod import (
    PodOutput,
    PodSettings,
    conclude,
    evaluating,
    read_bundle,
    run_program,
)
from zoo_runner.engines.kubernetes.manifests import BUNDLE_FOLDER, OUTPUTS_FILE, RECORD_MODE, name_job_folder
from zoo_runner.engines.kubernetes.pod_log import Handover, LastLine
from zoo_runner.engines.pipeline import Staged, check_destination, run_execute, run_stage_in, run_stage_out
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.execution.job_log import JobLog
from zoo_runner.execution.publish import publish_logs
from zoo_runner.files import encode_json, read_unlinked, write_anew
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.codec import from_plain, to_plain
from zoo_runner.model.errors import EngineError
from zoo_runner.model.events import Event, Report, build_anew
from zoo_runner.model.job import Outcome, Status
from zoo_runner.model.masking import Masker
from zoo_runner.model.written import read_json


@dataclass(frozen=True)
class Volume:
    """The files that the nodes of a job share on its volume; `generation` as in `Names`."""

    folder: Path
    generation: int = 0

    @property
    def logs(self) -> Path:
        """Job log and step logs, to which each node appends; no step mounts it."""
        return self.folder / "logs"

    @property
    def attempts(self) -> Attempts:
        """When the job started, and how it ended."""
        return Attempts(self.folder)

    @property
    def staged(self) -> Path:
        """The job order and the packed document, with local paths."""
        return self.folder / "staged.json"

    @property
    def outputs(self) -> Path:
        """The output object of the package."""
        return self.folder / OUTPUTS_FILE


@dataclass(frozen=True)
class Node:
    """What a node works with; `record` writes events to the logs alone, those that other nodes have reported."""

    job: JobSpec
    steps: Mapping[str, Any]
    settings: PodSettings
    volume: Volume
    record: Report
    report: Report
    cancellation: Cancellation

    def record_outputs(self, outputs: Mapping[str, Any]) -> None:
        """Keep the output object for the node that stores the results, or for a later publication."""
        masker = Masker([*self.settings.secrets, *self.job.secrets])
        write_record(self.volume.outputs, outputs, masker, RECORD_MODE)


def stage_in(node: Node) -> LastLine:
    """Check that the destination can be written to, and fetch the inputs."""
    check_destination(node.job, node.settings.storage)
    staged = run_stage_in(node.job, node.settings.storage, node.report, node.cancellation)
    write_anew(node.volume.staged, encode_json(to_plain(staged)))
    return Handover()


def run(node: Node) -> LastLine:
    """Run the package on what was staged."""
    staged = from_plain(Staged, read_json(read_unlinked(node.volume.staged)))
    if node.volume.attempts.is_another:
        wait_for_steps(Cluster(node.settings.api), node.steps, node.settings.owner["uid"], node.cancellation)
    with evaluating(node.job, node.steps, node.settings, node.report) as execution:
        outputs = run_execute(node.job, staged, lambda one: execution.execute(one, node.cancellation), node.report)
    node.record_outputs(outputs)
    return Handover()


def stage_out(node: Node) -> LastLine:
    """Store the outputs, and publish the logs beside them."""
    outputs = json.loads(read_unlinked(node.volume.outputs))
    results = run_stage_out(node.job, node.settings.storage, outputs, node.report, node.cancellation)
    return Outcome(Status.SUCCESSFUL, results)


def keep_logs(node: Node) -> LastLine:
    """Return how the job ended, as an earlier node stored it; raises where none did."""
    if ended := node.volume.attempts.find_outcome():
        return ended
    raise EngineError(
        "the pod of the job was stopped before the job ended",
        "See the status of the Workflow for the reason (`argo get`).",
        code="job.lost",
    )


Nodes = Mapping[str, Callable[[Node], LastLine]]
"""What each node does, by its name."""
NODES: Nodes = {STAGE_IN: stage_in, RUN: run, STAGE_OUT: stage_out, KEEP_LOGS: keep_logs}


def run_node(
    nodes: Nodes, name: str, volume: Volume, settings: PodSettings, emit: PodOutput, cancellation: Cancellation
) -> LastLine:
    """Run a node, keep its logs, and publish all logs if the job has ended and this node has credentials."""
    bundle = read_bundle(Path(BUNDLE_FOLDER))
    if name == STAGE_IN:
        _prepare(bundle, volume)
    job, steps = read_job(bundle, volume.folder, volume.logs)
    emit.masker = Masker([*settings.secrets, *job.secrets])
    with (
        JobLog(job.paths, emit.masker, job.log_bytes, readers=job.readers) as log,
        volume.attempts.limited(job.time_limit_seconds, cancellation) as limited,
    ):

        def report(event: Event) -> None:
            log(event)
            emit(event)

        if name == STAGE_IN and volume.attempts.is_another:
            report(build_anew(settings.owner["name"]))
        last = conclude(lambda: nodes[name](Node(job, steps, settings, volume, log, report, limited)))
        if isinstance(last, Outcome):
            _keep_outcome(last, volume, log)
            if name == (STAGE_OUT if last.results else KEEP_LOGS):
                publish_logs(log, job.destination, settings.storage, last, volume.attempts.publish_for(emit))
    return last


def _prepare(bundle: bytes, volume: Volume) -> None:
    """Unpack the bundle; of an earlier attempt whose pod was lost, only the time of the start and the logs stay."""
    volume.attempts.clear()
    unpack_bundle(bundle, volume.folder)
    reserve_record(volume.outputs, RECORD_MODE)
    volume.attempts.begin()


def _keep_outcome(outcome: Outcome, volume: Volume, log: JobLog) -> None:
    """Store how the job ended, once."""
    if volume.attempts.keep_outcome(outcome):
        log.write_end(outcome.diagnosis, outcome.results.collection_href if outcome.results else None)


def main(nodes: Nodes) -> None:
    """Run the node that the command line names, and exit."""
    output = sys.stdout
    with redirect_stdout(sys.stderr):
        name, generation = sys.argv[1], int(sys.argv[2]) if sys.argv[2:] else 0
        volume = Volume(Path(name_job_folder(generation)), generation)
        code = run_program(partial(run_node, nodes, name, volume), os.environ, output)  # noqa: TID251 the pod's one place
    sys.stderr.flush()
    # threads of the storage library may abort a process that is torn down, and the next node looks at the exit code
    os._exit(code)


if __name__ == "__main__":
    main(NODES)
