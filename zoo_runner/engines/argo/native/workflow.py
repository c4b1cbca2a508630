"""What a package is on Argo Workflows with one pod for each of its steps: a DAG; pure.

The pod of a step has three containers. `prepare` evaluates the package up to the step, stages the inputs of a job and
writes its script; `tool` runs it in the image of the package; `collect` reports what it prints and finds its outputs.
None of them has a Secret, a token or the bundle. How many jobs a scattered or conditional step has, is known when it is
its turn: `list-…` finds it, or the pod of stage-in where the step needs no other, and Argo starts their pods, one for
each job or for some of them (`sharing`). Of the package, names of steps and images are in the Workflow, both checked
(`dag`).
"""

import math
from collections.abc import Sequence

from zoo_runner.config.argo import ArgoSettings
from zoo_runner.config.kubernetes import KubernetesSettings, parse_quantity
from zoo_runner.engines.argo.native.dag import StepNode, list_first
from zoo_runner.engines.argo.native.nodes import (
    BEGIN,
    CHOICES_FOLDER,
    COLLECT,
    FINISH,
    LIST,
    NEEDED,
    NODE_ANNOTATION,
    NUMBERS_FILE,
    PREPARE,
    TOOL,
    name_list,
)
from zoo_runner.engines.argo.native.script import IN_CONTAINER
from zoo_runner.engines.argo.native.slots import OUT, PRIVATE, name_pod, name_script
from zoo_runner.engines.argo.nodes import KEEP_LOGS, STAGE_IN, STAGE_OUT
from zoo_runner.engines.argo.workflow import (
    build_container,
    build_from_templates,
    build_keep_logs,
    build_retry,
    build_shared_mounts,
    build_single_container,
    build_unrequested,
)
from zoo_runner.engines.kubernetes.manifests import (
    CONFINED,
    CWL_FOLDERS,
    NETWORK_ALLOWED,
    NETWORK_API,
    NETWORK_LABEL,
    WORK_FOLDER,
    build_mounts,
    build_resources,
    list_earlier_folders,
    name_job_folder,
)
from zoo_runner.engines.kubernetes.names import Manifest, Names
from zoo_runner.engines.kubernetes.owners import STEP_ANNOTATION

_STAGING = "zoo_runner.engines.argo.native.staging"
_EVALUATION = ("/opt/calrissian/bin/python", "-m", "zoo_runner.engines.argo.native.evaluate")
_NUMBER = "{{inputs.parameters.number}}"
# as for the steps of the other engines on a cluster
_MOST_PODS = 200


def build_native_workflow(
    names: Names,
    cluster: KubernetesSettings,
    argo: ArgoSettings,
    steps: Sequence[StepNode],
    time_limit_seconds: float | None = None,
) -> Manifest:
    """Build the Workflow of a package, suspended as that of the engine argo is."""
    generation = names.generation
    templates = [
        _build_dag(steps, generation),
        _build_stage_in(names, cluster, steps),
        *(template for step in steps for template in _build_step(step, cluster, generation)),
        _build_stage_out(names, cluster),
        _annotate(KEEP_LOGS, build_keep_logs(names, cluster, _name_staging(generation))),
    ]
    return build_from_templates(
        names,
        cluster,
        argo,
        templates,
        chunks=1,
        deadline_seconds=math.ceil(time_limit_seconds) if time_limit_seconds else None,
        parallelism=_count_parallel(steps, cluster),
    )


def _count_parallel(steps: Sequence[StepNode], cluster: KubernetesSettings) -> int:
    """Return how many pods of the largest step fit into what a job may use at the same time."""
    ram_mib = parse_quantity(cluster.max_ram) / 2**20
    # a step may ask for nothing
    fitting = (min(cluster.max_cores / max(step.cores[0], 0.001), ram_mib / max(step.ram[0], 1)) for step in steps)
    return max(1, min(_MOST_PODS, *(math.floor(number) for number in fitting)))


def _name_staging(generation: int) -> tuple[str, str]:
    return _STAGING, str(generation)


def _name_run(generation: int) -> str:
    return f"{name_job_folder(generation)}/run"


