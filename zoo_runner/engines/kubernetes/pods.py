"""What a pod's status, an event or a refusal means for a job; pure. Source: Kubernetes API v1."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo_runner.engines.image_errors import is_denied, is_limited, is_missing
from zoo_runner.engines.kubernetes.errors import find_advice, find_code
from zoo_runner.engines.kubernetes.manifests import CWL
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError, RunnerError, ToolError

STEP_ANNOTATION = "zoo-runner/step"
_IMAGE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
_BROKEN = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError"}
# a busy kubelet that has not read the object yet tries again (kubernetes, pkg/kubelet/util/manager)
_PASSING = re.compile(r"failed to sync (?:secret|configmap) cache")


@dataclass(frozen=True)
class Ending:
    """How a pod's container ended. Times are as Kubernetes writes them (RFC 3339)."""

    exit_code: int
    reason: str
    message: str = ""


def name_owner(pod: Manifest) -> str:
    """Return whose pod it is, for messages."""
    step = find_step(pod)
    return f"step {step!r}" if step else "the job"


def find_step(pod: Manifest) -> str | None:
    """The step a pod runs; None for the job pod itself."""
    step: str | None = (pod["metadata"].get("annotations") or {}).get(STEP_ANNOTATION)
    return step


def _main_statuses(pod: Manifest) -> list[Mapping[str, Any]]:
    """The status of the container whose end is that of the pod; none before Kubernetes has looked at it."""
    statuses = pod.get("status", {}).get("containerStatuses") or []
    return [status for status in statuses if status.get("name") != CWL]


def has_started(pod: Manifest) -> bool:
    """Whether the main container runs or ran, so that it has a log."""
    return any({"running", "terminated"} & status.get("state", {}).keys() for status in _main_statuses(pod))


def has_ended(pod: Manifest) -> bool:
    """Whether the main container has ended by itself, so that its log is complete.

    Of a pod that was evicted the kubelet may have removed the container, and its log with it.
    """
    if pod.get("status", {}).get("reason"):
        return False
    return any("terminated" in status.get("state", {}) for status in _main_statuses(pod))


def find_ending(pod: Manifest) -> Ending | None:
    """Return how the container ended, or the pod without it; None while neither has.

    A reason of the pod's own (`Evicted`) comes before the code of a container that was killed for it.
    """
    status = pod.get("status", {})
    if status.get("phase") == "Failed" and status.get("reason"):
        return Ending(1, status["reason"], status.get("message", "").strip())
    main = _main_statuses(pod)
    for one in (*(status.get("initContainerStatuses") or []), *main):
        ended = one.get("state", {}).get("terminated")
        if ended and (ended["exitCode"] != 0 or one in main):
            return _read_ending(ended)
    if status.get("phase") in ("Failed", "Succeeded"):
        return Ending(0 if status["phase"] == "Succeeded" else 1, "Lost", status.get("message", ""))
    return None


def _read_ending(terminated: Mapping[str, Any]) -> Ending:
    return Ending(terminated["exitCode"], terminated.get("reason", ""), terminated.get("message", ""))


def find_cwl_ending(pod: Manifest) -> Ending | None:
    """Return how the container that evaluates the package ended; None while it has not."""
    for status in pod.get("status", {}).get("containerStatuses") or []:
        if status.get("name") == CWL and (ended := status.get("state", {}).get("terminated")):
            return _read_ending(ended)
    return None


def find_start_failure(pod: Manifest) -> RunnerError | None:
    """Return why a container cannot start, however long one waits; None if it may."""
    status = pod.get("status", {})
    for one in (*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])):
        waiting = one.get("state", {}).get("waiting") or {}
        reason, message = waiting.get("reason", ""), waiting.get("message", "")
        if reason in _IMAGE and (reason != "ErrImagePull" or _is_definite(message)):
            return _image_error(pod, one["image"], message)
        if reason in _BROKEN and not _PASSING.match(message):
            return _build_not_made(pod, reason, message)
    return None


