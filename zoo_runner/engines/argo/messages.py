"""What messages of Argo mean: those of its nodes, of its workflows and of its controller's log; pure.

Messages of nodes begin with the container: `main: Error (exit code 3)`. Sources: Argo Workflows 4.0,
workflow/controller/operator.go (`inferFailedReason`, `getPendingReason`), and messages as they were seen.
"""

import re
from dataclasses import dataclass

from zoo_runner.engines.kubernetes.errors import find_advice, find_code
from zoo_runner.engines.kubernetes.owners import Owner
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError, RunnerError, ToolError


@dataclass(frozen=True)
class _Rule:
    """A pattern, and the error that it stands for, in which `{name}` is a group of the pattern or the `{who}`."""

    pattern: str
    code: str
    cause: str
    remedy: str
    level: Level | None = None

    def build(self, match: "re.Match[str]", owner: Owner, message: str) -> RunnerError:
        named = {"who": owner.name, "memory": owner.memory} | {
            name: text or "" for name, text in match.groupdict().items()
        }
        error = ToolError if self.code.startswith("step.") else EngineError
        cause, remedy = self.cause.format(**named).rstrip(": "), self.remedy.format(**named)
        return error(cause, remedy, evidence=(message,), level=self.level, step=owner.step, code=self.code)


def read_message(message: str, owner: Owner) -> RunnerError | None:
    """Return the error that a message of Argo stands for; None if it is unknown.

    Of the nodes of a job of ours, the job's log says why a program failed, and not this message.
    """
    if refused := _REFUSED.search(message):
        return _build_refused(refused["why"] or refused["webhook"], owner, message)
    for rule in (*_OURS, *_RULES) if not owner.is_foreign else (*_RULES, *_FOREIGN):
        if match := re.search(rule.pattern, message):
            return rule.build(match, owner, message)
    return None


def _build_refused(why: str, owner: Owner, message: str) -> RunnerError:
    """Build the error of a pod that Kubernetes refuses, with its own words."""
    return EngineError(
        f"the cluster refuses the pod of {owner.name}: {why}",
        find_advice(message) or "Change the settings that the message names, or ask the operator to change the rule.",
        evidence=(message,),
        level=Level.PLATFORM if "quota" in why else owner.level,
        code=find_code(message) or "cluster.refused",
    )


def build_unknown(message: str, owner: Owner) -> RunnerError:
    """Build the error of a workflow whose message is unknown."""
    if owner.is_foreign:
        return ToolError(
            f"{owner.name} failed: {message}",
            "Read the node's log; `argo get` shows the others.",
            evidence=(message,),
            code="step.failed",
        )
    return EngineError(
        f"the Workflow failed: {message}",
        "Read the log of the job; `argo get` shows its nodes.",
        evidence=(message,),
        code="engine.failed",
    )


