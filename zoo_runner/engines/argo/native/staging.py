"""The nodes of a native Workflow that have credentials: stage in, stage out, keep the logs; no package is evaluated.

python -m zoo_runner.engines.argo.native.staging stage-in|stage-out|keep-logs GENERATION

The containers that evaluate keep their events on the volume. They are written to the logs here, before these are
published.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from zoo_runner.engines.argo.job_pod import Node, Nodes, keep_logs, main, stage_in, stage_out
from zoo_runner.engines.argo.native.dag import build_dag, identify_tools, list_first
from zoo_runner.engines.argo.native.nodes import JOBS_PER_POD, MARKS
from zoo_runner.engines.argo.native.sharing import count_sharing
from zoo_runner.engines.argo.native.slots import EVENTS, OUTPUTS, SPEC, Slot
from zoo_runner.engines.argo.nodes import KEEP_LOGS, STAGE_IN, STAGE_OUT
from zoo_runner.engines.cwl_process.diagnose import Findings, diagnose_execution
from zoo_runner.engines.cwl_process.parameters import ORDER, PACKAGE
from zoo_runner.engines.cwl_process.same_files import take_same_files
from zoo_runner.engines.kubernetes.bundle import FILES_FOLDER
from zoo_runner.engines.kubernetes.job_pod.execution import prepare
from zoo_runner.engines.kubernetes.manifests import list_earlier_folders
from zoo_runner.engines.kubernetes.pod_log import Handover, LastLine, decode_lines
from zoo_runner.engines.pipeline import Staged, run_execute
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.files import read_unlinked, write_json
from zoo_runner.model.codec import from_plain
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.events import Event, StageStarted
from zoo_runner.model.job import Outcome
from zoo_runner.model.written import read_json

_LARGEST_EVENTS_BYTES = 256 << 20


def start(node: Node) -> LastLine:
    """Stage in, and write what the evaluation needs to know."""
    last = stage_in(node)
    staged = from_plain(Staged, read_json(read_unlinked(node.volume.staged)))
    name = node.job.paths.scratch.name
    earlier = [Path(folder, name) for folder in list_earlier_folders(node.volume.generation)]
    steps = node.steps
    write_run(
        node.job,
        staged,
        earlier,
        steps.get("image"),
        steps.get("environ", {}),
        steps.get(MARKS, {}),
        steps.get(JOBS_PER_POD, 1),
    )
    node.report(StageStarted(Stage.EXECUTE, f"{node.job.workflow_id} ({node.job.package.cwl_version})"))
    return last


def write_run(
    job: JobSpec,
    staged: Staged,
    earlier: Sequence[Path] = (),
    image: str | None = None,
    variables: Mapping[str, str] = MappingProxyType({}),
    marks: Mapping[str, str] = MappingProxyType({}),
    jobs_per_pod: int = 1,
) -> None:
    """Write package, order and folders; the kubelet would create a folder that it mounts as root.

    `earlier` are the runs that this one continues, the latest first, `image` that of tools that name none,
    `variables` what the site gives all tools, `marks` those of images that have changed, `jobs_per_pod` how many jobs
    of a small step may share a pod.
    """
    run, steps = job.paths.scratch, build_dag(job.package)
    # of a job that failed in stage-in there is none
    runs = [one for one in earlier if (one / SPEC).exists()]
    staged = _take_same(staged, runs)
    package = replace(job.package, document=staged.document)
    spec = {
        **prepare(replace(job, package=package), runs),
        "nodes": {step.name: step.path for step in steps},
        "single": [step.name for step in steps if not step.is_open],
        "first": list_first(steps),
        "sharing": {
            step.name: count_sharing(step.cores[0], step.ram[0], jobs_per_pod) for step in steps if step.is_open
        },
        "identities": identify_tools(package, image, variables, marks),
        "log_bytes": job.log_bytes,
        "job": job.id,
        "earlier": {str(folder): json.loads(read_unlinked(folder / SPEC))["job"] for folder in runs},
    }
    write_json(run / SPEC, spec)
    write_json(Path(spec["order"]), dict(staged.order))
    (run.parent / FILES_FOLDER).mkdir(exist_ok=True)
    for step in steps:
        if not step.is_open:
            Slot(run, step.name, 0).create()


def _take_same(staged: Staged, runs: Sequence[Path]) -> Staged:
    """Take inputs that earlier runs have from where these have them: so the steps that get them are the same."""
    if not runs:
        return staged
    # what evaluated a package there could write to the folder, and this container has credentials
    known = [json.loads(read_unlinked(run / name)) for run in runs for name in (ORDER, PACKAGE)]
    order, document = take_same_files([dict(staged.order), staged.document], known)
    return Staged(order, document)


def finish(node: Node) -> LastLine:
    """Store the outputs that the evaluation found, and publish the logs beside them."""
    _record_events(node)
    run = node.job.paths.scratch
    outputs = json.loads(read_unlinked(run / OUTPUTS))
    checked = run_execute(node.job, Staged({}, {}), lambda _: outputs, lambda _: None)
    node.record_outputs(checked)
    return stage_out(node)


def keep(node: Node) -> LastLine:
    """Return how the job ended: as a node stored it, else as the events of the steps say."""
    failure = _record_events(node)
    if failure.failed and not node.volume.attempts.find_outcome():
        raise diagnose_execution(failure)
    return keep_logs(node)


def _record_events(node: Node) -> Findings:
    """Write the events of the evaluation to the logs, once, and return what they say of a failure."""
    findings = Findings()
    recorded = node.volume.folder / "recorded"
    is_first = not recorded.exists()
    recorded.touch()
    for event in _read_events(node.job.paths.scratch / EVENTS):
        findings.add(event)
        if is_first:
            node.record(event)
    return findings


def _read_events(folder: Path) -> Iterator[Event]:
    """Read the events of all programs of the evaluation, in the order in which they began."""
    left = _LARGEST_EVENTS_BYTES
    for path in sorted(folder.glob("*")):
        size = path.lstat().st_size
        left -= size
        if left < 0:
            return
        for event in decode_lines(read_unlinked(path).decode(errors="replace").splitlines()):
            if not isinstance(event, Outcome | Handover):
                yield event


NODES: Nodes = {STAGE_IN: start, STAGE_OUT: finish, KEEP_LOGS: keep}

if __name__ == "__main__":
    main(NODES)