def _build_not_made(pod: Manifest, reason: str, message: str) -> RunnerError:
    if find_step(pod) and (found := re.search(r'exec: "([^"]+)".*no such file', message)):
        return EngineError(
            f"the image {_first_container(pod)['image']} of {name_owner(pod)} has no {found[1]}, which starts steps"
            " on Kubernetes",
            "Use an image with a shell in dockerPull; add /bin/sh to an image that is built from scratch.",
            evidence=(f"{reason}: {message}",),
            level=Level.USER,
            step=find_step(pod),
            code="image.no-shell",
        )
    return EngineError(
        f"the container of {name_owner(pod)} could not be created: {message or reason}",
        "Ask the cluster's operator to check what the message names; the pod's security context or image may not fit.",
        evidence=(f"{reason}: {message}",),
        step=find_step(pod),
        code="cluster.container",
    )


def _is_definite(message: str) -> bool:
    return not is_limited(message) and (is_denied(message) or is_missing(message))


def _image_error(pod: Manifest, image: str, message: str) -> RunnerError:
    low, who = message.lower(), name_owner(pod)
    where = "dockerPull in the package" if find_step(pod) else "ZOO_RUNNER_JOB_IMAGE (or ZOO_RUNNER_DEFAULT_IMAGE)"
    evidence = (message,) if message else ()
    if is_limited(message):
        code, cause = "image.unavailable", f"the registry limits how often the image {image} of {who} is pulled"
        remedy = "Set a pull secret in IMAGE_PULL_SECRETS, which raises the limit, or use a mirror of the registry."
    elif is_missing(message):
        code, cause = "image.not-found", f"the image {image} of {who} does not exist"
        remedy = f"Correct {where}, or push the image."
    elif is_denied(message):
        code, cause = "image.forbidden", f"the registry does not let the cluster pull the image {image} of {who}"
        remedy = (
            "Check the image's name; if it is private, set a pull secret in IMAGE_PULL_SECRETS, or its registry's"
            " credentials in ZOO_RUNNER_PULL_CREDENTIALS."
        )
    elif "invalidimagename" in low or "invalid reference" in low or "couldn't parse" in low:
        code, cause, remedy = "image.invalid", f"invalid image name {image!r} of {who}", f"Correct {where}."
    else:
        code, cause = "image.unavailable", f"the image {image} of {who} cannot be pulled"
        remedy = "Check that the nodes reach the image's registry; the evidence shows its answer."
    level = Level.USER if find_step(pod) else Level.ENGINE
    return EngineError(cause, remedy, evidence=evidence, level=level, step=find_step(pod), code=code)


def explain_ending(pod: Manifest, ending: Ending) -> RunnerError | None:
    """Return why a pod ended for another reason than its tool; None if the exit code of the tool counts."""
    who, step = name_owner(pod), find_step(pod)
    if ending.reason == "OOMKilled":
        limit = _first_container(pod).get("resources", {}).get("limits", {}).get("memory", "none")
        return ToolError(
            f"{who} ran out of memory: it was killed at its limit of {limit}",
            f"Raise ramMax in the ResourceRequirement of {who} (and DEFAULT_MAX_RAM if that is the bound)."
            if step
            else "Raise ZOO_RUNNER_JOB_RAM_LIMIT.",
            evidence=(f"OOMKilled, exit code {ending.exit_code}, memory limit {limit}",),
            step=step,
            code="step.out-of-memory" if step else "job.out-of-memory",
        )
    if ending.reason == "Evicted":
        return EngineError(
            f"{who} was evicted from its node: {ending.message}",
            "Run it again; if it happens often, let the steps request the memory and disk that they use.",
            evidence=(f"Evicted: {ending.message}",),
            level=Level.PLATFORM,
            step=step,
            code="cluster.evicted",
        )
    if ending.reason in _BROKEN:
        return _build_not_made(pod, ending.reason, ending.message)
    if ending.reason in ("Lost", "NodeLost", "Preempting", "Shutdown", "Terminated", "DeadlineExceeded"):
        return build_lost(pod, f"{ending.reason}: {ending.message}".rstrip(": "))
    return None


