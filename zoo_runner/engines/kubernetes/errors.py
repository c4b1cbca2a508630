"""Refusals of the Kubernetes API as errors: with a code and a remedy, by the words of the API.

Sources: Kubernetes documentation, "Resource Quotas", "Limit Ranges", "Pod Security Standards", "Pod Priority and
Preemption", and the messages of its admission plug-ins as they were seen.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError, NotReachedError, RunnerError


@dataclass(frozen=True)
class _Refusal:
    """Words of a refusal, the code they stand for, and what to do."""

    words: str
    code: str
    remedy: str


# the first match counts; a refusal names its object, so that its words distinguish a volume from a container
_REFUSALS = (
    _Refusal(
        r"exceeded quota",
        "cluster.quota",
        "Wait until other jobs of the namespace end, or ask the operator to raise its resource quota.",
    ),
    _Refusal(
        r"failed quota: .*must specify (limits|requests)\.ephemeral-storage",
        "cluster.limit-range",
        "Add a LimitRange with a default for it to the namespace: jobs do not set that limit.",
    ),
    _Refusal(
        r"storage usage per PersistentVolumeClaim",
        "cluster.limit-range",
        "Set DEFAULT_VOLUME_SIZE within what the namespace's LimitRange allows (a package may ask for more by tmpdirMin"
        " and outdirMin), or ask the operator to change the LimitRange.",
    ),
    _Refusal(
        r"(maximum|minimum) \S+ (usage|limit) per|limit to request ratio per|per Pod is",
        "cluster.limit-range",
        "Stay within the namespace's LimitRange, or ask the operator to change it: a step by its ResourceRequirement,"
        " the job's own pod by ZOO_RUNNER_JOB_CPU, ZOO_RUNNER_JOB_CPU_LIMIT, ZOO_RUNNER_JOB_RAM and"
        " ZOO_RUNNER_JOB_RAM_LIMIT.",
    ),
    _Refusal(
        r"violates PodSecurity",
        "cluster.pod-security",
        "Set ZOO_RUNNER_RUN_AS_USER to an ordinary user, or ask the operator to change the namespace's level.",
    ),
    _Refusal(r"PriorityClass", "cluster.priority-class", "Correct POD_PRIORITY_CLASS, or create the priority class."),
    _Refusal(
        r"request is too large|entity too large",
        "cluster.too-large",
        "Pass long inputs to the step as a File, or pass fewer of them: its command line has to fit into one object"
        " of Kubernetes (about 1 MiB).",
    ),
    _Refusal(
        r"being terminated",
        "cluster.namespace",
        "Wait until the namespace is gone and run the job again, or use another workspace.",
    ),
    _Refusal(
        r"certificate verify failed|is not trusted",
        "cluster.untrusted",
        "Set the server name of KUBECONFIG to that of the API server's certificate, and its certificate authority.",
    ),
    _Refusal(
        r"error looking up service account|serviceaccount \S+ not found",
        "cluster.service-account",
        "Restore the service account (docs/kubernetes.md lists its permissions) and run the job again.",
    ),
)
_BY_STATUS = {
    0: (
        "cluster.unreachable",
        "Check that the API server runs and that KUBECONFIG (or ZOO_RUNNER_KUBERNETES_URL) names it.",
    ),
    401: ("cluster.login", "Log in to the cluster again: its API does not accept these credentials."),
    403: (
        "cluster.permission",
        "Grant the permission named above to the runner's account (docs/kubernetes.md lists all it needs).",
    ),
    404: ("cluster.not-found", "Check that the namespace and what the settings name exist."),
}
_OTHERWISE = (
    "cluster.refused",
    "Correct the setting that the message names; `zoo-runner plan` prints the manifests.",
)


class ApiError(EngineError):
    """The API refused a request; `status` is its HTTP status, 0 where it could not be reached."""

    def __init__(self, what: str, status: int, reason: str, message: str) -> None:
        self.status, self.reason, self.message = status, reason, message
        code, remedy = _explain(status, message)
        super().__init__(
            f"Kubernetes: {what}: {message or reason or 'no answer'}",
            remedy,
            level=Level.PLATFORM if _is_away(status) else Level.ENGINE,
            code=code,
        )


def _is_away(status: int) -> bool:
    return status in (0, 429) or status >= 500


@contextmanager
def reaching(*refused: int) -> Iterator[None]:
    """Raise `NotReachedError` in place of an `ApiError` that says nothing of a job.

    That is where the API is away or busy, and where it refuses with one of the HTTP statuses `refused`.
    """
    try:
        yield
    except EngineError as error:
        # an engine may describe the refusal in its own words
        refusal = error if isinstance(error, ApiError) else error.__cause__
        if isinstance(refusal, ApiError) and (refusal.status in refused or _passes(refusal)):
            raise build_not_reached(error) from error
        raise


def _passes(error: ApiError) -> bool:
    """Whether the same request may succeed later."""
    return _is_away(error.status) and _find_refusal(error.message) is None


def build_not_reached(error: RunnerError) -> NotReachedError:
    """Return the error for a job whose state is unknown, with the words of the error that prevented reading it."""
    found = error.diagnosis
    return NotReachedError(found.cause, found.remedy, evidence=found.evidence, level=found.level, code=found.code)


def _explain(status: int, message: str) -> tuple[str, str]:
    known = _find_refusal(message)
    return (known.code, known.remedy) if known else _BY_STATUS.get(status, _OTHERWISE)


def _find_refusal(message: str) -> _Refusal | None:
    return next((known for known in _REFUSALS if re.search(known.words, message)), None)


def find_advice(message: str) -> str | None:
    """Return the remedy for a refusal; None for an unknown message."""
    known = _find_refusal(message)
    return known.remedy if known else None


def find_code(message: str) -> str | None:
    """Return the code of a refusal; None for an unknown message."""
    known = _find_refusal(message)
    return known.code if known else None


def read_refusal(what: str, status: int, content: bytes) -> ApiError:
    """Read the API's answer to a request that it refused."""
    text = content.decode("utf-8", "replace")
    try:
        answer = json.loads(text)
        return ApiError(what, status, str(answer.get("reason")), str(answer.get("message")))
    except (ValueError, AttributeError):
        return ApiError(what, status, str(status), text.strip()[:300])


def is_too_large(message: str) -> bool:
    """Whether an object was refused for its size, which no waiting makes smaller.

    etcd's limit (1.5 MiB) is reported as an error of the server, that of the API server (3 MiB) as one of the client.
    """
    return "request is too large" in message or "entity too large" in message
