"""Whose pod it is, and where what it asks for is set, for messages; pure.

A pod runs a step of a package, or is the job's own, or that of a workflow which zoo-runner did not start.
Source: Argo Workflows documentation, "Workflow Pod labels and annotations".
"""

from dataclasses import dataclass

from zoo_runner.engines.kubernetes.names import JOB_LABEL, Manifest
from zoo_runner.model.diagnosis import Level

STEP_ANNOTATION = "zoo-runner/step"
WORKFLOW_LABEL = "workflows.argoproj.io/workflow"
NODE_NAME = "workflows.argoproj.io/node-name"


@dataclass(frozen=True)
class Owner:
    """Who asked for a pod: a name for messages, the level at which it is corrected, and where that is done.

    `image`, `requests`, `selector` and `volumes` name the place of each; `memory` is what to do about too little, and
    `out_of_memory` its code. `is_foreign`: zoo-runner did not start it.
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
    labels = pod["metadata"].get("labels") or {}
    if WORKFLOW_LABEL in labels and JOB_LABEL not in labels:
        return build_foreign(labels[WORKFLOW_LABEL], (pod["metadata"].get("annotations") or {}).get(NODE_NAME))
    return JOB


def find_step(pod: Manifest) -> str | None:
    """The step a pod runs; None for the job pod itself."""
    step: str | None = (pod["metadata"].get("annotations") or {}).get(STEP_ANNOTATION)
    return step


def build_foreign(workflow: str, node: str | None = None) -> Owner:
    """Build the owner of pods of a workflow that zoo-runner did not start: whoever wrote its templates."""
    # the first node has the name of its workflow
    of = f"node {node!r} of " if node and node != workflow else ""
    return Owner(
        f"{of}the Workflow {workflow}",
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
