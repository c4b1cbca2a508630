"""Follows one Workflow: its status, its pods and their events, and the logs of its nodes; nothing is polled.

How a job ended the log of a node says. Status, pods and events say why a node could not: they are kept as they come,
because Argo removes a pod that it gives up.
"""

import re
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import singledispatchmethod

from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.argo.nodes import SEQUENCE
from zoo_runner.engines.argo.pods import (
    find_container_failure,
    find_own_exit_code,
    has_container_ended,
    has_container_started,
    is_job_pod,
)
from zoo_runner.engines.argo.status import build_not_seen, find_failure, find_waiting, has_failed, is_seen
from zoo_runner.engines.calrissian.manifests import GRACE_SECONDS
from zoo_runner.engines.calrissian.pod_log import Ended, build_no_result, decode_lines
from zoo_runner.engines.kubernetes.background import Inbox, Timer
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.logs import LogReader
from zoo_runner.engines.kubernetes.names import Manifest, Names
from zoo_runner.engines.kubernetes.pods import build_lost, diagnose_event, find_start_failure, warns
from zoo_runner.engines.kubernetes.root import Root, is_dismissed
from zoo_runner.engines.kubernetes.scheduling import (
    build_pending_too_long,
    find_missing_claim,
    find_unschedulable,
    judge_unschedulable,
)
from zoo_runner.engines.kubernetes.volumes import is_bound
from zoo_runner.engines.kubernetes.watch import Change, WatchFailed
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import DismissedError, RunnerError
from zoo_runner.model.events import EngineLine, Report

# of a job that was stopped, the last line; of a container that was, why
_LAST_LINE_SECONDS = GRACE_SECONDS + 5.0
_VERDICT_SECONDS = 20.0
# a status may arrive before the last line of a log that says more
_LOG_SECONDS = 3.0
_SECOND_TRY_SECONDS = 3.0
_BINDING_SECONDS = 5.0
# an idle controller looks at a new Workflow within a second
_CONTROLLER_SECONDS = 30.0
_EXECUTOR_LINE = re.compile(r"time=\S+ level=\S+ .*\bargo=true\b")


@dataclass(frozen=True)
class Lines:
    """The log of a node has more lines."""

    texts: list[str]


@dataclass(frozen=True)
class LogOver:
    """The log of a node of a pod has no more lines; `error` says why where it broke off."""

    pod: str
    node: str
    error: BaseException | None


@dataclass(frozen=True)
class Late:
    """A deadline has passed; `still` says whether what it was for still holds."""

    error: RunnerError
    still: Callable[[], bool]


@dataclass(frozen=True)
class Settled:
    """Nothing is gained by keeping the Workflow from its volume any longer."""


@dataclass(frozen=True)
class Stop:
    """The job is to be stopped."""


Item = Change | WatchFailed | Lines | LogOver | Late | Settled | Stop


@dataclass
class _Seen:
    """What the follower knows so far; `node` counts the nodes that have ended."""

    by_controller: bool = False
    stopping: bool = False
    failed: bool = False
    node: int = 0
    pod: Manifest | None = None
    log: LogReader | None = None
    reported: set[object] = field(default_factory=set)
    started: set[str] = field(default_factory=set)
    pending: dict[str, Timer] = field(default_factory=dict)
    timers: list[Timer] = field(default_factory=list)


