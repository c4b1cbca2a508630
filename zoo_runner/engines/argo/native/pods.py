"""What the pod of a step shows of its containers; pure. Source: Kubernetes API v1."""

from zoo_runner.engines.argo.native.nodes import TOOL
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.engines.kubernetes.owners import find_owner
from zoo_runner.model.errors import EngineError, RunnerError, ToolError

# of Argo's executor, which also reports by it that a container before has failed
_EXECUTOR_FAILED = 64


def find_container_failure(pod: Manifest) -> RunnerError | None:
    """Return why a container ended that could not report it: it had too little memory, or its image has no shell."""
    for status in pod.get("status", {}).get("containerStatuses") or []:
        ended = status.get("state", {}).get("terminated") or {}
        if ended.get("reason") == "OOMKilled":
            return _build_out_of_memory(pod, status["name"], ended["exitCode"])
        message = ended.get("message") or ""
        if (status["name"], ended.get("exitCode")) == (TOOL, _EXECUTOR_FAILED) and "/bin/sh" in message:
            return _build_no_shell(pod, status["image"], message)
    return None


def _build_no_shell(pod: Manifest, image: str, message: str) -> RunnerError:
    owner = find_owner(pod)
    return EngineError(
        f"the image {image} of {owner.name} has no /bin/sh, which starts steps on Argo Workflows",
        "Use an image with a shell in dockerPull; add /bin/sh to an image that is built from scratch.",
        evidence=(message,),
        level=owner.level,
        step=owner.step,
        code="image.no-shell",
    )


def _build_out_of_memory(pod: Manifest, container: str, code: int) -> RunnerError:
    spec = next(one for one in pod["spec"]["containers"] if one["name"] == container)
    limit = spec.get("resources", {}).get("limits", {}).get("memory", "none")
    evidence = (f"{container}: OOMKilled, exit code {code}, memory limit {limit}",)
    if container == TOOL:
        owner = find_owner(pod)
        return ToolError(
            f"{owner.name} ran out of memory: it was killed at its limit of {limit}",
            owner.memory,
            evidence=evidence,
            step=owner.step,
            code=owner.out_of_memory,
        )
    return EngineError(
        f"the container {container} of the job ran out of memory: it was killed at its limit of {limit}",
        "Raise ZOO_RUNNER_JOB_RAM_LIMIT.",
        evidence=evidence,
        code="engine.memory",
    )
