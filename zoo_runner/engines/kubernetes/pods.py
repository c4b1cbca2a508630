"""What a pod's status, an event or a refusal means for a job; pure. Source: Kubernetes API v1."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from zoo_runner.engines.image_errors import is_denied, is_limited, is_missing
from zoo_runner.engines.kubernetes.errors import find_advice, find_code
from zoo_runner.engines.kubernetes.manifests import CWL
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.engines.kubernetes.owners import WORKFLOW_LABEL, Owner, build_foreign, find_owner
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError, RunnerError, ToolError

_EXECUTOR = ("init", "wait", "supervisor")
_IMAGE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
_BROKEN = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError"}
# a busy kubelet that has not read the object yet tries again (kubernetes, pkg/kubelet/util/manager)
_PASSING = re.compile(r"failed to sync (?:secret|configmap) cache")
_REFERENCE = re.compile(r'\b(?P<kind>[Ss]ecret|[Cc]onfig[Mm]ap)s? "(?P<name>[^"]+)" not found')


@dataclass(frozen=True)
class Ending:
    """How a pod's container ended. Times are as Kubernetes writes them (RFC 3339)."""

    exit_code: int
    reason: str
    message: str = ""


def _main_statuses(pod: Manifest) -> list[Mapping[str, Any]]:
    """The status of the container whose end is that of the pod; none before Kubernetes has looked at it."""
    statuses = pod.get("status", {}).get("containerStatuses") or []
    return [status for status in statuses if status.get("name") != CWL]


def has_started(pod: Manifest) -> bool:
    """Whether the main container runs or ran, so that it has a log."""
    return any({"running", "terminated"} & status.get("state", {}).keys() for status in _main_statuses(pod))


def read_digest(pod: Manifest, container: str) -> str:
    """Return the digest of a container's image, empty if it is not known yet; pure.

    Source: Kubernetes API v1 (ContainerStatus, `imageID`).

    >>> status = {"name": "tool", "imageID": "docker.io/library/busybox@sha256:1f"}
    >>> read_digest({"status": {"containerStatuses": [status]}}, "tool")
    'sha256:1f'
    """
    statuses = pod.get("status", {}).get("containerStatuses") or ()
    shown = next((str(one.get("imageID") or "") for one in statuses if one["name"] == container), "")
    return shown.rpartition("@")[2].rpartition("://")[2]


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
            if is_executor(pod, one.get("name", "")):
                return _build_no_executor(one["image"], message or reason)
            return _image_error(pod, one["image"], message)
        if reason in _BROKEN and not _PASSING.match(message):
            return _build_not_made(pod, reason, message)
    return None


def is_executor(pod: Manifest, container: str) -> bool:
    """Whether a container is that of Argo's executor, which the controller adds to each pod of a workflow."""
    return WORKFLOW_LABEL in (pod["metadata"].get("labels") or {}) and container in _EXECUTOR


def _build_no_executor(image: str, message: str) -> RunnerError:
    return EngineError(
        f"the image {image} of Argo's executor cannot be pulled",
        "Correct `executor.image` in the ConfigMap of the workflow controller (or its --executor-image), or let the"
        " nodes reach its registry.",
        evidence=(message,),
        code="engine.executor-image",
    )


def _build_not_made(pod: Manifest, reason: str, message: str) -> RunnerError:
    owner = find_owner(pod)
    if owner.step and (found := re.search(r'exec: "([^"]+)".*no such file', message)):
        return EngineError(
            f"the image {_first_container(pod)['image']} of {owner.name} has no {found[1]}, which starts steps"
            " on Kubernetes",
            "Use an image with a shell in dockerPull; add /bin/sh to an image that is built from scratch.",
            evidence=(f"{reason}: {message}",),
            level=Level.USER,
            step=owner.step,
            code="image.no-shell",
        )
    if found := _REFERENCE.search(message):
        return _build_no_reference(owner, found, f"{reason}: {message}")
    return EngineError(
        f"the container of {owner.name} could not be created: {message or reason}",
        "Ask the cluster's operator to check what the message names; the pod's security context or image may not fit.",
        evidence=(f"{reason}: {message}",),
        level=owner.level if owner.is_foreign else None,
        step=owner.step,
        code="cluster.container",
    )


