"""Follows one job on the cluster: its pods, their events and its log, merged into one queue; nothing is polled."""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import singledispatchmethod

from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.calrissian.dismissal import DISMISSAL
from zoo_runner.engines.calrissian.lastwords import LastWords, Silence
from zoo_runner.engines.calrissian.manifests import GRACE_SECONDS
from zoo_runner.engines.calrissian.news import (
    Broken,
    ClusterEvent,
    Late,
    Line,
    LogOver,
    PodChange,
    Settled,
    Stop,
)
from zoo_runner.engines.calrissian.pod_log import Ended, decode_line
from zoo_runner.engines.kubernetes.client import ApiError, Cluster
from zoo_runner.engines.kubernetes.names import Manifest, Names
from zoo_runner.engines.kubernetes.pods import (
    concerns,
    diagnose_event,
    find_ending,
    find_start_failure,
    find_step,
    has_started,
)
from zoo_runner.engines.kubernetes.scheduling import (
    build_pending_too_long,
    find_missing_claim,
    find_unschedulable,
    judge_unschedulable,
)
from zoo_runner.engines.kubernetes.streams import Streams
from zoo_runner.engines.kubernetes.volumes import awaits_pod, is_bound
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import DismissedError, RunnerError
from zoo_runner.model.events import EngineLine, Report

# how long the job pod may take to say its last words after it was told to stop
_LAST_WORDS_SECONDS = GRACE_SECONDS + 5.0
_SECOND_TRY_SECONDS = 3.0
# a volume that takes longer is waited for by the pod, whose place is judged then
_BINDING_SECONDS = 5.0
# how long a thread may take to notice that its stream was closed
_CLOSING_SECONDS = 3.0


@dataclass
class _Seen:
    """What the follower knows so far."""

    running: bool = False
    stopping: bool = False
    told: set[object] = field(default_factory=set)
    started: set[str] = field(default_factory=set)
    pods: set[str] = field(default_factory=set)
    early: dict[str, list[Manifest]] = field(default_factory=dict)
    pending: dict[str, threading.Timer] = field(default_factory=dict)
    timers: list[threading.Timer] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)


