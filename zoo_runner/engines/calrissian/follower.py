"""Follows one job on the cluster: changes of its pods, events, lines of its log and deadlines, one after the other.

Nothing is polled, and no thread belongs to a job: what happens is put into its inbox by the watches of its namespace,
the reader of its log and timers, and handled in the pool that all followed jobs share.
"""

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import singledispatchmethod

from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.calrissian.log_end import LogEnd, Silence
from zoo_runner.engines.calrissian.manifests import GRACE_SECONDS
from zoo_runner.engines.calrissian.pod_log import Ended, decode_lines
from zoo_runner.engines.kubernetes.background import Inbox, Timer
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.logs import LogReader
from zoo_runner.engines.kubernetes.names import Manifest, Names
from zoo_runner.engines.kubernetes.pods import (
    diagnose_event,
    find_ending,
    find_start_failure,
    find_step,
    has_started,
    warns,
)
from zoo_runner.engines.kubernetes.root import Root, is_dismissed
from zoo_runner.engines.kubernetes.scheduling import (
    build_pending_too_long,
    find_missing_claim,
    find_unschedulable,
    judge_unschedulable,
)
from zoo_runner.engines.kubernetes.volumes import awaits_pod, is_bound
from zoo_runner.engines.kubernetes.watch import Change, WatchFailed
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import DismissedError, RunnerError
from zoo_runner.model.events import EngineLine, Report

# how long the job pod may take for its last line after it was stopped
_LAST_LINE_SECONDS = GRACE_SECONDS + 5.0
# how long after its root object a pod of a stopped job may be heard of
_FIRST_POD_SECONDS = 2.0
_SECOND_TRY_SECONDS = 3.0
# a volume that takes longer is waited for by the pod, whose place is judged then
_BINDING_SECONDS = 5.0


@dataclass(frozen=True)
class Lines:
    """The log of the job pod has more lines."""

    texts: list[str]


@dataclass(frozen=True)
class LogOver:
    """The log of the job pod has no more lines; `error` says why where it broke off."""

    error: BaseException | None


@dataclass(frozen=True)
class Late:
    """A deadline has passed; `still` says whether what it was for still holds."""

    error: RunnerError
    still: Callable[[], bool]


@dataclass(frozen=True)
class Settled:
    """Nothing is gained by keeping the pod from its volume any longer."""


@dataclass(frozen=True)
class Stop:
    """The job is to be stopped."""


Item = Change | WatchFailed | Lines | LogOver | Late | Silence | Settled | Stop


@dataclass
class _Seen:
    """What the follower knows so far."""

    running: bool = False
    stopping: bool = False
    reported: set[object] = field(default_factory=set)
    pods: set[str] = field(default_factory=set)
    started: set[str] = field(default_factory=set)
    pending: dict[str, Timer] = field(default_factory=dict)
    timers: list[Timer] = field(default_factory=list)
    log: LogReader | None = None


