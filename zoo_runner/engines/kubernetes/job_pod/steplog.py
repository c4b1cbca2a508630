"""What one step pod prints: from its files on the volume, and what these do not have from the log of the pod."""

import queue
import time
from collections.abc import Callable, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

from zoo_runner.engines.kubernetes.background import Inbox
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.job_pod.printed import LogRest, PrintedReader
from zoo_runner.engines.kubernetes.logs import LogReader
from zoo_runner.lines import LONGEST_LINE
from zoo_runner.model.errors import RunnerError

T = TypeVar("T")

# a step that has kept nothing by then may have to be read elsewhere
_BEGIN_SECONDS = 5.0
# the container of an evicted pod may run on for a while: the end of its log is not waited for
_LOG_SECONDS = 3.0
# the pipe to the programs that keep the lines holds so much; they are killed with the tool where memory is short
_CUT_SHORT = "its container ended before what it printed last was kept, 64 KiB at most"


class StepLog:
    """Hands over the lines of a step pod as they come, until `finish`; `is_kept`: the pod is to keep them itself.

    `succeed` is called once the step has succeeded, with what it used, before Kubernetes reports it.
    """

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        pod: str,
        reader: PrintedReader,
        take: Callable[[Sequence[str]], object],
        succeed: Callable[[str], object],
    ) -> None:
        self._cluster, self._namespace, self._pod = cluster, namespace, pod
        self._reader, self._emit = reader, take
        self._printed = reader.open(pod, take, succeed)
        self._rest = LogRest(self._printed, self._cut) if self._printed else None
        self._log: LogReader | None = None
        self._has_started = False
        self._undecided_until = 0.0

    @property
    def is_kept(self) -> bool:
        """Whether there is a folder for what the pod prints."""
        return self._printed is not None

    def keep_nothing(self) -> None:
        """Read the log of the pod alone."""
        if self._printed:
            self._reader.close(self._printed)
        self._printed = self._rest = None

    def start(self) -> None:
        """Take note that the container has started; may be called again."""
        if self._has_started:
            return
        self._has_started = True
        if self._printed is None:
            self._log = self._read_log()
        else:
            self._undecided_until = time.monotonic() + _BEGIN_SECONDS

    def wait(self, changes: "queue.Queue[tuple[str, T]]") -> tuple[str, T]:
        """Wait for the next change of the pod; meanwhile find out whether it keeps what it prints."""
        if self._has_started and self._log is None and self._printed and not self._printed.has_begun:
            try:
                return changes.get(timeout=max(0.0, self._undecided_until - time.monotonic()))
            except queue.Empty:
                if not self._printed.has_begun:
                    self._log = self._read_log()
        return changes.get()

    def finish(self, *, is_whole: bool) -> str:
        """Hand over the rest; `is_whole`: the container has ended by itself. Returns why something may be missing."""
        problem = ""
        is_complete = self._printed.finish() if self._printed else False
        if self._log is None and self._has_started and is_whole and not is_complete:
            self._log = self._read_log(ended=True)
        if self._log and is_complete:
            self._log.close()
        elif self._log:
            problem = self._finish_log(self._log, None if is_whole else _LOG_SECONDS)
        if self._printed and self._rest:
            if is_whole and not problem and self._printed.has_begun and not is_complete and not self._rest.has_begun:
                problem = _CUT_SHORT
            self._rest.end()
            self._printed.end()
            self._reader.close(self._printed)
        return problem

    def _cut(self, lines: Sequence[str]) -> None:
        self._emit(
            tuple(line[at : at + LONGEST_LINE] for line in lines for at in range(0, len(line) or 1, LONGEST_LINE))
        )

    def _read_log(self, *, ended: bool = False) -> LogReader:
        take = self._rest.take if self._rest else self._cut
        inbox = Inbox(self._cluster.background, take, lambda error: None)
        return self._cluster.read_log(self._namespace, self._pod, inbox.put, ended)

    def _finish_log(self, log: LogReader, seconds: float | None) -> str:
        """Wait for the rest of the log of a container that has ended."""
        log.note_end()
        try:
            log.done.result(seconds)
        except FutureTimeoutError:
            log.close()
        except RunnerError as error:
            return str(error)
        return ""
