"""Follows one Workflow: its status, its pods and their events, and the logs of its nodes.

Status, pods and events are kept as they come, because Argo removes a pod that it gives up.
"""

import re
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.argo.nodes import SEQUENCE
from zoo_runner.engines.argo.pods import (
    find_container_failure,
    find_own_exit_code,
    has_container_ended,
    has_container_started,
    is_job_pod,
)
from zoo_runner.engines.argo.status import build_not_seen, find_failure, find_refused, find_waiting, has_failed, is_seen
from zoo_runner.engines.kubernetes.follower import BINDING_SECONDS, Follower
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.engines.kubernetes.pod_log import LastLine, build_no_result
from zoo_runner.engines.kubernetes.pods import explain_loss, find_start_failure
from zoo_runner.engines.kubernetes.root import ClusterJob
from zoo_runner.engines.kubernetes.watch import WatchFailed
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.events import EngineLine, Report
from zoo_runner.model.job import Outcome

VERDICT_SECONDS = 20.0
"""How long the reason may take to arrive why a container was stopped, or another pod in the place of its own."""
# a status may arrive before the last line of a log that says more
_LOG_SECONDS = 3.0
# an idle controller looks at a new Workflow within a second
_CONTROLLER_SECONDS = 30.0
_EXECUTOR_LINE = re.compile(r"time=\S+ level=\S+ .*\bargo=true\b|Error: exit status \d+$")


class WorkflowFollower(Follower):
    """Follows a Workflow through the logs of its nodes, which are containers of one pod."""

    def __init__(
        self, job: ClusterJob, settings: KubernetesSettings, report: Report, start: Callable[[], None] | None = None
    ) -> None:
        super().__init__(job, settings, report, start)
        self._by_controller = self._failed = False
        self._pod: Manifest | None = None
        # how many nodes have ended
        self._node = 0

    def follow(self, cancellation: Cancellation) -> "Future[Outcome]":
        """Do the same, and notice that no controller looks after the namespace."""
        not_seen = build_not_seen(self._names.job, _CONTROLLER_SECONDS)
        self._fail_later(BINDING_SECONDS + _CONTROLLER_SECONDS, not_seen, lambda: not self._by_controller)
        return super().follow(cancellation)

    def _is_job_pod(self, pod: Manifest) -> bool:
        return is_job_pod(pod)

    def _take_root(self, change: str, root: Manifest) -> None:
        super()._take_root(change, root)
        self._by_controller = self._by_controller or is_seen(root)
        if waiting := find_waiting(root):
            self._report_once(waiting, f"waiting: {waiting}")
        if (refused := find_refused(root)) and self._pod is None:
            self._fail_later(_LOG_SECONDS, refused, lambda: self._pod is None)
        if self._is_over(root) and not self._failed:
            self._failed = True
            failure = find_failure(root) or self._build_lost("its Workflow ended and no node reported how")
            if failure.diagnosis.code == "cluster.pod-lost":
                # in the words of the watch of the pod, which may come later
                failure = self._build_lost(" ".join(failure.diagnosis.evidence))
            self._fail_later(_LOG_SECONDS, failure, self._lacks_outcome)

    def _is_over(self, root: Manifest) -> bool:
        """Whether no line of a log will say how the job ended, unless it is on its way."""
        return has_failed(root)

    def _lacks_outcome(self) -> bool:
        """Whether no log has said yet how the job ended; this follower ends as soon as one does."""
        return True

    def _take_event(self, event: Manifest) -> None:
        # those of the Workflow repeat its status
        if event["involvedObject"].get("kind") != self._root.kind:
            super()._take_event(event)

    def _take_failed_watch(self, failed: WatchFailed) -> None:
        super()._take_failed_watch(failed)
        self._by_controller = self._by_controller or failed.kind == self._root.kind

    def _take_job_pod(self, change: str, pod: Manifest) -> None:
        if self._pod is None or self._pod["metadata"]["uid"] != pod["metadata"]["uid"]:
            if self._pod is not None:
                begins = f"the pod {pod['metadata']['name']} runs the job from its beginning"
                self._report(EngineLine("warning", f"{begins}, because {explain_loss(self._pod)}"))
            self._node, self._log = 0, None
        self._pod = pod
        failure = find_start_failure(pod) or find_container_failure(pod)
        if failure and not self._stopping:
            raise failure
        self._read_log(change)

    def _take_lines(self, texts: list[str]) -> None:
        super()._take_lines([text for text in texts if not is_executor_line(text)])

    def _take_lines_of(self, uid: str, texts: list[str]) -> None:
        """Take lines of a pod; those of one that was lost say nothing of the one in its place."""
        if self._is_latest(uid):
            self._take_lines(texts)

    def _take_last_line(self, last: LastLine) -> None:
        if not isinstance(last, Outcome):
            self._read_next_node()
        elif self._is_stopped_by_others(last):
            uid = self._pod["metadata"]["uid"] if self._pod else ""
            # Argo may start another one in its place
            stopped = self._build_lost("its pod was stopped from outside")
            self._fail_later(VERDICT_SECONDS, stopped, lambda: self._is_latest(uid))
        else:
            self._end(last)

    def _read_next_node(self) -> None:
        if self._log:
            # what comes after the last line is the executor's
            self._log.note_end()
            self._log = None
        self._node = min(self._node + 1, len(SEQUENCE) - 1)
        self._read_log("MODIFIED")

    def _read_log(self, change: str) -> None:
        """Read the log of the node that works, once it has one, and note its end."""
        pod = self._pod
        if pod is None:
            return
        node = SEQUENCE[self._node]
        is_over = change == "DELETED" or has_container_ended(pod, node)
        if self._log is None and has_container_started(pod, node):
            uid = pod["metadata"]["uid"]
            end, take = partial(self._note_log_end, uid, node), partial(self._take_lines_of, uid)
            self._log = self._open_log(pod, is_over, end, node, take)
        elif self._log is not None and is_over:
            self._log.note_end()

    def _note_log_end(self, uid: str, node: str) -> None:
        """Find out why the log of a node of a pod has ended without a last line."""
        if not self._is_current(uid, node):
            return
        code = find_own_exit_code(self._pod, node) if self._pod else None
        if code is not None:
            raise build_no_result(self._settings.image, code)
        failure = self._build_lost(f"the log of {node} ended without a last line")
        self._fail_later(VERDICT_SECONDS, failure, lambda: self._is_current(uid, node))

    def _is_current(self, uid: str, node: str) -> bool:
        """Whether neither another node works meanwhile, nor another pod in the place of a lost one."""
        return self._is_latest(uid) and SEQUENCE[self._node] == node

    def _is_latest(self, uid: str) -> bool:
        """Whether no other pod has taken the place of one."""
        return self._pod is not None and self._pod["metadata"]["uid"] == uid


def is_executor_line(text: str) -> bool:
    """Whether a line of a log was written by Argo's executor, and not by the program."""
    return bool(_EXECUTOR_LINE.match(text))
