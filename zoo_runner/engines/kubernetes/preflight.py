"""Whether a cluster can run the steps of a package: their images can be pulled, and their requests fit a node.

The nodes are asked to pull, by pods that then run nothing, and not the registry from here: mirrors, certificates and
pull secrets are those of the nodes and of the service account.
"""

import queue
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.cwl_process.resources import find_asked
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.manifests import CONFINED, build_pod_template, build_resources, owned_by
from zoo_runner.engines.kubernetes.names import Manifest, Names
from zoo_runner.engines.kubernetes.owners import STEP_ANNOTATION
from zoo_runner.engines.kubernetes.pods import find_start_failure, has_started, read_digest
from zoo_runner.engines.kubernetes.scheduling import describe_largest, judge_beside, judge_unschedulable
from zoo_runner.engines.kubernetes.watch import Change, WatchFailed
from zoo_runner.engines.protocol import Check
from zoo_runner.model.errors import EngineError, RunnerError
from zoo_runner.model.package import Package
from zoo_runner.package.requirements import find_effective, walk_tools

_PULL_SECONDS = 300.0
# while a client waits
_LOOK_SECONDS, _MOST_LOOKED_AT = 30.0, 16
# no image has it: what counts is that a container could be created, and so its image was pulled
NO_PROGRAM = ["/zoo-runner/pulled"]
# a container has to have been started before the digest of its image is known
_ENDS_AT_ONCE = ["/bin/sh", "-c", "exit 0"]
_PROBE = "image"


@dataclass(frozen=True)
class StepRequest:
    """What a step asks a cluster for, as far as its package says it in numbers."""

    step: str
    image: str
    cores: float
    memory_mib: float


def list_step_requests(package: Package | None, site: KubernetesSettings) -> list[StepRequest]:
    """List what the steps of a package ask for; pure."""
    if package is None:
        return []
    asked = {(one.step, one.kind): one.amount for one in find_asked(package)}
    found = []
    for use in walk_tools(package):
        docker = find_effective(use.holders, "DockerRequirement")
        image = str(docker.body.get("dockerPull") or site.step_image) if docker else site.step_image
        found.append(
            StepRequest(use.step, image, float(asked.get((use.step, "cores"), 0)), asked.get((use.step, "ram"), 0))
        )
    return found


def check_sizes(
    cluster: Cluster, site: KubernetesSettings, steps: Sequence[StepRequest], *, beside_job: bool = True
) -> str:
    """Check that the job's own pod and each step fit a node; raises `EngineError` for the first that does not.

    `beside_job`: the job's own pod keeps its place while steps run, as that of a job that runs does.
    """
    try:
        nodes = cluster.find_nodes()
    except ApiError:
        return "this account may not list nodes"
    own = _build_sized(site, {"cpu": site.job_cpu, "memory": site.job_ram})
    for pod in (own, *(_build_sized(site, _size(step), step.step) for step in steps)):
        alone = pod is own or not beside_job
        failure = judge_unschedulable(pod, "", nodes) if alone else judge_beside(pod, own, nodes)
        if failure:
            raise failure
    return f"the largest node has {describe_largest(nodes)}"


def _size(step: StepRequest) -> Mapping[str, str]:
    return {"cpu": f"{step.cores:g}", "memory": f"{step.memory_mib:.0f}Mi"}


def _build_sized(site: KubernetesSettings, requests: Mapping[str, str], step: str | None = None) -> Manifest:
    """Build as much of a pod as the scheduler looks at."""
    return {
        "metadata": {"annotations": {STEP_ANNOTATION: step} if step else {}},
        "spec": {
            "containers": [{"resources": {"requests": dict(requests)}}],
            "nodeSelector": dict(site.node_selector),
        },
    }


def probe_images(
    cluster: Cluster, names: Names, site: KubernetesSettings, owner: Manifest, steps: Sequence[StepRequest]
) -> Iterator[Check]:
    """Have the nodes pull the images of steps, and yield a finding for each image; the pods are those of `owner`."""
    for image, failure in pull_images(cluster, names, _build_probes(names, site, owner, steps)):
        expected = f"the nodes can pull {image}"
        check = Check(True, "image", f"{image} is pulled", expected)
        yield Check.refuse("image", failure, expected) if failure else check


