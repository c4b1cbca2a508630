"""Follows a Kubernetes Job by the log of its pod's main container."""

from collections.abc import Callable

from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.kubernetes.follower import LAST_LINE_SECONDS, Follower
from zoo_runner.engines.kubernetes.log_end import CUT_LOG_SECONDS, LogEnd, Silence
from zoo_runner.engines.kubernetes.manifests import MAIN
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.engines.kubernetes.owners import find_step
from zoo_runner.engines.kubernetes.pod_log import LastLine
from zoo_runner.engines.kubernetes.pods import find_ending, find_start_failure, has_started
from zoo_runner.engines.kubernetes.root import ClusterJob
from zoo_runner.model.events import Report
from zoo_runner.model.job import Outcome


class JobFollower(Follower):
    """Follows a Job to the last line of its pod."""

    def __init__(
        self,
        job: ClusterJob,
        settings: KubernetesSettings,
        report: Report,
        start: Callable[[], None] | None = None,
        cut_log_seconds: float = CUT_LOG_SECONDS,
    ) -> None:
        super().__init__(job, settings, report, start)
        self._log_end = LogEnd(job.names.job, cut_seconds=cut_log_seconds)

    def _is_job_pod(self, pod: Manifest) -> bool:
        return find_step(pod) is None

    def _take_job_pod(self, change: str, pod: Manifest) -> None:
        ending = find_ending(pod)
        if has_started(pod) and self._log is None:
            # events about the Job concern the start of its pod
            self._started.add(self._root_name)
            self._log = self._open_log(pod, ending is not None, self._log_end.note_over, MAIN)
        failure = find_start_failure(pod)
        if failure and not self._stopping:
            raise failure
        if ending or change == "DELETED":
            if self._log:
                self._log.note_end()
            self._listen_later(self._log_end.note_end(pod, ending))

    def _take_lines(self, texts: list[str]) -> None:
        self._log_end.lines += len(texts)
        super()._take_lines(texts)

    def _take_last_line(self, last: LastLine) -> None:
        if not isinstance(last, Outcome):
            return
        if self._is_stopped_by_others(last):
            self._log_end.note_stopped()
            self._fail_later(LAST_LINE_SECONDS, self._log_end.build_stopped())
        else:
            self._end(last)

    def _listen_later(self, silence: Silence) -> None:
        self._later(silence.seconds, lambda: self._listen_later(self._log_end.listen_on(silence)))
