"""One watch for each kind and namespace, whatever the number of jobs: each job receives its own objects.

An API server that goes away is waited for: what has changed meanwhile is delivered when it is back.
Source: Kubernetes documentation, "Efficient detection of changes".
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from zoo_runner.engines.kubernetes.background import Background
from zoo_runner.engines.kubernetes.connection import Connection
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.listing import list_all, take
from zoo_runner.engines.kubernetes.names import JOB_LABEL, Manifest
from zoo_runner.engines.kubernetes.paths import build_path
from zoo_runner.engines.kubernetes.patience import Patience

_WATCH_SECONDS = 240
_SILENCE_SECONDS = _WATCH_SECONDS + 60.0
# the fields of an event that are kept until Kubernetes deletes it, so that a job that is followed later receives the
# first events of its pods
_EVENT_FIELDS = ("reason", "message", "type", "involvedObject")
# what judgements read of a container; its command and variables are the most of a pod
_CONTAINER_FIELDS = ("name", "image", "resources")
# Events that never say what is wrong: nineteen of twenty, of all jobs of the last hour. Source: the reasons in
# kubernetes/kubernetes (pkg/kubelet/events, pkg/controller/job, pkg/controller/volume/events) and argo-workflows
_USUAL = (
    *("Scheduled", "Pulling", "Pulled", "Created", "Started", "Killing", "NoPods"),
    *("SuccessfulCreate", "SuccessfulDelete", "Suspended", "Resumed", "Completed"),
    *("ExternalProvisioning", "Provisioning", "ProvisioningSucceeded", "SuccessfulAttachVolume"),
    *("WorkflowRunning", "WorkflowSucceeded", "WorkflowNodeRunning", "WorkflowNodeSucceeded"),
)
EVENT_QUERY = {"fieldSelector": ",".join(f"reason!={reason}" for reason in _USUAL)}
"""Has the API leave them out."""


@dataclass(frozen=True)
class Change:
    """An object of a job exists (`ADDED`), has changed (`MODIFIED`) or was deleted (`DELETED`)."""

    kind: str
    change: str
    item: Manifest


@dataclass(frozen=True)
class WatchFailed:
    """Objects of a kind cannot be watched any more."""

    kind: str
    error: ApiError


@dataclass(frozen=True, eq=False)
class Subscription:
    """What one job receives: changes of objects of `kinds` with its label, and events about its objects.

    `names` are those of its objects besides pods. `take` is called on the loop and has to be quick.
    """

    namespace: str
    job: str
    names: frozenset[str]
    kinds: frozenset[str]
    take: Callable[[Change | WatchFailed], object]


class Watches:
    """The watches of one process on one cluster; all but `subscribe` and `unsubscribe` runs on the loop."""

    def __init__(self, connection: Connection, background: Background) -> None:
        self._connection, self._background = connection, background
        self._namespaces: dict[str, _NamespaceWatch] = {}

    def subscribe(self, subscription: Subscription) -> None:
        """Hand a job all of its objects as they are, and then each change, until it unsubscribes."""
        self._background.call_soon(self._add, subscription)

    def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription; kinds without any subscription are no longer watched."""
        self._background.call_soon(self._remove, subscription)

    def _add(self, subscription: Subscription) -> None:
        namespace = subscription.namespace
        watch = self._namespaces.setdefault(namespace, _NamespaceWatch(self._connection, namespace))
        watch.add(subscription)

    def _remove(self, subscription: Subscription) -> None:
        watch = self._namespaces.get(subscription.namespace)
        if watch and watch.remove(subscription):
            del self._namespaces[subscription.namespace]


