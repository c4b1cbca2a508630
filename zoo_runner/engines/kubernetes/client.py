"""The one door to the Kubernetes API: plain manifests in and out, streams that resume, errors translated."""

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import urllib3

from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.kubernetes.access import open_access
from zoo_runner.engines.kubernetes.advice import find_advice
from zoo_runner.engines.kubernetes.names import Manifest
from zoo_runner.engines.kubernetes.streams import Patience, Streams, compare, remember
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError

_CONNECT_SECONDS, _READ_SECONDS = 10.0, 60.0
_WATCH_SECONDS = 240
_PATHS = {
    "Namespace": "/api/v1/namespaces",
    "Node": "/api/v1/nodes",
    "Pod": "/api/v1/namespaces/{}/pods",
    "Event": "/api/v1/namespaces/{}/events",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "PersistentVolumeClaim": "/api/v1/namespaces/{}/persistentvolumeclaims",
    "ResourceQuota": "/api/v1/namespaces/{}/resourcequotas",
    "StorageClass": "/apis/storage.k8s.io/v1/storageclasses",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "Workflow": "/apis/argoproj.io/v1alpha1/namespaces/{}/workflows",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "SelfSubjectAccessReview": "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
}


_REMEDIES = {
    0: "Check that the API server runs and that KUBECONFIG (or ZOO_RUNNER_KUBERNETES_URL) names it.",
    401: "Log in to the cluster again: its API does not accept these credentials.",
    403: "Have the right named above granted to the runner's account (docs/kubernetes.md lists all it needs).",
    404: "Check that the namespace and what the settings name exist.",
}


class ApiError(EngineError):
    """The API refused a request; `status` is its HTTP status, 0 where it could not be reached."""

    def __init__(self, what: str, status: int, reason: str, message: str) -> None:
        self.status, self.reason, self.message = status, reason, message
        super().__init__(
            f"Kubernetes: {what}: {message or reason or 'no answer'}",
            _remedy(status, message),
            level=Level.PLATFORM if status in (0, 429) or status >= 500 else Level.ENGINE,
        )


def _remedy(status: int, message: str) -> str:
    return find_advice(message) or _REMEDIES.get(
        status, "Correct the setting that the message names; `zoo-runner plan` prints the manifests."
    )


