"""Follows one job on the cluster: changes of its objects, events, lines of its logs and deadlines, one after the other.

Nothing is polled, and no thread belongs to a job: the watches of its namespace, the reader of its log and timers put
calls into its inbox, which are made in a thread pool that all followed jobs share. How a job ended is in its log;
status, pods and events have the reason if its pod could not report it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial

from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.kubernetes.background import Inbox, Timer
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.logs import LogReader
from zoo_runner.engines.kubernetes.manifests import GRACE_SECONDS
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.engines.kubernetes.owners import JOB, find_owner
from zoo_runner.engines.kubernetes.pod_judgement import has_ended
from zoo_runner.engines.kubernetes.pod_log import LastLine, decode_lines
from zoo_runner.engines.kubernetes.pods import build_lost, diagnose_event, has_started, warns
from zoo_runner.engines.kubernetes.root import ClusterJob, is_dismissed
from zoo_runner.engines.kubernetes.scheduling import (
    build_pending_too_long,
    find_missing_claim,
    find_unschedulable,
    judge_unschedulable,
)
from zoo_runner.engines.kubernetes.volumes import awaits_pod, is_bound
from zoo_runner.engines.kubernetes.watch import Change, WatchFailed
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import RunnerError
from zoo_runner.model.events import EngineLine, Report
from zoo_runner.model.job import Outcome, Status

LAST_LINE_SECONDS = GRACE_SECONDS + 5.0
"""How long a pod that was stopped may take to write its last line."""
BINDING_SECONDS = 5.0
"""How long the start of a job waits for its volume; after that its pod waits, and is diagnosed."""
# the watch of pods may be that much behind the watch of root objects
_FIRST_POD_SECONDS = 2.0
# kubelet tries some operations again at once: what has succeeded by then was no failure
_SECOND_TRY_SECONDS = 3.0


class Follower(ABC):
    """Follows a job whose root object exists to its end; `follow` is called once.

    `start` starts a root object that is still suspended; it is called once the volume is bound. Subclasses know which
    pod is the job's and how its log ends.
    """

    def __init__(
        self, job: ClusterJob, settings: KubernetesSettings, report: Report, start: Callable[[], object] | None = None
    ) -> None:
        self._cluster, self._root, self._names = job.cluster, job.root, job.names
        self._settings, self._report = settings, report
        self._start = start
        self._inbox: Inbox[Callable[[], object]] = Inbox(job.cluster.background, self._handle, self._end)
        self._held = ExitStack()
        self._outcome: Future[Outcome] = Future()
        self._log: LogReader | None = None
        self._stopping = False
        self._reported: set[object] = set()
        self._started: set[str] = set()
        self._pending: dict[str, Timer] = {}
        self._staying: dict[str, Manifest] = {}

    def follow(self, cancellation: Cancellation) -> "Future[Outcome]":
        """Report every event; the future says how the job ended, or has the `RunnerError` where its pod could not."""
        names, kinds = self._names, {"Pod", "Event", self._root.kind}
        if self._start:
            kinds.add("PersistentVolumeClaim")
            self._later(BINDING_SECONDS, self._let_start)
        take = lambda change: self._inbox.put(partial(self._take, change))  # noqa: E731
        self._held.callback(
            self._cluster.watch(names.namespace, names.job, kinds, take, (self._root_name, names.claim))
        )
        # through the loop: the cancelling thread may be in a signal handler, which must not wait for a lock
        stop = lambda: self._cluster.background.call_soon(self._inbox.put, self._stop)  # noqa: E731
        self._held.enter_context(cancellation.calling(stop))
        return self._outcome

    def describe_run(self) -> Mapping[str, str]:
        """Return what a job that continues this one has to know, as annotations of its volume."""
        return {}

    @property
    def _root_name(self) -> str:
        return self._names.job

    @abstractmethod
    def _is_job_pod(self, pod: Manifest) -> bool:
        """Whether a pod is the job's own, and not that of a step."""

    @abstractmethod
    def _take_job_pod(self, change: str, pod: Manifest) -> None:
        """Read the log of the job's pod as far as it runs; raises why it cannot start or has ended without a result."""

    @abstractmethod
    def _take_last_line(self, last: LastLine) -> None:
        """Handle the last line of a container: end, unless more is to come."""

    def _take_root(self, change: str, root: Manifest) -> None:
        """Note that somebody else stopped the job for good, or deleted it; its pods follow, if it has any."""
        if self._stopping or not (change == "DELETED" or is_dismissed(root)):
            return
        self._stopping = True
        stopped = self._build_lost(f"its {self._root.kind} was {'deleted' if change == 'DELETED' else 'stopped'}")
        if self._start:
            raise stopped
        self._fail_later(_FIRST_POD_SECONDS, stopped, lambda: not self._started)
        self._fail_later(LAST_LINE_SECONDS, stopped)

    def _take_lines(self, texts: list[str]) -> None:
        for event in decode_lines(texts):
            if self._outcome.done():
                return
            if isinstance(event, LastLine):
                self._take_last_line(event)
            else:
                self._report(event)

    def _take_event(self, event: Manifest) -> None:
        about = event["involvedObject"]
        if about.get("name") == self._names.claim and awaits_pod(event):
            self._let_start()
        if not warns(event):
            return
        self._report_once(
            (event.get("reason"), about.get("kind")), f"cluster: {event.get('reason')}: {event.get('message')}"
        )
        failure = diagnose_event(event)
        if failure and not self._stopping:
            self._fail_later(_SECOND_TRY_SECONDS, failure, lambda: about.get("name") not in self._started)

    def _take_failed_watch(self, failed: WatchFailed) -> None:
        """Go on without what only makes a diagnosis more precise, and without the volume, which its pod waits for."""
        if failed.kind == "Pod":
            raise failed.error
        self._report(EngineLine("info", f"not watched: {failed.error}"))
        if failed.kind == "PersistentVolumeClaim":
            self._let_start()

    def _is_stopped_by_others(self, outcome: Outcome) -> bool:
        """Whether a pod reports that it was stopped, and not by this follower: it does not know why."""
        return outcome.status is Status.DISMISSED and not self._stopping

    def _open_log(
        self,
        pod: Manifest,
        is_over: bool,
        note_end: Callable[[], None],
        container: str | None = None,
        take_lines: Callable[[list[str]], None] | None = None,
    ) -> LogReader:
        """Read the log of a container until the job ends; `note_end` is called after its last line.

        Its lines are events of the job, unless `take_lines` takes them.
        """

        def take_end(error: BaseException | None) -> None:
            if error:
                self._report(EngineLine("warning", f"the log of the job pod broke off: {error}"))
            note_end()

        def note_done(done: "Future[None]") -> None:
            if not done.cancelled():
                self._inbox.put(partial(take_end, done.exception()))

        def take(texts: list[str]) -> "Future[None]":
            return self._inbox.put(partial(take_lines or self._take_lines, texts))

        name = pod["metadata"]["name"]
        log = self._cluster.read_log(self._names.namespace, name, take, is_over, container)
        self._held.callback(log.close)
        log.done.add_done_callback(note_done)
        return log

    def _report_once(self, key: object, text: str) -> None:
        if key not in self._reported:
            self._reported.add(key)
            self._report(EngineLine("info", text))

    def _build_lost(self, evidence: str) -> RunnerError:
        return build_lost({"metadata": {"name": self._names.job}}, evidence)

    def _later(self, seconds: float, call: Callable[[], object]) -> Timer:
        timer = self._cluster.background.call_later(seconds, lambda: self._inbox.put(call))
        self._held.callback(timer.cancel)
        return timer

    def _fail_later(self, seconds: float, error: RunnerError, still: Callable[[], bool] = lambda: True) -> Timer:
        """End with an error after a while, unless `still` is false by then."""

        def fail() -> None:
            if still():
                raise error

        return self._later(seconds, fail)

    def _handle(self, call: Callable[[], object]) -> None:
        try:
            call()
        except RunnerError as error:
            if not self._outlives(error):
                raise

    def _outlives(self, error: RunnerError) -> bool:
        """Whether the job goes on in spite of an error; whoever says so ends it later."""
        return False

    def _end(self, end: Outcome | BaseException) -> None:
        self._inbox.close()
        self._held.close()
        if isinstance(end, Outcome):
            self._outcome.set_result(end)
        else:
            self._outcome.set_exception(end)

    def _take(self, change: Change | WatchFailed) -> None:
        match change:
            case WatchFailed():
                self._take_failed_watch(change)
            case Change(kind=self._root.kind):
                self._take_root(change.change, change.item)
            case Change(kind="Pod"):
                self._take_pod(change.change, change.item)
            case Change(change="DELETED"):
                return
            case Change(kind="Event"):
                self._take_event(change.item)
            case Change() if is_bound(change.item):
                self._let_start()

    def _take_pod(self, change: str, pod: Manifest) -> None:
        if has_started(pod):
            self._started.add(pod["metadata"]["name"])
        self._note_place(change, pod)
        if self._is_job_pod(pod):
            self._take_job_pod(change, pod)
        self._watch_place(change, pod)

    def _let_start(self) -> None:
        start, self._start = self._start, None
        if start:
            start()

    def _stop(self) -> None:
        """Stop all pods, and wait for the last line of the job's."""
        self._stopping = True
        if self._start:
            raise self._build_lost("it was not started yet")
        self._root.dismiss()
        self._cluster.delete_labelled("Pod", self._names.namespace, self._names.selector, GRACE_SECONDS)
        self._fail_later(LAST_LINE_SECONDS, self._build_lost("it wrote no last line"))

    def _note_place(self, change: str, pod: Manifest) -> None:
        """Remember the pods of the job itself that stay on their nodes while steps run."""
        if find_owner(pod) == JOB:
            self._staying[pod["metadata"]["uid"]] = pod
            if change == "DELETED" or has_ended(pod):
                del self._staying[pod["metadata"]["uid"]]

    def _watch_place(self, change: str, pod: Manifest) -> None:
        """Find out whether a pod that has no node will ever get one."""
        uid, message = pod["metadata"]["uid"], find_unschedulable(pod)
        if change == "DELETED" or not message:
            if timer := self._pending.pop(uid, None):
                timer.cancel()
            return
        if uid in self._pending:
            return
        failure = find_missing_claim(pod, message)
        if failure is None and (nodes := self._find_nodes()):
            failure = judge_unschedulable(pod, message, nodes, self._staying.values())
        if failure:
            raise failure
        seconds = self._settings.pending_seconds
        late = build_pending_too_long(pod, message, seconds)
        self._pending[uid] = self._fail_later(seconds, late, lambda: uid in self._pending)

    def _find_nodes(self) -> list[Manifest]:
        """List the nodes; without the permission to, nothing is judged."""
        try:
            return self._cluster.find_nodes()
        except ApiError:
            return []