def _build_dag(steps: Sequence[StepNode], generation: int) -> Manifest:
    tasks = [{"name": STAGE_IN, "template": STAGE_IN}]
    for step in steps:
        tasks += _build_tasks(step, generation)
    everything = [step.name for step in steps]
    return {
        "name": "job",
        "dag": {"tasks": [*tasks, {"name": STAGE_OUT, "template": STAGE_OUT, "dependencies": everything}]},
    }


def _build_tasks(step: StepNode, generation: int) -> list[Manifest]:
    before = list(step.needs or (STAGE_IN,))
    task: Manifest = {"name": step.name, "template": step.name}
    if not step.is_open:
        if generation:
            task["when"] = f"{{{{tasks.{STAGE_IN}.outputs.parameters.{step.name}}}}} == {NEEDED}"
        return [{**task, "dependencies": before, "arguments": _give("0")}]
    task["arguments"] = _give("{{item}}")
    if not step.needs:
        numbers = f"{{{{tasks.{STAGE_IN}.outputs.parameters.{step.name}}}}}"
        return [{**task, "dependencies": before, "withParam": numbers}]
    listing = name_list(step.name)
    numbers = f"{{{{tasks.{listing}.outputs.parameters.numbers}}}}"
    return [
        {"name": listing, "template": listing, "dependencies": before},
        {**task, "dependencies": [listing], "withParam": numbers},
    ]


def _give(number: str) -> Manifest:
    return {"parameters": [{"name": "number", "value": number}]}


def _build_stage_in(names: Names, cluster: KubernetesSettings, steps: Sequence[StepNode]) -> Manifest:
    """Build the pod that stages in, and then finds what is known of the steps: their pods, or that they need none."""
    program = _name_staging(names.generation)
    template: Manifest = {"name": STAGE_IN, "retryStrategy": build_retry(cluster)}
    known = [step.name for step in steps if not step.is_open] if names.generation else []
    known += list_first(steps)
    if not known:
        container = build_single_container(STAGE_IN, names, cluster, program)
        return _annotate(STAGE_IN, {**template, "container": container})
    stage_in = {
        **build_container(STAGE_IN, cluster, program),
        "envFrom": [{"secretRef": {"name": names.secret}}],
        "resources": build_resources(cluster),
    }
    # Argo takes parameters from the container with this name
    begin = {
        **_build_evaluation("main", cluster, names.generation, [BEGIN, CHOICES_FOLDER]),
        "dependencies": [STAGE_IN],
    }
    choices = [{"name": name, "valueFrom": {"path": f"{CHOICES_FOLDER}/{name}"}} for name in known]
    containers = {"containers": [stage_in, begin], "volumeMounts": build_shared_mounts(cluster)}
    return _annotate(STAGE_IN, {**template, "containerSet": containers, "outputs": {"parameters": choices}})


def _build_stage_out(names: Names, cluster: KubernetesSettings) -> Manifest:
    stage_out = {
        **build_container(STAGE_OUT, cluster, _name_staging(names.generation)),
        "envFrom": [{"secretRef": {"name": names.secret}}],
        "resources": build_resources(cluster),
        "dependencies": [FINISH],
    }
    containers = [_build_evaluation(FINISH, cluster, names.generation, [FINISH]), stage_out]
    template = {
        "name": STAGE_OUT,
        "containerSet": {"containers": containers, "volumeMounts": build_shared_mounts(cluster)},
    }
    return _annotate(STAGE_OUT, template)


def _build_step(step: StepNode, cluster: KubernetesSettings, generation: int) -> list[Manifest]:
    """Build the template of a step's pods, and where another pod has to find its jobs, the template of that."""
    prepare, collect = (
        _build_evaluation(name, cluster, generation, [name, step.name, _NUMBER]) for name in (PREPARE, COLLECT)
    )
    containers = [
        prepare,
        {**_build_tool(step, cluster, generation), "dependencies": [PREPARE]},
        {**collect, "dependencies": [PREPARE]},
    ]
    template = {
        "name": step.name,
        "inputs": {"parameters": [{"name": "number"}]},
        "retryStrategy": build_retry(cluster),
        "containerSet": {"containers": containers, "volumeMounts": build_mounts(cluster)},
    }
    found = [_place(_annotate(step.name, template, step), NETWORK_ALLOWED if step.network else NETWORK_API)]
    if step.is_open and step.needs:
        found.append(_build_list(step, cluster, generation))
    return found