class Cluster:
    """Access to the API; threads may share it."""

    def __init__(self, settings: KubernetesSettings) -> None:
        self._access = open_access(settings)
        self._pool = self._access.pool

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def read_version(self) -> str:
        """Return the version of the API server, such as `v1.34.4`."""
        return str(self._call("GET", "/version", "asking for its version")["gitVersion"])

    def create(self, manifest: Manifest) -> Manifest:
        """Create an object, or adopt the one that has its name already."""
        kind, meta = manifest["kind"], manifest.get("metadata", {})
        path = _PATHS[kind].format(meta.get("namespace"))
        try:
            return self._call("POST", path, f"creating {kind} {meta.get('name', '')}", body=manifest)
        except ApiError as error:
            if error.status != 409 or error.reason != "AlreadyExists":
                raise
        return self._call("GET", f"{path}/{meta['name']}", f"adopting {kind} {meta['name']}")

    def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """Read an object; None where there is none."""
        try:
            return self._call("GET", f"{_PATHS[kind].format(namespace)}/{name}", f"reading {kind} {name}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def find(self, kind: str, namespace: str | None = None, **query: str) -> list[Manifest]:
        """List objects in a namespace or everywhere; `labelSelector`, `fieldSelector` narrow it down."""
        return list(self._list(kind, namespace, query)["items"])

    def patch(self, kind: str, namespace: str, name: str, change: Manifest) -> None:
        """Merge a change into an object; one that is gone is fine."""
        with _gone_is_fine():
            path = f"{_PATHS[kind].format(namespace)}/{name}"
            self._call("PATCH", path, f"changing {kind} {name}", body=change)

    def delete(self, kind: str, namespace: str, name: str, grace_seconds: int | None = None) -> None:
        """Delete an object and what it owns; already gone is fine."""
        with _gone_is_fine():
            path = f"{_PATHS[kind].format(namespace)}/{name}"
            self._call("DELETE", path, f"deleting {kind} {name}", body=_delete_options(grace_seconds))

    def delete_labelled(self, kind: str, namespace: str, selector: str, grace_seconds: int | None = None) -> None:
        """Delete all objects of a kind that carry a label."""
        with _gone_is_fine():
            query = {"labelSelector": selector}
            path = _PATHS[kind].format(namespace)
            self._call("DELETE", path, f"deleting every {kind} of {selector}", query, _delete_options(grace_seconds))

    def watch(self, kind: str, namespace: str, streams: Streams, **query: str) -> Iterator[tuple[str, Manifest]]:
        """Yield every object as it is and then each change: `ADDED`, `MODIFIED` or `DELETED`, until closed.

        An API server that goes away is waited for: what has changed meanwhile is told when it is back.
        """
        known: dict[str, Manifest] = {}
        patience = Patience()
        while not streams.closed.is_set():
            try:
                listed = self._list(kind, namespace, query)
                patience.note_success()
                yield from compare(known, listed["items"])
                for change, item in self._watch_from(kind, namespace, query, listed, streams):
                    remember(known, change, item)
                    yield change, item
            except ApiError as error:
                if not patience.bears(error.status):
                    raise
            streams.closed.wait(patience.next_wait_seconds())

    def follow_log(self, namespace: str, pod: str, streams: Streams, ended: threading.Event) -> Iterator[str]:
        """Yield the lines of a pod's log as they come, each once, until its container has `ended`, as its status says.

        That a stream is over says little: kubelet ends each after four hours, and where a kubelet goes away the API
        ends it as if nothing more were to come.
        """
        last, patience = "", Patience()
        path = f"{_PATHS['Pod'].format(namespace)}/{pod}/log"
        while not streams.closed.is_set():
            over = whole = ended.is_set()
            try:
                for time, text in self._read_log(path, pod, last, streams):
                    if time > last:
                        patience.note_success()
                        last = time
                        yield text
            except ApiError as error:
                over = whole and error.status == 404
                if not over and not patience.bears(error.status):
                    raise
            if over:
                return
            (streams.closed if whole else ended).wait(patience.next_wait_seconds())

    def _read_log(self, path: str, pod: str, since: str, streams: Streams) -> Iterator[tuple[str, str]]:
        what = f"reading the log of pod {pod}"
        query = {"follow": "true", "timestamps": "true", **({"sinceTime": f"{since[:19]}Z"} if since else {})}
        answer = self._request("GET", path, what, query, stream=True)
        for line in read_lines(answer, what, streams):
            time, _, text = line.partition(" ")
            yield time, text

    def _watch_from(
        self, kind: str, namespace: str, query: Mapping[str, str], listed: Manifest, streams: Streams
    ) -> Iterator[tuple[str, Manifest]]:
        what = f"watching every {kind} in {namespace}"
        version = listed["metadata"]["resourceVersion"]
        asked = {**query, "watch": "true", "resourceVersion": version, "timeoutSeconds": str(_WATCH_SECONDS)}
        answer = self._request("GET", _PATHS[kind].format(namespace), what, asked, stream=True)
        for line in read_lines(answer, what, streams):
            change = json.loads(line)
            if change["type"] == "ERROR":
                status = change["object"]
                raise ApiError(what, status.get("code", 500), status.get("reason", ""), status.get("message", ""))
            yield change["type"], change["object"]

    def _list(self, kind: str, namespace: str | None, query: Mapping[str, str]) -> Manifest:
        path = _PATHS[kind].format(namespace)
        if namespace is None:
            path = path.replace("/namespaces/None", "")
        return self._call("GET", path, f"listing every {kind}" + (f" in {namespace}" if namespace else ""), query)

    def _call(
        self, method: str, path: str, what: str, query: Mapping[str, str] | None = None, body: Manifest | None = None
    ) -> Manifest:
        answer = self._request(method, path, what, query, body)
        content: Manifest = json.loads(answer.data)
        return content

    def _request(
        self,
        method: str,
        path: str,
        what: str,
        query: Mapping[str, str] | None = None,
        body: Manifest | None = None,
        stream: bool = False,
    ) -> Any:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Accept": "application/json", "Content-Type": kind, **self._access.headers()}
        try:
            answer = self._pool.request(
                method,
                f"{self._access.host}{path}" + (f"?{urlencode(query)}" if query else ""),
                headers=headers,
                body=json.dumps(body) if body is not None else None,
                preload_content=not stream,
                timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=None if stream else _READ_SECONDS),
                retries=False,
            )
        except urllib3.exceptions.SSLError as error:
            raise ApiError(what, 0, "SSLError", f"{self._access.host} is not trusted: {error}") from error
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(what, 0, type(error).__name__, f"{self._access.host} does not answer") from error
        if answer.status >= 400:
            raise _refusal(what, answer)
        return answer


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


def _refusal(what: str, answer: Any) -> ApiError:
    with contextlib.closing(answer):
        text = answer.data.decode("utf-8", "replace")
    try:
        status = json.loads(text)
        return ApiError(what, answer.status, str(status.get("reason")), str(status.get("message")))
    except (ValueError, AttributeError):
        return ApiError(what, answer.status, str(answer.status), text.strip()[:300])


def read_lines(answer: Any, what: str, streams: Streams) -> Iterator[str]:
    """Yield whole lines as they arrive, until closed; a connection that breaks is an `ApiError` of status 0."""
    rest: list[bytes] = []  # of a line that goes on: a tool may print a hundred megabytes without an end of line
    with streams.holding(answer):
        try:
            for chunk in answer.stream(1 << 16) if not streams.closed.is_set() else ():
                if streams.closed.is_set():
                    return  # of a TLS connection that was shut down the rest comes undeciphered
                first, *others = chunk.split(b"\n")
                rest.append(first)
                for other in others:
                    yield b"".join(rest).decode("utf-8", "replace")
                    rest = [other]
        except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError) as error:
            raise ApiError(what, 0, type(error).__name__, "the connection broke") from error
    if last := b"".join(rest):
        yield last.decode("utf-8", "replace")