def find_refused_images(
    cluster: Cluster, names: Names, site: KubernetesSettings, owner: Manifest, steps: Sequence[StepRequest]
) -> Iterator[RunnerError]:
    """Have the nodes pull the images of steps for half a minute, and yield why some cannot be pulled.

    Nothing is said of an image that takes longer, and of those beyond the first sixteen.
    """
    pods = _build_probes(names, site, owner, steps)
    looked_at = {image: pods[image] for image in list(pods)[:_MOST_LOOKED_AT]}
    yield from (failure for _, _, failure in _pull(cluster, names, looked_at, _LOOK_SECONDS) if failure)


def _build_probes(
    names: Names, site: KubernetesSettings, owner: Manifest, steps: Sequence[StepRequest]
) -> dict[str, Manifest]:
    by_image = {step.image: step.step for step in steps}
    return {
        image: owned_by(_build_probe(name_probe(names, number), names, site, image, by_image[image]), owner)
        for number, image in enumerate(sorted(by_image))
    }


def name_probe(names: Names, number: int) -> str:
    """Name the pod that pulls an image."""
    return f"{names.job}-image-{number}"


def pull_images(
    cluster: Cluster, names: Names, pods: Mapping[str, Manifest]
) -> Iterator[tuple[str, RunnerError | None]]:
    """Create pods, by image, and yield each image once it is known whether it can be pulled, with the failure if not.

    The pods are deleted; those that this process cannot delete end by themselves.
    """
    late = dict(pods)
    for image, _, failure in _pull(cluster, names, pods):
        del late[image]
        yield image, failure
    yield from ((image, _build_late(pod["metadata"]["name"])) for image, pod in late.items())


def resolve_images(
    cluster: Cluster, names: Names, site: KubernetesSettings, images: Mapping[str, str]
) -> dict[str, str]:
    """Return the digest of each image, as the nodes would run it now for its step; empty where they do not say it.

    Pods that end at once ask for them. Raises `RunnerError` for an image that cannot be pulled.
    """
    pods = {
        image: _build_probe(name_probe(names, number), names, site, image, step, _ENDS_AT_ONCE)
        for number, (image, step) in enumerate(images.items())
    }
    found = {}
    for image, pod, failure in _pull(cluster, names, pods) if pods else ():
        if failure:
            raise failure
        found[image] = read_digest(pod, _PROBE)
    for image in pods.keys() - found.keys():
        raise _build_late(pods[image]["metadata"]["name"])
    return found


def _pull(
    cluster: Cluster, names: Names, pods: Mapping[str, Manifest], seconds: float = _PULL_SECONDS
) -> Iterator[tuple[str, Manifest, RunnerError | None]]:
    """Yield each image once it is known whether it can be pulled, with its pod; those that take longer not at all."""
    images = {pod["metadata"]["name"]: image for image, pod in pods.items()}
    changes: queue.SimpleQueue[Change | WatchFailed] = queue.SimpleQueue()
    stop = cluster.watch(names.namespace, names.job, {"Pod"}, changes.put)
    try:
        for pod in pods.values():
            cluster.create(pod)
        for name, pod, failure in _wait(set(images), changes, seconds):
            yield images[name], pod, failure
    finally:
        stop()
        for name in images:
            cluster.delete("Pod", names.namespace, name, 0)


def _build_probe(
    name: str, names: Names, site: KubernetesSettings, image: str, step: str, command: Sequence[str] = NO_PROGRAM
) -> Manifest:
    template = build_pod_template(names, site, "step")
    meta = {**template["metadata"], "name": name, "namespace": names.namespace}
    meta["annotations"] = {**meta["annotations"], STEP_ANNOTATION: step}
    container = {
        "name": _PROBE,
        "image": image,
        "command": list(command),
        "resources": build_resources(site),
        "securityContext": CONFINED,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": {**template["spec"], "containers": [container]},
    }


def _wait(
    pods: set[str], changes: "queue.SimpleQueue[Change | WatchFailed]", seconds: float
) -> Iterator[tuple[str, Manifest, RunnerError | None]]:
    """Yield each pod once it is known whether its image can be pulled; raises what ends the watch."""
    until = time.monotonic() + seconds
    while pods:
        try:
            change = changes.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            return
        if isinstance(change, WatchFailed):
            raise change.error
        name, failure = change.item["metadata"]["name"], find_start_failure(change.item)
        pulled = has_started(change.item) or (failure and not failure.diagnosis.code.startswith("image."))
        if name in pods and (pulled or failure):
            pods.discard(name)
            yield name, change.item, None if pulled else failure


def _build_late(pod: str) -> RunnerError:
    return EngineError(
        f"the pod {pod} did not start within {_PULL_SECONDS:g} s",
        "Pull the image once by hand if it is very large; `zoo-runner diagnose` says what else holds pods up.",
        code="image.unavailable",
    )
