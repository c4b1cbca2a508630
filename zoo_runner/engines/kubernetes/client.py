"""Access to the Kubernetes API: plain manifests in and out, watches and logs that resume, translated errors."""

import asyncio
import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from functools import lru_cache
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar, cast

from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.kubernetes.access import open_access
from zoo_runner.engines.kubernetes.background import Background, find_background
from zoo_runner.engines.kubernetes.connection import Connection
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.listing import list_all, trim_node
from zoo_runner.engines.kubernetes.logs import LogReader, Take
from zoo_runner.engines.kubernetes.looks import Looks
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.engines.kubernetes.paths import build_path
from zoo_runner.engines.kubernetes.watch import Change, Subscription, Watches, WatchFailed, watch_kind
from zoo_staging.pool import within

T = TypeVar("T")

# a checksum of a large file takes a while, in which nothing is sent
_DOWNLOAD_SILENCE_SECONDS = 3600.0
_LOG_SECONDS = 10.0
# a part of a bundle has a megabyte
_AT_ONCE = 4
# short: a node that was just added may be the one that a pod fits on
_NODES_SECONDS = 1.0


def connect(settings: KubernetesSettings) -> "Cluster":
    """Return the access to a cluster that this process shares; a kubeconfig that has changed is read again."""
    kubeconfig = Path(settings.kubeconfig or "~/.kube/config").expanduser()
    changed = kubeconfig.stat().st_mtime_ns if kubeconfig.is_file() else None
    return _connect(settings.kubeconfig, settings.api_url, settings.service_host, settings.service_port, changed)


@lru_cache(64)
def _connect(
    kubeconfig: str | None, api_url: str | None, service_host: str | None, service_port: str, _changed: int | None
) -> "Cluster":
    return Cluster(
        KubernetesSettings(kubeconfig=kubeconfig, api_url=api_url, service_host=service_host, service_port=service_port)
    )


os.register_at_fork(after_in_child=_connect.cache_clear)