_REFUSED = re.compile(
    r"^(?!.*workflowtaskresults).*pods .* is forbidden: (?P<why>.+)"
    r"|(?P<webhook>admission webhook .* denied the request.*)"
)
# of the nodes of our jobs
_OURS = (
    _Rule(
        r"(?P<node>stage-in|run|cwl|stage-out): OOMKilled",
        "engine.memory",
        "the node {node} ran out of memory",
        "Raise ZOO_RUNNER_JOB_RAM_LIMIT.",
    ),
    _Rule(
        r"invalid spec|failed to resolve \{\{",
        "engine.argo-invalid",
        "Argo refuses the Workflow as invalid",
        "Check that the controller is Argo Workflows 4.0 or newer; `zoo-runner plan` prints the Workflow.",
    ),
)
# the first match counts
_RULES = (
    _Rule(
        r"workflowtaskresults.* is forbidden: User \"(?P<user>[^\"]+)\"",
        "engine.executor-permission",
        "the executor may not report results: {user} lacks create and patch of workflowtaskresults",
        "Apply deploy/argo/access.yaml in the namespace, or bind such a role to the service account.",
    ),
    _Rule(
        r"(wait|init|supervisor): Error .*\bUnauthorized\b",
        "engine.executor-permission",
        "the Kubernetes API does not accept the token of Argo's executor in the pod of {who}",
        "Check that the service account still exists and that its token is mounted; run it again.",
    ),
    _Rule(
        r"(?P<container>wait|init|supervisor): OOMKilled",
        "engine.executor-memory",
        "Argo's own container {container} ran out of memory",
        "Raise the memory in `executor.resources` of the controller's ConfigMap.",
    ),
    _Rule(
        r"artifact storage is not configured|failed to (get|find any) artifact repository|artifact repository ref",
        "engine.artifact-repository",
        "Argo has no artifact repository for {who}",
        "Set `artifactRepository` in the controller's ConfigMap, or a ConfigMap `artifact-repositories` here.",
    ),
    _Rule(
        r"(init|supervisor): Error \(exit code \d+\).*(?P<why>key .* does not exist|NoSuchKey|NoSuchBucket|AccessDenied"
        r"|Access Denied|specified key|status code (403|404)|404 Not Found|403 Forbidden)",
        "step.input-missing",
        "an input artifact of {who} cannot be read from its store: {why}",
        "Correct its key and bucket, or the credentials of the artifact repository.",
    ),
    _Rule(
        r"dial tcp|no such host|connection refused|i/o timeout",
        "engine.executor-network",
        "the executor could not reach the Kubernetes API or its DNS",
        "Check DNS, egress and network policies of the namespace.",
    ),
    _Rule(
        r"pod deleted|low on resource|imminent node shutdown|Evicted|NodeLost|: \w*Unknown \(exit code",
        "cluster.pod-lost",
        "the pod of {who} was deleted or evicted while it ran",
        "Run the job again; check the cluster's audit log for who deleted it, and the nodes.",
        Level.PLATFORM,
    ),
    _Rule(
        r"ephemeral(?:-| local )storage",
        "cluster.evicted",
        "{who} was evicted from its node: it wrote more to disk, besides its volumes, than it may",
        "Raise `resources.limits.ephemeral-storage`, or write to a volume.",
    ),
    _Rule(
        r"exceeded its deadline|active on the node longer than the specified deadline|[Mm]ax duration limit",
        "job.time-limit",
        "the Workflow took longer than its deadline",
        "Raise the time limit (ZOO_RUNNER_TIME_LIMIT; of other workflows `activeDeadlineSeconds`, `retryStrategy`).",
    ),
    _Rule(
        r"offload node status is not supported|entity too large|request is too large|too large to fit",
        "engine.argo-too-large",
        "the Workflow has grown larger than Kubernetes stores",
        "Have the operator enable `persistence.nodeStatusOffLoad`, or split the workflow into fewer nodes.",
    ),
    # the whole message of a template's pendingTimeout, which Argo 4.1 added
    _Rule(
        r"^timeout$",
        "cluster.pending",
        "the pod of {who} was not started within the pendingTimeout of its template",
        "Find out what it waited for from the events of the pod, or raise pendingTimeout.",
    ),
)
# of workflows that zoo-runner did not start
_FOREIGN = (
    _Rule(
        r"invalid spec: (?P<why>.*)|(?P<also>failed to resolve \{\{.*)",
        "engine.argo-invalid",
        "Argo refuses {who} as invalid: {why}{also}",
        "Correct its templates; `argo lint` finds that before it is submitted.",
        Level.USER,
    ),
    _Rule(
        r"(?P<container>[-\w]+): OOMKilled",
        "step.out-of-memory",
        "{who} ran out of memory: its container {container} was killed at its limit",
        "{memory}",
    ),
    _Rule(
        r"wait: Error \(exit code \d+\).*?(?:/var/run/argo/outputs/\w+)?(?P<path>/[^\s:]+):? no such file or directory",
        "step.output-missing",
        "{who} succeeded but wrote no {path} for its output",
        "Correct the path of the output in the template, or mark it as optional.",
    ),
    _Rule(
        r"(?P<container>[-\w]+): (StartError|Error) \(exit code (64|126|127|128)\): .*?"
        r"(?P<why>failed to find name in PATH.*|exec format error.*|exec: .*|.*no such file or directory.*)",
        "step.program-not-found",
        "{who} cannot start its program: {why}",
        "Correct `command` in its template, or use an image that has it, for the architecture of the nodes.",
    ),
    _Rule(
        r"(?P<container>[-\w]+): \w+ \(exit code (?P<exit>\d+)\)(?P<said>.*)",
        "step.exit-code",
        "{who} ended with exit code {exit}{said}",
        "Read the log of its container {container}: `zoo-runner hera logs` or `kubectl logs`.",
    ),
)
