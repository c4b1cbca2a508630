"""Follows a Kubernetes Job by the log of its pod's main container; of a pod that was lost, by that of the next one.

Kubernetes replaces a pod that was evicted, deleted or lost with its node, and no other (`manifests.build_job`).
"""

from collections.abc import Callable
from contextlib import suppress

from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.kubernetes.follower import LAST_LINE_SECONDS, Follower
from zoo_runner.engines.kubernetes.log_end import CUT_LOG_SECONDS, LogEnd, Silence
from zoo_runner.engines.kubernetes.manifests import MAIN
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.engines.kubernetes.owners import find_step
from zoo_runner.engines.kubernetes.pod_log import LastLine
from zoo_runner.engines.kubernetes.pods import explain_loss, find_ending, find_start_failure, has_started
from zoo_runner.engines.kubernetes.root import ClusterJob
from zoo_runner.model.errors import RunnerError
from zoo_runner.model.events import EngineLine, Report
from zoo_runner.model.job import Outcome

_LOST = ("cluster.evicted", "cluster.pod-lost")


class JobFollower(Follower):
    """Follows a Job to the last line of its pod, or of the last of those that took the place of others."""

    def __init__(
        self,
        job: ClusterJob,
        settings: KubernetesSettings,
        report: Report,
        start: Callable[[], None] | None = None,
        cut_log_seconds: float = CUT_LOG_SECONDS,
    ) -> None:
        super().__init__(job, settings, report, start)
        self._cut_seconds = cut_log_seconds
        self._log_end = self._build_log_end()
        # the latest pod, and why it was given up
        self._pod: Manifest | None = None
        self._lost: RunnerError | None = None
        # whether Kubernetes starts no further pod
        self._is_over = False

    def _is_job_pod(self, pod: Manifest) -> bool:
        return find_step(pod) is None

    def _take_job_pod(self, change: str, pod: Manifest) -> None:
        if not self._is_latest(pod):
            return
        ending, log_end = find_ending(pod), self._log_end
        if has_started(pod) and self._log is None:
            # events about the Job concern the start of its pod
            self._started.add(self._root_name)
            self._log = self._open_log(pod, ending is not None, lambda: self._note_over(log_end), MAIN)
        failure = find_start_failure(pod)
        if failure and not self._stopping:
            raise failure
        if ending or change == "DELETED":
            if self._log:
                self._log.note_end()
            self._listen_later(log_end, log_end.note_end(pod, ending))

    def _take_lines(self, texts: list[str]) -> None:
        self._log_end.lines += len(texts)
        super()._take_lines(texts)

    def _take_last_line(self, last: LastLine) -> None:
        if not isinstance(last, Outcome):
            return
        log_end = self._log_end
        if self._is_stopped_by_others(last):
            log_end.note_stopped()
            self._fail_later(LAST_LINE_SECONDS, log_end.build_stopped(), lambda: self._is_read(log_end))
        else:
            self._end(last)

    def _take_root(self, change: str, root: Manifest) -> None:
        super()._take_root(change, root)
        if self._is_over or not has_failed(root):
            return
        self._is_over = True
        if self._lost:
            raise self._lost
        # its pod may have been deleted before anybody followed it
        gone = self._build_lost("its Job has failed, and has no pod")
        self._fail_later(LAST_LINE_SECONDS, gone, lambda: self._pod is None)

    def _outlives(self, error: RunnerError) -> bool:
        """Whether another pod may take the place of one that was lost."""
        is_lost = self._pod is not None and error.diagnosis.code in _LOST
        if not is_lost or self._stopping or self._is_over or not self._settings.step_retries or error is self._lost:
            return False
        if self._lost is None:
            self._give_up(error)
        return True

    def _give_up(self, error: RunnerError) -> None:
        """Wait for the next pod, or for Kubernetes to say that there is none."""
        self._lost = error
        self._report(EngineLine("warning", f"{error}; Kubernetes may start another one in its place"))
        self._leave_log()
        # of a pod that was evicted the object stays, and the pods of steps that belong to it run on
        with suppress(RunnerError):
            self._cluster.delete("Pod", self._names.namespace, (self._pod or {})["metadata"]["name"])
        self._fail_later(self._settings.pending_seconds, error, lambda: self._lost is error)

    def _leave_log(self) -> None:
        if self._log:
            self._log.close()
        self._log, self._log_end = None, self._build_log_end()

    def _is_latest(self, pod: Manifest) -> bool:
        """Whether a pod counts: not one that was given up, or has been replaced."""
        if self._pod is not None and _identify(pod) == _identify(self._pod):
            return self._lost is None
        if self._pod is not None:
            if _read_creation(pod) < _read_creation(self._pod):
                return False
            self._begin_again(self._pod, pod)
        self._pod = pod
        return True

    def _begin_again(self, lost: Manifest, pod: Manifest) -> None:
        """Follow the pod that takes the place of the latest, and say why."""
        if self._lost is None:
            self._leave_log()
        reason, self._lost = self._lost or explain_loss(lost), None
        begins = f"the pod {pod['metadata']['name']} runs the job from its beginning"
        self._report(EngineLine("warning", f"{begins}, because {reason}"))

    def _build_log_end(self) -> LogEnd:
        return LogEnd(self._names.job, cut_seconds=self._cut_seconds)

    def _is_read(self, log_end: LogEnd) -> bool:
        """Whether a log is that of the latest pod."""
        return self._log_end is log_end

    def _note_over(self, log_end: LogEnd) -> None:
        if self._is_read(log_end):
            log_end.note_over()

    def _listen_later(self, log_end: LogEnd, silence: Silence) -> None:
        def listen() -> None:
            if self._is_read(log_end):
                self._listen_later(log_end, log_end.listen_on(silence))

        self._later(silence.seconds, listen)


def has_failed(job: Manifest) -> bool:
    """Whether a Job has failed, or is about to; pure. Source: Kubernetes API v1, JobCondition."""
    conditions = (job.get("status") or {}).get("conditions") or []
    return any(one["type"] in ("Failed", "FailureTarget") and one["status"] == "True" for one in conditions)


def _identify(pod: Manifest) -> str:
    return str(pod["metadata"]["uid"])


def _read_creation(pod: Manifest) -> str:
    return str(pod["metadata"].get("creationTimestamp", ""))
