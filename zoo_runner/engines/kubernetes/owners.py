"""Whose pod it is, and where what it asks for is set, for messages; pure.

A pod runs a step of a package, or is the job's own, or that of a workflow which zoo-runner did not start.
Source: Argo Workflows documentation, "Workflow Pod labels and annotations".
"""

from dataclasses import dataclass

from zoo_runner.engines.kubernetes.names import JOB_LABEL, Manifest
from zoo_runner.model.diagnosis import Level

STEP_ANNOTATION = "zoo-runner/step"
WORKFLOW_LABEL = "workflows.argoproj.io/workflow"
TEMPLATE_LABEL = "zoo-runner/template"
"""On what runs a WorkflowTemplate as a process: its name."""
NODE_NAME = "workflows.argoproj.io/node-name"


@dataclass(frozen=True)
class Owner:
    """Who asked for a pod: a name for messages, the level at which it is corrected, and where that is done.

    `image`, `requests`, `selector` and `volumes` name the place of each; `memory` is what to do about too little, and
    `out_of_memory` its code. `is_foreign`: its templates are not written by zoo-runner.
    """

    name: str
    level: Level
    image: str
    requests: str
    memory: str
    selector: str
    volumes: str
    out_of_memory: str
    step: str | None = None
    is_foreign: bool = False


JOB = Owner(
    "the job",
    Level.ENGINE,
    "ZOO_RUNNER_JOB_IMAGE (or ZOO_RUNNER_DEFAULT_IMAGE)",
    "ZOO_RUNNER_JOB_CPU and ZOO_RUNNER_JOB_RAM",
    "Raise ZOO_RUNNER_JOB_RAM_LIMIT.",
    "POD_NODE_SELECTOR",
    "POD_VOLUMES",
    out_of_memory="job.out-of-memory",
)


def find_owner(pod: Manifest) -> Owner:
    """Return who asked for a pod."""
    if step := find_step(pod):
        return _build_step(step)
    labels, node = pod["metadata"].get("labels") or {}, (pod["metadata"].get("annotations") or {}).get(NODE_NAME)
    if TEMPLATE_LABEL in labels:
        return build_of_template(labels[TEMPLATE_LABEL], labels.get(WORKFLOW_LABEL, ""), node)
    if WORKFLOW_LABEL in labels and JOB_LABEL not in labels:
        return build_foreign(labels[WORKFLOW_LABEL], node)
    return JOB


def find_step(pod: Manifest) -> str | None:
    """The step a pod runs; None for the job pod itself."""
    step: str | None = (pod["metadata"].get("annotations") or {}).get(STEP_ANNOTATION)
    return step


def build_foreign(workflow: str, node: str | None = None) -> Owner:
    """Build the owner of pods of a workflow that zoo-runner did not start: whoever wrote its templates."""
    # the first node has the name of its workflow
    of = f"node {node!r} of " if node and node != workflow else ""
    return _build_foreign(f"{of}the Workflow {workflow}")


def build_of_template(template: str, workflow: str, node: str | None = None) -> Owner:
    """Build the owner of pods that run a WorkflowTemplate as a process."""
    shown = (node or "").removeprefix(workflow).lstrip(".")
    return _build_foreign(f"{f'node {shown!r} of ' if shown else ''}the WorkflowTemplate {template}")


def _build_foreign(name: str) -> Owner:
    return Owner(
        name,
        Level.USER,
        "`image` in its template",
        "`resources.requests` in its template",
        "Raise `resources.limits.memory` in its template.",
        "`nodeSelector` in the workflow",
        "`volumes` in the workflow",
        out_of_memory="step.out-of-memory",
        is_foreign=True,
    )


def _build_step(step: str) -> Owner:
    name = f"step {step!r}"
    return Owner(
        name,
        Level.USER,
        "dockerPull in the package",
        "coresMin and ramMin in the ResourceRequirement",
        f"Raise ramMax in the ResourceRequirement of {name} (and DEFAULT_MAX_RAM if that is the bound).",
        "POD_NODE_SELECTOR",
        "POD_VOLUMES",
        step=step,
        out_of_memory="step.out-of-memory",
    )
