"""Follows a native Workflow: the pods of its steps, and the logs of all containers that report events."""

from collections.abc import Callable, Mapping
from functools import partial

from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.argo.follower import VERDICT_SECONDS, WorkflowFollower
from zoo_runner.engines.argo.native.images import SeenImages
from zoo_runner.engines.argo.native.nodes import NODE_ANNOTATION, TOOL
from zoo_runner.engines.argo.native.pods import find_container_failure
from zoo_runner.engines.argo.nodes import KEEP_LOGS, STAGE_IN, STAGE_OUT
from zoo_runner.engines.argo.pods import find_own_exit_code, has_container_ended, has_container_started
from zoo_runner.engines.argo.status import has_ended
from zoo_runner.engines.cwl_process.diagnose import Findings, diagnose_execution
from zoo_runner.engines.kubernetes.logs import LogReader
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.engines.kubernetes.pod_log import LastLine, build_no_result
from zoo_runner.engines.kubernetes.pods import find_start_failure
from zoo_runner.engines.kubernetes.root import ClusterJob
from zoo_runner.model.events import Event, Report
from zoo_runner.model.job import Outcome

# Argo's own, and that of the tool, whose output `collect` reports
_SILENT = ("wait", TOOL)
# what the logs of other pods may still take when the last one says how the job ended
_REST_SECONDS = 5.0
_STOPPED_SECONDS = 1.0


class StepsFollower(WorkflowFollower):
    """Follows a Workflow with a pod for each step.

    Stage-in and stage-out report how the job ended, in the last line of their logs. Where a step failed, its events say
    why; where it could not run, its pod or the status of the Workflow does.
    """

    def __init__(
        self, job: ClusterJob, settings: KubernetesSettings, report: Report, start: Callable[[], None] | None = None
    ) -> None:
        super().__init__(job, settings, self._note, start)
        self._pass_on = report
        self._findings = Findings()
        self._pods: dict[str, Manifest] = {}
        self._logs: dict[tuple[str, str], LogReader] = {}
        self._unread: set[tuple[str, str]] = set()
        self._last: Outcome | None = None
        self._images = SeenImages()

    def describe_run(self) -> Mapping[str, str]:
        """Return which images its steps have run."""
        return self._images.describe()

    def _note(self, event: Event) -> None:
        self._findings.add(event)
        self._pass_on(event)

    def _is_job_pod(self, pod: Manifest) -> bool:
        return True

    def _is_over(self, root: Manifest) -> bool:
        # a step that failed for good is no reason to go before its log was read
        return has_ended(root)

    def _lacks_outcome(self) -> bool:
        return self._last is None

    def _take_job_pod(self, change: str, pod: Manifest) -> None:
        self._pod = self._pods[pod["metadata"]["uid"]] = pod
        if any(one["name"] == TOOL for one in pod["spec"]["containers"]):
            self._images.add(pod, TOOL)
        failure = find_start_failure(pod) or find_container_failure(pod)
        if failure and not self._stopping and find_node(pod) != KEEP_LOGS:
            raise failure
        for container in list_reporting(pod):
            self._read_container(change, pod, container)

    def _read_container(self, change: str, pod: Manifest, container: str) -> None:
        key = (pod["metadata"]["uid"], container)
        is_over = change == "DELETED" or has_container_ended(pod, container)
        if key in self._logs:
            if is_over:
                self._logs[key].note_end()
        elif has_container_started(pod, container):
            self._unread.add(key)
            self._logs[key] = self._open_log(pod, is_over, partial(self._note_read, key), container)

    def _note_read(self, key: tuple[str, str]) -> None:
        """Find out whether a container has failed, now that its log says why."""
        self._unread.discard(key)
        pod, container = self._pods[key[0]], key[1]
        code = find_own_exit_code(pod, container)
        if code and not self._stopping:
            stages = is_stage(pod, container)
            raise build_no_result(self._settings.image, code) if stages else diagnose_execution(self._findings)
        if self._last and not self._unread:
            self._end(self._last)

    def _take_last_line(self, last: LastLine) -> None:
        if not isinstance(last, Outcome):
            return
        if self._is_stopped_by_others(last):
            # Argo may start another pod in its place; where it does not, the Workflow ends
            known = len(self._pods)
            stopped = self._build_lost("its pod was stopped from outside")
            self._fail_later(VERDICT_SECONDS, stopped, lambda: len(self._pods) == known)
        elif last.results is None:
            self._end(last)
        else:
            self._last = last
            self._later(_REST_SECONDS, lambda: self._end(last))

    def _stop(self) -> None:
        super()._stop()
        # no pod is left that could say more
        self._fail_later(_STOPPED_SECONDS, self._build_lost("it was stopped"))


def find_node(pod: Manifest) -> str:
    """Return the node that a pod is; empty where it does not say so."""
    return str((pod["metadata"].get("annotations") or {}).get(NODE_ANNOTATION, ""))


def is_stage(pod: Manifest, container: str) -> bool:
    """Whether a container stages, and does not evaluate: where a pod has one of that name, `main` evaluates."""
    node = find_node(pod)
    if node not in (STAGE_IN, STAGE_OUT):
        return False
    names = [one["name"] for one in pod["spec"]["containers"]]
    return container == (node if node in names else "main")


def list_reporting(pod: Manifest) -> list[str]:
    """List the containers of a pod whose logs are events of the job; what keeps the logs repeats them."""
    if find_node(pod) in ("", KEEP_LOGS):
        return []
    return [one["name"] for one in pod["spec"]["containers"] if one["name"] not in _SILENT]