class Follower:
    """Waits for the end of a job whose Job exists; `follow` is called once.

    `start` lets a Job go that is suspended still; it is called once the volume is settled.
    """

    def __init__(
        self,
        cluster: Cluster,
        names: Names,
        settings: KubernetesSettings,
        report: Report,
        start: Callable[[], None] | None = None,
    ) -> None:
        self._cluster, self._names, self._settings, self._report = cluster, names, settings, report
        self._let_go = start
        self._streams = Streams()
        self._items: queue.Queue[object] = queue.Queue()
        self._threads: list[threading.Thread] = []
        self._seen = _Seen()
        self._words = LastWords(names.job)

    def follow(self, cancellation: Cancellation) -> Ended:
        """Report every event and return how the job ended; raises `RunnerError` where the pod could not say it."""
        self._start(self._watch_pods)
        self._start(self._watch_events)
        if self._let_go:
            self._start(self._watch_claim)
            self._later(_BINDING_SECONDS, Settled())
        try:
            with cancellation.calling(lambda: self._items.put(Stop())):
                while True:
                    ended = self._take(self._items.get())
                    if ended:
                        return ended
        finally:
            self._close()

    def _close(self) -> None:
        for timer in (*self._seen.timers, *self._seen.pending.values()):
            timer.cancel()
        self._seen.ended.set()
        self._streams.close()
        for thread in self._threads:
            thread.join(_CLOSING_SECONDS)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _watch_pods(self) -> None:
        try:
            for change, pod in self._cluster.watch(
                "Pod", self._names.namespace, self._streams, labelSelector=self._names.selector
            ):
                self._items.put(PodChange(change, pod))
        except RunnerError as error:
            self._items.put(Broken(error))

    def _watch_claim(self) -> None:
        """Wait for the job's volume; without the right to, its pod does."""
        names, by_name = self._names, f"metadata.name={self._names.claim}"
        try:
            claims = self._cluster.watch("PersistentVolumeClaim", names.namespace, self._streams, fieldSelector=by_name)
            if not any(is_bound(claim) for _, claim in claims):
                return
        except ApiError as error:
            self._report(EngineLine("info", f"the volume is not watched: {error}"))
        self._items.put(Settled())

    def _watch_events(self) -> None:
        """Events only sharpen a diagnosis: without the right to read them the job goes on."""
        try:
            for change, event in self._cluster.watch("Event", self._names.namespace, self._streams):
                if change == "DELETED":
                    continue
                if concerns(event, (self._names.job, self._names.claim)):
                    self._items.put(ClusterEvent(event))
                if event["involvedObject"].get("name") == self._names.claim and awaits_pod(event):
                    self._items.put(Settled())
        except ApiError as error:
            self._report(EngineLine("info", f"events are not read: {error}"))

    def _read_log(self, pod: str) -> None:
        try:
            for line in self._cluster.follow_log(self._names.namespace, pod, self._streams, self._seen.ended):
                self._items.put(Line(line))
        except RunnerError as error:
            if not self._streams.closed.is_set():
                self._report(EngineLine("warning", f"the log of the job pod broke off: {error}"))
        self._items.put(LogOver())

    @singledispatchmethod
    def _take(self, item: object) -> Ended | None:
        raise TypeError(f"{type(item).__name__} is not followed")

    @_take.register
    def _(self, item: Line) -> Ended | None:
        self._words.lines += 1
        event = decode_line(item.text)
        if not isinstance(event, Ended):
            self._report(event)
        elif event.kind == DismissedError.__name__ and not self._seen.stopping:
            self._words.note_taken()
            self._later(_LAST_WORDS_SECONDS, Late(self._words.build_taken(), lambda: True))
        else:
            return event
        return None

    @_take.register
    def _(self, item: LogOver) -> None:
        self._words.over = True
        self._words.check()

    @_take.register
    def _(self, item: Silence) -> None:
        self._later(item.seconds, self._words.listen_on(item))

    @_take.register
    def _(self, item: Broken) -> None:
        raise item.error

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
    def _(self, item: ClusterEvent) -> None:
        event = item.event
        if (
            event["involvedObject"].get("kind") == "Pod"
            and (uid := event["involvedObject"]["uid"]) not in self._seen.pods
        ):
            # of another job, or told before the pod itself is
            self._seen.early.setdefault(uid, []).append(event)
            return
        about = (event.get("reason"), event["involvedObject"].get("kind"))
        if about not in self._seen.told:
            self._seen.told.add(about)
            self._report(EngineLine("info", f"cluster: {event.get('reason')}: {event.get('message')}"))
        failure = diagnose_event(event)
        if failure and not self._seen.stopping:
            name = event["involvedObject"].get("name")
            # kubelet tries some of it again at once: what is over by then was none
            self._later(_SECOND_TRY_SECONDS, Late(failure, lambda: not self._has_started(name)))

    def _has_started(self, name: str | None) -> bool:
        return name in self._seen.started or (name == self._names.job and self._seen.running)

    @_take.register
    def _(self, item: Stop) -> None:
        """Have all pods stopped, and go on to listen for the last words of the job's."""
        self._seen.stopping = True
        names = self._names
        if self._let_go:
            raise self._words.build_lost("it was not started yet")
        self._cluster.delete_labelled("Pod", names.namespace, names.selector, GRACE_SECONDS)
        self._cluster.patch("Job", names.namespace, names.job, DISMISSAL)
        self._later(_LAST_WORDS_SECONDS, Late(self._words.build_lost("no last words"), lambda: True))

    @_take.register
    def _(self, item: PodChange) -> None:
        uid = item.pod["metadata"]["uid"]
        self._seen.pods.add(uid)
        for event in self._seen.early.pop(uid, ()):
            self._take(ClusterEvent(event))
        if has_started(item.pod):
            self._seen.started.add(item.pod["metadata"]["name"])
        if find_step(item.pod) is None:
            self._take_job_pod(item.change, item.pod)
        self._watch_place(item.pod, item.change)

    def _take_job_pod(self, change: str, pod: Manifest) -> None:
        if has_started(pod) and not self._seen.running:
            self._seen.running = True
            self._start(self._read_log, pod["metadata"]["name"])
        failure = find_start_failure(pod)
        if failure and not self._seen.stopping:
            raise failure
        ending = find_ending(pod)
        if ending or change == "DELETED":
            self._seen.ended.set()
            silence = self._words.note_end(pod, ending)
            self._later(silence.seconds, silence)

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
        """List the nodes; without the right to, nothing is judged."""
        try:
            return self._cluster.find("Node")
        except ApiError:
            return []

    def _later(self, seconds: float, item: Late | Silence | Settled) -> threading.Timer:
        timer = threading.Timer(seconds, self._items.put, [item])
        timer.daemon = True
        timer.start()
        self._seen.timers.append(timer)
        return timer
