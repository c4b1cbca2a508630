"""Follows the Workflow of a template: each of its pods is a step, whose log is that of its containers."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.argo.follower import WorkflowFollower, is_executor_line
from zoo_runner.engines.argo.pods import has_container_ended, has_container_started
from zoo_runner.engines.argo.status import has_ended, has_succeeded
from zoo_runner.engines.kubernetes.logs import LogReader
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.engines.kubernetes.owners import NODE_NAME, WORKFLOW_LABEL
from zoo_runner.engines.kubernetes.pods import find_start_failure
from zoo_runner.engines.kubernetes.root import ClusterJob
from zoo_runner.engines.kubernetes.watch import WatchFailed
from zoo_runner.model import clock
from zoo_runner.model.diagnosis import Diagnosis
from zoo_runner.model.errors import ToolError
from zoo_runner.model.events import Report, StepEnded, StepLines, StepStarted
from zoo_runner.model.job import Outcome, Status
from zoo_staging.names import safe_name

_EXECUTOR = "wait"
# what logs may still take when the Workflow has ended
_REST_SECONDS = 5.0
_EVIDENCE_LINES = 5


class TemplateFollower(WorkflowFollower):
    """Follows a Workflow to the end that Argo gives it; retries within it are its own affair."""

    def __init__(self, job: ClusterJob, settings: KubernetesSettings, report: Report) -> None:
        super().__init__(job, settings, report)
        self._logs: dict[tuple[str, str], LogReader] = {}
        self._unread: set[tuple[str, str]] = set()
        self._ended: set[tuple[str, str]] = set()
        self._last_lines: dict[str, deque[str]] = {}
        self._failed_step: str | None = None
        self._succeeded = False

    def _is_job_pod(self, pod: Manifest) -> bool:
        return True

    def _is_over(self, root: Manifest) -> bool:
        return has_ended(root) and not has_succeeded(root)

    def _take_failed_watch(self, failed: WatchFailed) -> None:
        # nothing else says how the Workflow ended
        if failed.kind == self._root.kind:
            raise failed.error
        super()._take_failed_watch(failed)

    def _take_root(self, change: str, root: Manifest) -> None:
        if self._stopping and has_ended(root):
            raise self._build_lost("it was stopped")
        super()._take_root(change, root)
        if has_succeeded(root) and not self._succeeded:
            self._succeeded = True
            self._later(_REST_SECONDS, self._succeed)
            self._succeed_when_read()

    def _succeed(self) -> None:
        self._end(Outcome(Status.SUCCESSFUL))

    def _succeed_when_read(self) -> None:
        if self._succeeded and not self._unread:
            self._succeed()

    def _take_job_pod(self, change: str, pod: Manifest) -> None:
        self._pod = pod
        failure = find_start_failure(pod)
        if failure and not self._stopping:
            raise failure
        for container in list_programs(pod):
            self._read_container(change, pod, container)

    def _read_container(self, change: str, pod: Manifest, container: str) -> None:
        key, step = (pod["metadata"]["uid"], container), name_step(pod, container)
        is_over = change == "DELETED" or has_container_ended(pod, container)
        if key not in self._logs and has_container_started(pod, container):
            self._unread.add(key)
            self._report(StepStarted(step, "", read_state(pod, container)[0]))
            lines = self._last_lines.setdefault(step, deque(maxlen=_EVIDENCE_LINES))
            take = partial(self._take_step_lines, step, lines)
            self._logs[key] = self._open_log(pod, is_over, partial(self._note_read, key), container, take)
        elif key in self._logs and is_over:
            self._logs[key].note_end()
        if is_over and key in self._logs and key not in self._ended:
            self._ended.add(key)
            self._note_end(step, *read_state(pod, container))

    def _note_end(self, step: str, started: float, ended: float, exit_code: int | None) -> None:
        if exit_code:
            self._failed_step = step
        self._report(StepEnded(step, started, ended, exit_code, None, None))

    def _note_read(self, key: tuple[str, str]) -> None:
        self._unread.discard(key)
        self._succeed_when_read()

    def _take_step_lines(self, step: str, last: "deque[str]", texts: list[str]) -> None:
        if lines := tuple(text for text in texts if not is_executor_line(text)):
            last.extend(lines)
            self._report(StepLines(step, lines))

    def _end(self, end: Outcome | BaseException) -> None:
        # Argo knows the exit code, and the log why
        if isinstance(end, ToolError) and self._failed_step:
            said = tuple(self._last_lines.get(self._failed_step, ()))
            found = add_last_line(end.diagnosis, self._failed_step, said)
            end.diagnosis = replace(found, evidence=(*found.evidence, *said), step=found.step or self._failed_step)
        super()._end(end)


def add_last_line(found: Diagnosis, step: str, said: Sequence[str]) -> Diagnosis:
    """Add to an exit code the last line of its step, which says why, for callers who reach neither Argo nor the cluster."""
    last = next((line.strip() for line in reversed(said) if line.strip()), "")
    if found.code != "step.exit-code" or not last:
        return found
    return replace(found, cause=f"{found.cause}: {last}", remedy=f"Read the log of the step {step}.")


def list_programs(pod: Manifest) -> list[str]:
    """List the containers of a pod that are not Argo's."""
    return [one["name"] for one in pod["spec"]["containers"] if one["name"] != _EXECUTOR]


def name_step(pod: Manifest, container: str) -> str:
    """Name the step that a container is, by its node: `work.first` of a Workflow `work` is `first`.

    Names of nodes have values of users in them, of loops; so a name is made a plain one.
    """
    meta = pod["metadata"]
    node = str((meta.get("annotations") or {}).get(NODE_NAME) or meta["name"])
    workflow = (meta.get("labels") or {}).get(WORKFLOW_LABEL, "")
    shown = node.removeprefix(workflow).lstrip(".") or container
    several = len(list_programs(pod)) > 1 and shown != container
    return safe_name(f"{shown}.{container}" if several else shown, "step").lstrip("_")


def read_state(pod: Manifest, container: str) -> tuple[float, float, int | None]:
    """Read when a container started and ended, in seconds since the epoch, and its exit code; now where not known."""
    statuses = pod.get("status", {}).get("containerStatuses") or []
    state: dict[str, Any] = next((one.get("state") or {} for one in statuses if one["name"] == container), {})
    ended, running = state.get("terminated") or {}, state.get("running") or {}
    now = clock.now()
    started = clock.to_seconds(ended.get("startedAt") or running.get("startedAt") or now)
    return started, clock.to_seconds(ended.get("finishedAt") or now), ended.get("exitCode")