def build_lost(pod: Manifest, evidence: str) -> RunnerError:
    """Build the error of a pod that was deleted while it ran."""
    return EngineError(
        f"the pod {pod['metadata']['name']} of {name_owner(pod)} was deleted while it ran",
        "Run the job again; check the cluster's audit log for who deleted the pod or drained its node.",
        evidence=(evidence,),
        level=Level.PLATFORM,
        step=find_step(pod),
        code="cluster.pod-lost",
    )


def _first_container(pod: Manifest) -> Mapping[str, Any]:
    container: Mapping[str, Any] = pod["spec"]["containers"][0]
    return container


def warns(event: Manifest) -> bool:
    """Whether an event is a warning.

    That a claim names no storage class, and so waits for ever, Kubernetes reports as a normal event.
    """
    return event.get("type") == "Warning" or event.get("reason") == "FailedBinding"


def diagnose_event(event: Manifest) -> RunnerError | None:
    """Return the error that a warning of the cluster means for the job; None if it may pass."""
    reason, message = event.get("reason", ""), event.get("message", "")
    for name, pattern, build in _EVENTS:
        if reason in name.split("|") and re.search(pattern, message):
            return build(event["involvedObject"], message)
    return None


def _sandbox(about: Mapping[str, Any], message: str) -> RunnerError:
    return EngineError(
        f"the cluster cannot give the pod {about['name']} its network (Init:0/1): {_plugin_text(message)}",
        "Ask the cluster's operator to check the network plug-in (CNI) of the node; the job is not the cause.",
        evidence=(message,),
        level=Level.PLATFORM,
        code="cluster.network",
    )


def _plugin_text(message: str) -> str:
    """The plug-in's own message, without the id of a sandbox that nobody can look up."""
    found = re.search(r"plugin type=.*", message) or re.search(r'(?<=network for sandbox ")[0-9a-f]+": (.+)', message)
    return found[found.lastindex or 0] if found else message


def _storage_class(about: Mapping[str, Any], message: str) -> RunnerError:
    return EngineError(
        f"the job's volume {about['name']} cannot be created: {message}",
        "Set STORAGE_CLASS to one that `kubectl get storageclass` lists and that offers the access mode"
        " (ZOO_RUNNER_ACCESS_MODE).",
        evidence=(message,),
        code="cluster.storage-class",
    )


def _quota(about: Mapping[str, Any], message: str) -> RunnerError:
    return EngineError(
        f"the namespace's resource quota leaves no room for {about['name']}: {_after_colon(message)}",
        "Wait until other jobs of the workspace end, lower ZOO_RUNNER_JOB_CPU and ZOO_RUNNER_JOB_RAM, or ask the"
        " operator to raise the quota.",
        evidence=(message,),
        code="cluster.quota",
    )


def _account(about: Mapping[str, Any], message: str) -> RunnerError:
    restore = "Restore the service account and its permissions (docs/kubernetes.md) and run the job again."
    return EngineError(
        f"the cluster refuses the pod of {about['name']}: {_after_colon(message)}",
        find_advice(message) or restore,
        evidence=(message,),
        code=find_code(message) or "cluster.service-account",
    )


def _after_colon(message: str) -> str:
    return message.partition(": ")[2] or message


_EVENTS = (
    ("FailedCreatePodSandBox", r".", _sandbox),
    (
        "ProvisioningFailed|FailedBinding",
        r"not found|no storage class|no persistent volumes|no volume plugin",
        _storage_class,
    ),
    ("FailedCreate", r"exceeded quota", _quota),
    # the usage of a quota that was just created is not counted yet: that passes
    ("FailedCreate", r"^(?!.*status unknown for quota).*(forbidden|not found|denied|violates)", _account),
)