def _build_list(step: StepNode, cluster: KubernetesSettings, generation: int) -> Manifest:
    container = {
        **_build_evaluation("main", cluster, generation, [LIST, step.name, NUMBERS_FILE]),
        "resources": build_resources(cluster),
    }
    container["volumeMounts"] += build_mounts(cluster)
    template = {
        "name": name_list(step.name),
        "retryStrategy": build_retry(cluster),
        "container": {name: value for name, value in container.items() if name != "name"},
        "outputs": {"parameters": [{"name": "numbers", "valueFrom": {"path": NUMBERS_FILE}}]},
    }
    return _place(_annotate(name_list(step.name), template), NETWORK_API)


def _place(template: Manifest, network: str) -> Manifest:
    """Give the pods of a template the label by which a NetworkPolicy knows what they may reach."""
    return {**template, "metadata": {**template["metadata"], "labels": {NETWORK_LABEL: network}}}


def _annotate(node: str, template: Manifest, step: StepNode | None = None) -> Manifest:
    """Give the pods of a template the name of their node, and of their step."""
    annotations = {NODE_ANNOTATION: node, **({STEP_ANNOTATION: step.path} if step else {})}
    return {**template, "metadata": {"annotations": annotations}}


def _build_evaluation(name: str, cluster: KubernetesSettings, generation: int, words: Sequence[str]) -> Manifest:
    """Build a container that evaluates the package, without credentials, token, bundle, or the rest of the volume."""
    return {
        "name": name,
        "image": cluster.image,
        "command": [*_EVALUATION, _name_run(generation), *words],
        "resources": build_unrequested(cluster),
        "securityContext": dict(CONFINED),
        "volumeMounts": [
            *_build_folder_mounts([name_job_folder(generation)]),
            *_build_folder_mounts(list_earlier_folders(generation), read_only=True),
        ],
    }


def _build_folder_mounts(folders: Sequence[str], *, read_only: bool = False) -> list[Manifest]:
    """Build the mounts of what the evaluation sees of the folders of jobs."""
    mounts = [_build_mount(f"{folder}/{name}") for folder in folders for name in CWL_FOLDERS]
    return [{**mount, "readOnly": True} for mount in mounts] if read_only else mounts


def _build_mount(place: str) -> Manifest:
    """Build the mount of a folder of the volume, in its place below that of the whole volume."""
    return {"name": "work", "mountPath": place, "subPath": place.removeprefix(f"{WORK_FOLDER}/")}


def _build_tool(step: StepNode, cluster: KubernetesSettings, generation: int) -> Manifest:
    """Build the container of the package's image: it reads this run and earlier ones, and writes to its own slots."""
    run, pod = _name_run(generation), name_pod(step.name, _NUMBER)
    mounts = _build_folder_mounts([name_job_folder(generation), *list_earlier_folders(generation)], read_only=True)
    mounts += [_build_mount(f"{run}/{folder}/{pod}") for folder in (OUT, PRIVATE)]
    return {
        "name": TOOL,
        "image": step.image or cluster.step_image,
        "command": ["/bin/sh", name_script(run, step.name, _NUMBER), IN_CONTAINER],
        "env": [{"name": name, "value": text} for name, text in sorted(cluster.step_variables.items())],
        "resources": _build_amounts(step),
        "securityContext": dict(CONFINED),
        "volumeMounts": mounts,
    }


def _build_amounts(step: StepNode) -> Manifest:
    """Request what a step asks for at least, and limit it to the most; a step that asks for nothing has no limit."""
    requests, limits = (
        {"cpu": f"{math.ceil(cores * 1000)}m", "memory": f"{math.ceil(ram)}Mi"}
        for cores, ram in zip(step.cores, step.ram, strict=True)
    )
    return {
        "requests": requests,
        "limits": {name: amount for name, amount in limits.items() if amount not in ("0m", "0Mi")},
    }