class Cluster:
    """Access to the API; threads may share it, and jobs that do share its watches."""

    def __init__(self, settings: KubernetesSettings) -> None:
        self.background = find_background()
        self.access = open_access(settings)
        self._connection = Connection(self.access, self.background)
        self._watches = Watches(self._connection, self.background)
        self._nodes_lock, self._nodes_read = threading.Lock(), -inf
        self._nodes: list[Manifest] = []
        self.looks = Looks()
        # also after a kubeconfig has changed and the last job of the former one has ended
        weakref.finalize(self, _close, self._connection, self.background).atexit = False

    def close(self) -> None:
        """Close the connections."""
        self.background.run(self._connection.close())

    def read_version(self) -> str:
        """Return the version of the API server, such as `v1.34.4`."""
        return str(self._call("GET", "/version", "asking for its version")["gitVersion"])

    def create(self, manifest: Manifest) -> Manifest:
        """Create an object, or adopt the one that has its name already."""
        return self.background.run(self._create(manifest))

    def create_each(self, manifests: Sequence[Manifest]) -> list[Manifest]:
        """Create or adopt objects that do not depend on each other, a few at a time.

        All of them are tried; raises the first error, in their order.
        """
        made = self.background.run(_settle([self._create(one) for one in manifests]))
        if refused := next((one for one in made if isinstance(one, ApiError)), None):
            raise refused
        return cast(list[Manifest], made)

    async def _create(self, manifest: Manifest) -> Manifest:
        kind, meta = manifest["kind"], manifest.get("metadata", {})
        path, name = build_path(kind, meta.get("namespace", "")), meta.get("name", "")
        try:
            return await self._connection.call("POST", path, f"creating {kind} {name}", body=manifest)
        except ApiError as error:
            if error.status != 409 or error.reason != "AlreadyExists":
                raise
        return await self._connection.call("GET", f"{path}/{name}", f"adopting {kind} {name}")

    def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """Read an object; None if it does not exist."""
        return self.background.run(self._get(kind, namespace, name))

    def get_each(self, manifests: Sequence[Manifest]) -> list[Manifest | ApiError | None]:
        """Read the objects of these kinds and names at the same time; an error takes the place of its object."""
        places = [(one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]) for one in manifests]
        return self.background.run(_settle([self._get(*place) for place in places]))

    async def _get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        path = build_path(kind, namespace, name)
        try:
            return await self._connection.call("GET", path, f"reading {kind} {name}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def find(
        self,
        kind: str,
        namespace: str | None = None,
        selector: str | None = None,
        keep: Callable[[Manifest], Manifest] = lambda item: item,
    ) -> list[Manifest]:
        """List objects in a namespace or everywhere, all or those whose labels a selector names.

        `keep` returns what is needed of each.
        """
        what = f"listing every {kind}" + (f" in {namespace}" if namespace else "")
        query = {"labelSelector": selector} if selector else {}
        listing = list_all(self._connection, build_path(kind, namespace), what, query, keep)
        return self.background.run(listing)[0]

    def find_nodes(self) -> list[Manifest]:
        """List the nodes; jobs whose pods wait at the same time share an answer, as each may be of megabytes."""
        with self._nodes_lock:
            if monotonic() - self._nodes_read > _NODES_SECONDS:
                self._nodes = self.find("Node", keep=trim_node)
                self._nodes_read = monotonic()
            return self._nodes

    def patch(self, kind: str, namespace: str, name: str, change: Manifest) -> Manifest | None:
        """Merge a change into an object and return what it is then; None if it does not exist."""
        changed: Manifest | None = None
        with _gone_is_fine():
            changed = self._call("PATCH", build_path(kind, namespace, name), f"changing {kind} {name}", body=change)
        return changed  # noqa: RET504 the block may end before

    def delete(self, kind: str, namespace: str, name: str, grace_seconds: int | None = None) -> None:
        """Delete an object and what it owns; one that does not exist is no error."""
        with _gone_is_fine():
            path, body = build_path(kind, namespace, name), _delete_options(grace_seconds)
            self._call("DELETE", path, f"deleting {kind} {name}", body=body)

    def delete_labelled(self, kind: str, namespace: str, selector: str, grace_seconds: int | None = None) -> None:
        """Delete all objects of a kind that have a label."""
        with _gone_is_fine():
            path, body, query = build_path(kind, namespace), _delete_options(grace_seconds), {"labelSelector": selector}
            self._call("DELETE", path, f"deleting every {kind} of {selector}", query, body)

    def request_token(self, namespace: str, account: str, seconds: int) -> Manifest:
        """Return the status of a TokenRequest: a `token` of a service account and its `expirationTimestamp`."""
        path = f"{build_path('ServiceAccount', namespace, account)}/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
        body = {**request, "spec": {"expirationSeconds": seconds}}
        answer = self._call("POST", path, f"requesting a token of ServiceAccount {account}", body=body)
        return dict(answer["status"])

    def watch(
        self,
        namespace: str,
        job: str,
        kinds: Collection[str],
        take: Callable[[Change | WatchFailed], object],
        names: Collection[str] = (),
    ) -> Callable[[], None]:
        """Call `take` with the objects of a job and each change, until the returned function is called.

        `job` is the value of their label; events are those about its pods and about its objects with
        these `names`. `take` is called on the event loop and has to be quick.
        """
        subscription = Subscription(namespace, job, frozenset(names), frozenset(kinds), take)
        self._watches.subscribe(subscription)
        return lambda: self._watches.unsubscribe(subscription)

    @contextlib.contextmanager
    def noticing(self, namespace: str, name: str, call: Callable[[], object]) -> Iterator[None]:
        """Call `call` on the event loop at each change of a Workflow or pod whose name begins so, or event about one.

        What the account may not watch is left out.
        """

        async def notice(kind: str) -> None:
            with contextlib.suppress(ApiError):
                async for _, item in watch_kind(self._connection, kind, namespace, {}, {}):
                    about = item.get("involvedObject") or item["metadata"]
                    if str(about.get("name")).startswith(name):
                        call()

        watching = [self.background.start(notice(kind)) for kind in ("Workflow", "Pod", "Event")]
        try:
            yield
        finally:
            for one in watching:
                one.cancel()

    def read_log(
        self, namespace: str, pod: str, take: Take, ended: bool = False, container: str | None = None
    ) -> LogReader:
        """Call `take` with the lines of a pod's log as they arrive; `ended`: its container has ended already.

        For a pod with several containers, `container` is required.
        """
        reader = LogReader(self.background, take, ended)
        reader.start(self._connection, namespace, pod, container)
        return reader

    def read_last_lines(self, namespace: str, pod: str, lines: int, container: str | None = None) -> list[str]:
        """Read the end of a pod's log as it is."""
        query = {"tailLines": str(lines), **({"container": container} if container else {})}
        path, what = f"{build_path('Pod', namespace, pod)}/log", f"reading the log of pod {pod}"

        async def read() -> list[str]:
            stream = self._connection.read_stream(path, what, query, _LOG_SECONDS)
            return [line async for some in stream for line in some]

        return self.background.run(read())

    def wait_for(
        self, kind: str, namespace: str, selector: str, choose: Callable[[Manifest], T | None], seconds: float
    ) -> T:
        """Return what `choose` first makes of an object that a selector names, or of a change of it.

        `choose` is called on the event loop and has to be quick; what it raises is raised here. Raises `TimeoutError`.
        """

        async def find() -> T:
            async for _, item in watch_kind(self._connection, kind, namespace, {"labelSelector": selector}, {}):
                if (chosen := choose(item)) is not None:
                    return chosen
            raise TimeoutError

        return self.background.run(within(seconds, find()))

    def download(self, path: str, what: str, take: Callable[[bytes], object], headers: Mapping[str, str]) -> None:
        """Call `take`, on the event loop, with the bytes of an answer as they arrive; `headers` are sent besides."""
        self.background.run(self._connection.download(path, what, take, headers, _DOWNLOAD_SILENCE_SECONDS))

    def _call(
        self, method: str, path: str, what: str, query: Mapping[str, str] | None = None, body: Manifest | None = None
    ) -> Manifest:
        return self.background.run(self._connection.call(method, path, what, query, body))


async def _settle(work: Sequence[Coroutine[Any, Any, T]]) -> list[T | ApiError]:
    """Run coroutines, a few at a time, each to its end; an `ApiError` takes the place of its result."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def run(one: Coroutine[Any, Any, T]) -> T | ApiError:
        async with room:
            try:
                return await one
            except ApiError as error:
                return error

    return await asyncio.gather(*map(run, work))


def _close(connection: Connection, background: Background) -> None:
    background.start(connection.close())


def _delete_options(grace_seconds: int | None) -> Manifest:
    options: Manifest = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
    return options if grace_seconds is None else {**options, "gracePeriodSeconds": grace_seconds}


@contextlib.contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except ApiError as error:
        if error.status != 404:
            raise