class Follower:
    """Follows a job whose root object exists to its end; `follow` is called once.

    `start` lets a root object go that is suspended still; it is called once the volume is settled.
    """

    def __init__(
        self,
        cluster: Cluster,
        root: Root,
        names: Names,
        settings: KubernetesSettings,
        report: Report,
        start: Callable[[], None] | None = None,
    ) -> None:
        self._cluster, self._root, self._names = cluster, root, names
        self._settings, self._report = settings, report
        self._let_go = start
        self._inbox: Inbox[Item] = Inbox(cluster.background, self._handle, self._end)
        self._held = ExitStack()
        self._seen = _Seen()
        self._log_end = LogEnd(names.job)
        self._ended: Future[Ended] = Future()

    def follow(self, cancellation: Cancellation) -> "Future[Ended]":
        """Report every event; the future says how the job ended, or has the `RunnerError` where the pod could not."""
        names, kinds = self._names, {"Pod", "Event", self._root.kind}
        if self._let_go:
            kinds.add("PersistentVolumeClaim")
            self._later(_BINDING_SECONDS, Settled())
        self._held.callback(
            self._cluster.watch(names.namespace, names.job, kinds, self._inbox.put, (names.job, names.claim))
        )
        # by way of the loop: who cancels may be a signal handler, which must wait for no lock
        stop = lambda: self._cluster.background.call_soon(self._inbox.put, Stop())  # noqa: E731
        self._held.enter_context(cancellation.calling(stop))
        return self._ended

    def _handle(self, item: Item) -> None:
        ended = self._take(item)
        if ended:
            self._end(ended)

    def _end(self, end: Ended | BaseException) -> None:
        self._inbox.close()
        self._held.close()
        for timer in (*self._seen.timers, *self._seen.pending.values()):
            timer.cancel()
        if self._seen.log:
            self._seen.log.close()
        if isinstance(end, Ended):
            self._ended.set_result(end)
        else:
            self._ended.set_exception(end)

    @singledispatchmethod
    def _take(self, item: object) -> Ended | None:
        raise TypeError(f"{type(item).__name__} is not followed")

    @_take.register
    def _(self, item: Lines) -> Ended | None:
        self._log_end.lines += len(item.texts)
        for event in decode_lines(item.texts):
            if not isinstance(event, Ended):
                self._report(event)
            elif event.kind == DismissedError.__name__ and not self._seen.stopping:
                self._log_end.note_stopped()
                self._later(_LAST_LINE_SECONDS, Late(self._log_end.build_stopped(), lambda: True))
            else:
                return event
        return None

    @_take.register
    def _(self, item: LogOver) -> None:
        if item.error:
            self._report(EngineLine("warning", f"the log of the job pod broke off: {item.error}"))
        self._log_end.over = True
        self._log_end.check()

    @_take.register
    def _(self, item: Silence) -> None:
        self._later(item.seconds, self._log_end.listen_on(item))

    @_take.register
    def _(self, item: Late) -> None:
        if item.still():
            raise item.error

    @_take.register
    def _(self, item: Settled) -> None:
        let_go, self._let_go = self._let_go, None
        if let_go:
            let_go()

    @_take.register
    def _(self, item: Stop) -> None:
        """Have all pods stopped, and wait for the last line of the job's."""
        self._seen.stopping = True
        names = self._names
        if self._let_go:
            raise self._log_end.build_lost("it was not started yet")
        self._cluster.delete_labelled("Pod", names.namespace, names.selector, GRACE_SECONDS)
        self._root.dismiss()
        self._later(_LAST_LINE_SECONDS, Late(self._log_end.build_lost("it wrote no last line"), lambda: True))

    @_take.register
    def _(self, item: WatchFailed) -> None:
        """Go on without what only sharpens a diagnosis, and without the volume, which its pod waits for."""
        if item.kind == "Pod":
            raise item.error
        self._report(EngineLine("info", f"not watched: {item.error}"))
        if item.kind == "PersistentVolumeClaim":
            self._take(Settled())

    @_take.register
    def _(self, item: Change) -> None:
        if item.kind == "Pod":
            self._take_pod(item.change, item.item)
        elif item.kind == self._root.kind:
            self._take_root(item.change, item.item)
        elif item.change == "DELETED":
            return
        elif item.kind == "Event":
            self._take_event(item.item)
        elif is_bound(item.item):
            self._take(Settled())

    def _take_root(self, change: str, root: Manifest) -> None:
        """Learn that somebody else stopped the job for good, or deleted it; its pods follow, where it has any."""
        if self._seen.stopping or not (change == "DELETED" or is_dismissed(root)):
            return
        self._seen.stopping = True
        how = "deleted" if change == "DELETED" else "dismissed"
        stopped = self._log_end.build_lost(f"its {self._root.kind} was {how}")
        if self._let_go:
            raise stopped
        self._later(_FIRST_POD_SECONDS, Late(stopped, lambda: not self._seen.pods))
        self._later(_LAST_LINE_SECONDS, Late(stopped, lambda: True))

    def _take_event(self, event: Manifest) -> None:
        about = event["involvedObject"]
        if about.get("name") == self._names.claim and awaits_pod(event):
            self._take(Settled())
        if not warns(event):
            return
        heading = (event.get("reason"), about.get("kind"))
        if heading not in self._seen.reported:
            self._seen.reported.add(heading)
            self._report(EngineLine("info", f"cluster: {event.get('reason')}: {event.get('message')}"))
        failure = diagnose_event(event)
        if failure and not self._seen.stopping:
            # kubelet tries some of it again at once: what is over by then was no failure
            self._later(_SECOND_TRY_SECONDS, Late(failure, lambda: not self._has_started(about.get("name"))))

    def _has_started(self, name: str | None) -> bool:
        return name in self._seen.started or (name == self._names.job and self._seen.running)

    def _take_pod(self, change: str, pod: Manifest) -> None:
        self._seen.pods.add(pod["metadata"]["uid"])
        if has_started(pod):
            self._seen.started.add(pod["metadata"]["name"])
        if find_step(pod) is None:
            self._take_job_pod(change, pod)
        self._watch_place(pod, change)

    def _take_job_pod(self, change: str, pod: Manifest) -> None:
        if has_started(pod) and not self._seen.running:
            self._seen.running = True
            self._read_log(pod)
        failure = find_start_failure(pod)
        if failure and not self._seen.stopping:
            raise failure
        ending = find_ending(pod)
        if ending or change == "DELETED":
            if self._seen.log:
                self._seen.log.note_end()
            silence = self._log_end.note_end(pod, ending)
            self._later(silence.seconds, silence)

    def _read_log(self, pod: Manifest) -> None:
        name, ended = pod["metadata"]["name"], find_ending(pod) is not None

        def note_over(done: "Future[None]") -> None:
            if not done.cancelled():
                self._inbox.put(LogOver(done.exception()))

        def take(texts: list[str]) -> "Future[None]":
            return self._inbox.put(Lines(texts))

        self._seen.log = self._cluster.read_log(self._names.namespace, name, take, ended)
        self._seen.log.done.add_done_callback(note_over)

    def _watch_place(self, pod: Manifest, change: str) -> None:
        """Find out whether a pod that has no node will ever get one."""
        uid, message = pod["metadata"]["uid"], find_unschedulable(pod)
        if change == "DELETED" or not message:
            if timer := self._seen.pending.pop(uid, None):
                timer.cancel()
            return
        if uid in self._seen.pending:
            return
        failure = find_missing_claim(pod, message)
        if failure is None and (nodes := self._find_nodes()):
            failure = judge_unschedulable(pod, message, nodes)
        if failure:
            raise failure
        seconds = self._settings.pending_seconds
        late = Late(build_pending_too_long(pod, message, seconds), lambda: uid in self._seen.pending)
        self._seen.pending[uid] = self._later(seconds, late)

    def _find_nodes(self) -> list[Manifest]:
        """List the nodes; without the permission to, nothing is judged."""
        try:
            return self._cluster.find("Node")
        except ApiError:
            return []

    def _later(self, seconds: float, item: Item) -> Timer:
        timer = self._cluster.background.call_later(seconds, lambda: self._inbox.put(item))
        self._seen.timers.append(timer)
        return timer