def _build_no_reference(owner: Owner, found: "re.Match[str]", evidence: str) -> RunnerError:
    kind = {"configmap": "ConfigMap", "secret": "Secret"}[found["kind"].lower()]
    return EngineError(
        f"the {kind} {found['name']!r} that {owner.name} uses does not exist",
        f"Create the {kind} in the namespace of the pod, or correct its name.",
        evidence=(evidence,),
        level=owner.level,
        step=owner.step,
        code="cluster.not-found",
    )


def _is_definite(message: str) -> bool:
    return not is_limited(message) and (is_denied(message) or is_missing(message))


def _image_error(pod: Manifest, image: str, message: str) -> RunnerError:
    owner = find_owner(pod)
    low, who, where = message.lower(), owner.name, owner.image
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
    return EngineError(cause, remedy, evidence=evidence, level=owner.level, step=owner.step, code=code)


def explain_ending(pod: Manifest, ending: Ending) -> RunnerError | None:
    """Return why a pod ended for another reason than its tool; None if the exit code of the tool counts."""
    owner = find_owner(pod)
    who, step = owner.name, owner.step
    if ending.reason == "OOMKilled":
        limit = _first_container(pod).get("resources", {}).get("limits", {}).get("memory", "none")
        return ToolError(
            f"{who} ran out of memory: it was killed at its limit of {limit}",
            owner.memory,
            evidence=(f"OOMKilled, exit code {ending.exit_code}, memory limit {limit}",),
            step=step,
            code=owner.out_of_memory,
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


def explain_loss(pod: Manifest) -> RunnerError:
    """Return why a pod that another one has replaced was lost, as far as its last known status says."""
    ending = find_ending(pod)
    return (explain_ending(pod, ending) if ending else None) or build_lost(pod, "replaced by another pod")


def build_lost(pod: Manifest, evidence: str) -> RunnerError:
    """Build the error of a pod that was deleted while it ran."""
    return EngineError(
        f"the pod {pod['metadata']['name']} of {find_owner(pod).name} was deleted while it ran",
        "Run the job again; check the cluster's audit log for who deleted the pod or drained its node.",
        evidence=(evidence,),
        level=Level.PLATFORM,
        step=find_owner(pod).step,
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
    rule = _find_rule(event)
    return rule.build(event["involvedObject"], event["message"]) if rule and not rule.passes else None


def explain_event(event: Manifest) -> RunnerError | None:
    """Return what a warning of the cluster means, also where it may pass; None if it is unknown."""
    rule = _find_rule(event)
    return rule.build(event["involvedObject"], event["message"]) if rule else None


def _find_rule(event: Manifest) -> "_EventRule | None":
    reason, message = event.get("reason", ""), event.get("message") or ""
    fits = (rule for rule in _EVENTS if reason in rule.reasons.split("|") and re.search(rule.pattern, message))
    return next(fits, None)


@dataclass(frozen=True)
class _EventRule:
    """Events of these reasons with this message; `passes`: Kubernetes tries again, and may succeed."""

    reasons: str
    pattern: str
    build: Callable[[Mapping[str, Any], str], RunnerError]
    passes: bool = False


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


def _mount(about: Mapping[str, Any], message: str) -> RunnerError:
    if found := _REFERENCE.search(message):
        owner = replace(build_foreign(""), name=f"the pod {about['name']}")
        return _build_no_reference(owner, found, message)
    return EngineError(
        f"the pod {about['name']} waits for its volume, which cannot be attached or mounted: {message}",
        "Check the volume that the message names: its path or server exists, its access mode allows this node (pods on"
        " several nodes need ReadWriteMany), and no other node holds it.",
        evidence=(message,),
        level=Level.PLATFORM,
        code="cluster.mount",
    )


def _after_colon(message: str) -> str:
    return message.partition(": ")[2] or message


_EVENTS = (
    _EventRule("FailedCreatePodSandBox", r".", _sandbox),
    _EventRule(
        "ProvisioningFailed|FailedBinding",
        r"not found|no storage class|no persistent volumes|no volume plugin",
        _storage_class,
    ),
    _EventRule("FailedCreate", r"exceeded quota", _quota),
    # the usage of a quota that was just created is not counted yet: that passes
    _EventRule("FailedCreate", r"^(?!.*status unknown for quota).*(forbidden|not found|denied|violates)", _account),
    # every namespace gets kube-root-ca.crt shortly after its creation
    _EventRule("FailedMount", r"type check failed|^(?!.*kube-root-ca).*(secrets?|configmaps?) \S+ not found", _mount),
    _EventRule("FailedMount|FailedAttachVolume", r"^(?!.*(kube-root-ca|failed to sync|not registered))", _mount, True),
)
