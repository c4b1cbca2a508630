"""The end of a job pod's log: how long to wait for it after the pod has ended, and the error without it; pure.

A pod's status may report its end long before all of its log has arrived. The log of a container that ended by itself
is complete, and its end is waited for; the log of a pod that was deleted or evicted may just stop.
"""

from dataclasses import dataclass

from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.engines.kubernetes.pod_log import build_no_result
from zoo_runner.engines.kubernetes.pods import Ending, build_lost, explain_ending, has_ended
from zoo_runner.model.errors import RunnerError

# longest time between two lines; for a log that may just stop, the second time is shorter
_WHOLE_LOG_SECONDS, CUT_LOG_SECONDS, _NEXT_CUT_LOG_SECONDS = 60.0, 3.0, 1.0
# by a signal from outside: SIGKILL, SIGTERM, or unknown
_KILLED = (137, 143, -1)


@dataclass(frozen=True)
class Silence:
    """A time without new lines: `seconds` after `lines` lines had arrived."""

    seconds: float
    lines: int


@dataclass
class LogEnd:
    """What is known of the log of a job's pod: how many `lines` arrived, whether it is `over`.

    `stopped`: the pod reported that it was stopped from outside. `cut_seconds`: how long to wait for a log
    that may just stop.
    """

    job: str
    lines: int = 0
    over: bool = False
    stopped: bool = False
    cut_seconds: float = CUT_LOG_SECONDS
    _failure: RunnerError | None = None
    _is_whole: bool = False
    _is_gone: bool = False

    def note_end(self, pod: Manifest, ending: Ending | None) -> Silence:
        """Record that the pod has ended, or was deleted; return the silence after which to check again.

        Raises the error of the job if no more lines will arrive.
        """
        explained = explain_ending(pod, ending) if ending else None
        if self.stopped:
            raise explained or self.build_stopped()
        self._is_whole = not explained and ending is not None and has_ended(pod) and _is_by_itself(pod, ending)
        self._failure = explained or self._build_failure(pod, ending)
        self._is_gone = ending is None
        self.check()
        return Silence(_WHOLE_LOG_SECONDS if self._is_whole else self.cut_seconds, self.lines)

    def note_stopped(self) -> None:
        """Record that somebody else stopped the pod; the reason is in its status, which arrives after its last line.

        Raises the error of the job if the pod was deleted already.
        """
        self.stopped = True
        if self._is_gone:
            raise self.build_stopped()

    def note_over(self) -> None:
        """Record that no more lines will arrive; raises the error of the job if the pod has ended by itself."""
        self.over = True
        self.check()

    def check(self) -> None:
        """Raise the error of the job if the pod has ended by itself and all of its log was read."""
        if self._failure and self._is_whole and self.over:
            raise self._failure

    def listen_on(self, silence: Silence) -> Silence:
        """Return the next silence if lines still arrive; raises the error of the job if none arrived for so long."""
        if self._failure and silence.lines == self.lines:
            raise self._failure
        return Silence(silence.seconds if self._is_whole else _NEXT_CUT_LOG_SECONDS, self.lines)

    def _build_failure(self, pod: Manifest, ending: Ending | None) -> RunnerError:
        """Build the error of a container that ended by itself, or of a pod that was stopped, deleted or evicted."""
        if ending and _is_by_itself(pod, ending):
            return build_no_result(pod["spec"]["containers"][0]["image"], ending.exit_code)
        return self.build_lost(
            f"{ending.reason}: {ending.message}, exit code {ending.exit_code}" if ending else "deleted"
        )

    def build_stopped(self) -> RunnerError:
        """Build the error of a pod that somebody else stopped."""
        return self.build_lost("its pod was deleted from outside")

    def build_lost(self, evidence: str) -> RunnerError:
        """Build the error of a pod that was deleted while it ran."""
        return build_lost({"metadata": {"name": self.job}}, evidence)


def _is_by_itself(pod: Manifest, ending: Ending) -> bool:
    return ending.exit_code not in _KILLED and "deletionTimestamp" not in pod["metadata"]