class Follower:
    """Follows a job whose Workflow exists to its end; `follow` is called once.

    `start` lets a Workflow go that is suspended still; it is called once the volume is settled.
    """

    def __init__(
        self,
        cluster: Cluster,
        root: Root,
        names: Names,
        settings: KubernetesSettings,
        report: Report,
        start: Callable[[], None] | None,
    ) -> None:
        self._cluster, self._root, self._names = cluster, root, names
        self._settings, self._report = settings, report
        self._let_go = start
        self._inbox: Inbox[Item] = Inbox(cluster.background, self._handle, self._end)
        self._held = ExitStack()
        self._seen = _Seen()
        self._ended: Future[Ended] = Future()

    def follow(self, cancellation: Cancellation) -> "Future[Ended]":
        """Report every event; the future says how the job ended, or has the `RunnerError` where no node could."""
        names, kinds = self._names, {"Workflow", "Pod", "Event"}
        if self._let_go:
            kinds.add("PersistentVolumeClaim")
            self._later(_BINDING_SECONDS, Settled())
        self._later(
            _BINDING_SECONDS + _CONTROLLER_SECONDS,
            Late(build_not_seen(names.job, _CONTROLLER_SECONDS), lambda: not self._seen.by_controller),
        )
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
        for event in decode_lines(text for text in item.texts if not _EXECUTOR_LINE.match(text)):
            if not isinstance(event, Ended):
                self._report(event)
            elif event.results or event.diagnosis:
                return self._judge(event)
            else:
                self._read_next_node()
        return None

    def _judge(self, ended: Ended) -> Ended | None:
        """A node that was stopped, and not by us, does not know why."""
        if ended.kind == DismissedError.__name__ and not self._seen.stopping:
            self._later(_VERDICT_SECONDS, Late(self._build_lost("its pod was stopped from outside"), lambda: True))
            return None
        return ended

    @_take.register
    def _(self, item: LogOver) -> None:
        if item.error:
            self._report(EngineLine("warning", f"the log of a node broke off: {item.error}"))
        if not self._is_current(item):
            return
        pod = self._seen.pod
        code = find_own_exit_code(pod, item.node) if pod else None
        if code is not None:
            raise build_no_result(self._settings.image, code)
        failure = self._build_lost(f"the log of {item.node} ended without a last line")
        self._later(_VERDICT_SECONDS, Late(failure, lambda: self._is_current(item)))

    def _is_current(self, over: LogOver) -> bool:
        """Whether neither another node works meanwhile, nor another pod in the place of a lost one."""
        pod, node = self._seen.pod, self._seen.node
        return pod is not None and pod["metadata"]["uid"] == over.pod and SEQUENCE[node] == over.node

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
        """Have the Workflow and all its pods stopped, and wait for the last line of the node that works."""
        self._seen.stopping = True
        names = self._names
        if self._let_go:
            raise self._build_lost("it was not started yet")
        self._root.dismiss()
        self._cluster.delete_labelled("Pod", names.namespace, names.selector, GRACE_SECONDS)
        self._later(_LAST_LINE_SECONDS, Late(self._build_lost("it wrote no last line"), lambda: True))

    @_take.register
    def _(self, item: WatchFailed) -> None:
        """Go on without what only sharpens a diagnosis."""
        if item.kind == "Pod":
            raise item.error
        self._report(EngineLine("info", f"not watched: {item.error}"))
        if item.kind == "PersistentVolumeClaim":
            self._take(Settled())
        if item.kind == "Workflow":
            self._seen.by_controller = True

    @_take.register
    def _(self, item: Change) -> None:
        match item.kind:
            case "Workflow":
                self._take_workflow(item.change, item.item)
            case "Pod":
                self._take_pod(item.change, item.item)
            case "Event":
                self._take_event(item.item)
            case _ if is_bound(item.item):
                self._take(Settled())

    def _take_workflow(self, change: str, workflow: Manifest) -> None:
        if not self._seen.stopping and (change == "DELETED" or is_dismissed(workflow)):
            self._take_stop("deleted" if change == "DELETED" else "terminated")
        self._seen.by_controller = self._seen.by_controller or is_seen(workflow)
        if waiting := find_waiting(workflow):
            self._report_once(waiting, f"waiting: {waiting}")
        if not has_failed(workflow) or self._seen.failed:
            return
        self._seen.failed = True
        failure = find_failure(workflow) or self._build_lost("its Workflow ended and no node reported how")
        self._later(_LOG_SECONDS, Late(failure, lambda: True))

    def _take_stop(self, how: str) -> None:
        """Learn that somebody else stopped the job for good, or deleted it; its pods follow, where it has any."""
        self._seen.stopping = True
        stopped = self._build_lost(f"its Workflow was {how}")
        if self._let_go or not self._seen.started:
            raise stopped
        self._later(_LAST_LINE_SECONDS, Late(stopped, lambda: True))

    def _take_event(self, event: Manifest) -> None:
        about = event["involvedObject"]
        # those of the Workflow repeat its status
        if not warns(event) or about.get("kind") == "Workflow":
            return
        self._report_once((event.get("reason"), about.get("kind")), f"cluster: {event['reason']}: {event['message']}")
        failure = diagnose_event(event)
        if failure and not self._seen.stopping:
            # kubelet tries some of it again at once: what is over by then was no failure
            self._later(_SECOND_TRY_SECONDS, Late(failure, lambda: about.get("name") not in self._seen.started))

    def _report_once(self, what: object, text: str) -> None:
        if what not in self._seen.reported:
            self._seen.reported.add(what)
            self._report(EngineLine("info", text))

    def _take_pod(self, change: str, pod: Manifest) -> None:
        if any(has_container_started(pod, one["name"]) for one in pod["spec"]["containers"]):
            self._seen.started.add(pod["metadata"]["name"])
        if is_job_pod(pod):
            self._take_job_pod(change, pod)
        self._watch_place(pod, change)

    def _take_job_pod(self, change: str, pod: Manifest) -> None:
        if self._seen.pod is None or self._seen.pod["metadata"]["uid"] != pod["metadata"]["uid"]:
            self._seen.node, self._seen.log = 0, None
        self._seen.pod = pod
        failure = find_start_failure(pod) or find_container_failure(pod)
        if failure and not self._seen.stopping:
            raise failure
        self._read_log(change)

    def _read_next_node(self) -> None:
        if self._seen.log:
            # what comes after the last line is the executor's
            self._seen.log.note_end()
            self._seen.log = None
        self._seen.node = min(self._seen.node + 1, len(SEQUENCE) - 1)
        self._read_log("MODIFIED")

    def _read_log(self, change: str) -> None:
        """Read the log of the node that works, once it has one, and note its end."""
        pod = self._seen.pod
        if pod is None:
            return
        node = SEQUENCE[self._seen.node]
        over = change == "DELETED" or has_container_ended(pod, node)
        if self._seen.log is None and has_container_started(pod, node):
            self._open_log(pod, node, over)
        elif self._seen.log is not None and over:
            self._seen.log.note_end()

    def _open_log(self, pod: Manifest, node: str, over: bool) -> None:
        def note_over(done: "Future[None]") -> None:
            if not done.cancelled():
                self._inbox.put(LogOver(pod["metadata"]["uid"], node, done.exception()))

        def take(texts: list[str]) -> "Future[None]":
            return self._inbox.put(Lines(texts))

        self._seen.log = self._cluster.read_log(self._names.namespace, pod["metadata"]["name"], take, over, node)
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

    def _build_lost(self, evidence: str) -> RunnerError:
        return build_lost({"metadata": {"name": self._names.job}}, evidence)

    def _later(self, seconds: float, item: Item) -> Timer:
        timer = self._cluster.background.call_later(seconds, lambda: self._inbox.put(item))
        self._seen.timers.append(timer)
        return timer