class _NamespaceWatch:
    """The watches of one namespace, and their subscriptions."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._connection, self._namespace = connection, namespace
        self._subscriptions: dict[str, list[Subscription]] = {}
        self._jobs_by_name: dict[str, str] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._known: dict[str, dict[str, Manifest]] = {}

    def add(self, subscription: Subscription) -> None:
        """Deliver the known objects, and start the watches that do not run yet."""
        self._subscriptions.setdefault(subscription.job, []).append(subscription)
        self._jobs_by_name.update(dict.fromkeys(subscription.names, subscription.job))
        # pods first: whose an event is, they say
        for kind in sorted(subscription.kinds, key=lambda kind: kind != "Pod"):
            if kind not in self._tasks:
                self._known[kind] = {}
                self._tasks[kind] = asyncio.get_running_loop().create_task(self._watch(kind))
            for item in tuple(self._known[kind].values()):
                if self._find_job(kind, item) == subscription.job:
                    subscription.take(Change(kind, "ADDED", item))

    def remove(self, subscription: Subscription) -> bool:
        """Stop the watches without subscriptions; return whether none is left."""
        with suppress(KeyError, ValueError):
            self._subscriptions[subscription.job].remove(subscription)
            if not self._subscriptions[subscription.job]:
                del self._subscriptions[subscription.job]
                for name in subscription.names:
                    self._jobs_by_name.pop(name, None)
        wanted = {kind for of_job in self._subscriptions.values() for one in of_job for kind in one.kinds}
        for kind in self._tasks.keys() - wanted:
            self._tasks.pop(kind).cancel()
            del self._known[kind]
        return not self._subscriptions

    async def _watch(self, kind: str) -> None:
        query = EVENT_QUERY if kind == "Event" else {"labelSelector": JOB_LABEL}
        known = self._known[kind]
        try:
            async for change, item in watch_kind(self._connection, kind, self._namespace, query, known):
                self._deliver(kind, change, item)
        except ApiError as error:
            self._fail(kind, error)
        except Exception as error:  # noqa: BLE001 the boundary of the task: the jobs must learn of it
            what = f"watching every {kind} in {self._namespace}"
            self._fail(kind, ApiError(what, 0, type(error).__name__, f"{type(error).__name__}: {error}"))

    def _fail(self, kind: str, error: ApiError) -> None:
        """Deliver that a watch has failed; a later subscription starts it again."""
        self._tasks.pop(kind, None)
        self._known.pop(kind, None)
        for of_job in tuple(self._subscriptions.values()):
            for one in of_job:
                if kind in one.kinds:
                    one.take(WatchFailed(kind, error))

    def _deliver(self, kind: str, change: str, item: Manifest) -> None:
        job = self._find_job(kind, item)
        for one in self._subscriptions.get(job or "", ()):
            if kind in one.kinds:
                one.take(Change(kind, change, item))
        if kind == "Pod" and change == "ADDED":
            self._deliver_early_events(item)

    def _deliver_early_events(self, pod: Manifest) -> None:
        """Hand over the events of a pod that were reported before the pod itself was."""
        for event in self._known.get("Event", {}).values():
            if event["involvedObject"].get("uid") == pod["metadata"]["uid"]:
                self._deliver("Event", "ADDED", event)

    def _find_job(self, kind: str, item: Manifest) -> str | None:
        """Whose an object is; an event is that of the object it is about.

        Whose pod it is its name does not say, as `job-a-b-1234` may be of the job `a` or `a-b`.
        """
        if kind == "Event":
            about = item["involvedObject"]
            if about.get("kind") != "Pod":
                return self._jobs_by_name.get(about.get("name", ""))
            pod = self._known.get("Pod", {}).get(about.get("uid", ""))
            return self._find_job("Pod", pod) if pod else None
        job: str | None = (item["metadata"].get("labels") or {}).get(JOB_LABEL)
        return job


async def watch_kind(
    connection: Connection, kind: str, namespace: str, query: Mapping[str, str], known: dict[str, Manifest]
) -> AsyncIterator[tuple[str, Manifest]]:
    """Yield every object as it is and then each change, without end; `known` holds them by uid.

    Raises `ApiError` for what does not pass by waiting.
    """
    path, what = build_path(kind, namespace), f"every {kind} in {namespace}"
    patience = Patience()
    while True:
        try:
            listed, version = await list_all(connection, path, f"listing {what}", query, partial(_trim, kind))
            patience.note_success()
            for change in compare(known, listed):
                yield change
            asked = {**query, "watch": "true", "resourceVersion": version, "timeoutSeconds": str(_WATCH_SECONDS)}
            async for lines in connection.read_stream(path, f"watching {what}", asked, _SILENCE_SECONDS):
                for change in _read_changes(f"watching {what}", lines):
                    item = _trim(kind, change[1])
                    remember(known, change[0], item)
                    yield change[0], item
        except ApiError as error:
            if not patience.retries(error.status):
                raise
        await asyncio.sleep(patience.next_wait_seconds())


def _read_changes(what: str, lines: list[str]) -> Iterator[tuple[str, Manifest]]:
    for line in lines:
        try:
            change = json.loads(line)
        except ValueError as error:
            raise ApiError(what, 0, "broken-off", "the connection broke") from error
        if change["type"] == "ERROR":
            status = change["object"]
            raise ApiError(what, status.get("code", 500), status.get("reason", ""), status.get("message", ""))
        yield change["type"], change["object"]


def _trim(kind: str, item: Manifest) -> Manifest:
    """Leave out fields that are not read, so that many objects can be kept."""
    meta = item["metadata"]
    if kind == "Event":
        return {"metadata": take(("name", "uid", "resourceVersion"), meta), **take(_EVENT_FIELDS, item)}
    spec = item.get("spec") or {}
    if kind == "Pod":
        listed = {name: spec[name] for name in ("containers", "initContainers") if name in spec}
        spec = {**spec, **{name: [take(_CONTAINER_FIELDS, one) for one in some] for name, some in listed.items()}}
    elif kind == "Job":
        spec = {name: value for name, value in spec.items() if name != "template"}
    return {**item, "metadata": {name: value for name, value in meta.items() if name != "managedFields"}, "spec": spec}


def remember(known: dict[str, Manifest], change: str, item: Manifest) -> None:
    """Keep the newest state of an object that a watch reported."""
    if change == "DELETED":
        known.pop(item["metadata"]["uid"], None)
    else:
        known[item["metadata"]["uid"]] = item


def compare(known: dict[str, Manifest], items: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Yield the changes between the known and the listed objects."""
    listed = {item["metadata"]["uid"]: item for item in items}
    gone = [known.pop(uid) for uid in tuple(known) if uid not in listed]
    yield from (("DELETED", item) for item in gone)
    for uid, item in listed.items():
        before = known.get(uid)
        known[uid] = item
        if before is None:
            yield "ADDED", item
        elif before["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]:
            yield "MODIFIED", item
