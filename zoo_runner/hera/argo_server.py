"""Workflows through the Argo server of a configuration: create, list, watch, read logs, stop, retry, delete.

Source: Argo Workflows documentation, "API Reference" (`/api/v1/workflows`, `/api/v1/workflow-events`).
"""

import json
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any

from zoo_runner.engines.argo.server import explain_refusal
from zoo_runner.engines.kubernetes.background import find_background
from zoo_runner.engines.kubernetes.connection import Connection, Head
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.patience import Patience
from zoo_runner.hera.configuration import HeraConfiguration
from zoo_runner.hera.tokens import Tokens
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError, UserSettingsError
from zoo_staging.curl import Tls

Workflow = dict[str, Any]

ENDED = ("Succeeded", "Failed", "Error")
"""The phases in which a workflow stays."""
_SILENCE_SECONDS = 300.0
_NOT_FOUND = 404
# a program may print nothing for hours
_QUIET_SECONDS = 86400.0
_REFUSED = {
    0: ("engine.argo-unreachable", "Check ARGO_SERVER, ARGO_BASE_HREF and the server's certificate."),
    401: ("engine.argo-login", "Set ARGO_TOKEN to a valid token, or unset it to have one requested."),
    404: ("cluster.not-found", "`zoo-runner hera list` shows the workflows; check ARGO_NAMESPACE."),
    403: ("engine.argo-permission", "Ask the operator to grant that permission to the account of the token."),
}


class _Access:
    proxy: str | None = None
    no_proxy = ""
    renews = True
    is_quick = True

    def __init__(self, configuration: HeraConfiguration) -> None:
        self.url = find_url(configuration)
        self.tls = Tls(verify=configuration.get("ARGO_INSECURE_SKIP_VERIFY") != "true")
        self.token = ""

    def headers(self) -> dict[str, str]:
        """Return the header that authenticates a request."""
        return {"Authorization": f"Bearer {self.token}"}


def find_url(configuration: HeraConfiguration) -> str:
    """Return the address below which the Argo server answers, without a slash at its end."""
    server = configuration.get("ARGO_SERVER")
    if not server:
        raise UserSettingsError("ARGO_SERVER is not set", "Set it to the URL of the Argo server, or host:port.")
    return f"{server}{configuration.get('ARGO_BASE_HREF')}"


class ArgoServer:
    """Workflows of one namespace. Raises `EngineError` with the code of what the server refuses."""

    def __init__(self, configuration: HeraConfiguration, tokens: Tokens, namespace: str = "") -> None:
        self._access, self._tokens = _Access(configuration), tokens
        self.namespace = namespace or configuration.get("ARGO_NAMESPACE")
        self._account = configuration.get("ARGO_SERVICE_ACCOUNT")
        self._background = find_background()
        self._connection = Connection(self._access, self._background)
        self._all = f"/api/v1/workflows/{self.namespace}"

    def close(self) -> None:
        """Close the connections."""
        self._background.run(self._connection.close())

    def read_version(self) -> str:
        """Return the version of the Argo server."""
        return str(self._call("GET", "/api/v1/version", "asking for the version")["version"])

    def create(self, manifest: Workflow) -> Workflow:
        """Create a workflow, with the configured service account unless it has one."""
        spec = {"serviceAccountName": self._account, **manifest.get("spec", {})} if self._account else manifest["spec"]
        return self._call("POST", self._all, "creating a workflow", {"workflow": {**manifest, "spec": spec}})

    def submit(self, template: str, parameters: Mapping[str, str]) -> Workflow:
        """Create a workflow from a WorkflowTemplate of the namespace."""
        options: dict[str, Any] = {"parameters": [f"{name}={value}" for name, value in parameters.items()]}
        if self._account:
            options["serviceAccount"] = self._account
        body = {"resourceKind": "WorkflowTemplate", "resourceName": template, "submitOptions": options}
        return self._call("POST", f"{self._all}/submit", f"submitting template {template}", body)

    def get_template(self, name: str) -> Workflow:
        """Read a WorkflowTemplate of the namespace."""
        path = f"/api/v1/workflow-templates/{self.namespace}/{name}"
        return self._call("GET", path, f"reading template {name}")

    def get(self, name: str) -> Workflow:
        """Read a workflow."""
        return self._call("GET", f"{self._all}/{name}", f"reading workflow {name}")

    def find(self) -> Sequence[Workflow]:
        """List the workflows of the namespace, newest first."""
        found = self._call("GET", self._all, "listing workflows").get("items") or []
        return sorted(found, key=lambda one: str(one["metadata"]["creationTimestamp"]), reverse=True)

    def change(self, name: str, verb: str) -> None:
        """Let the server do `stop`, `terminate`, `suspend`, `resume` or `retry` to a workflow."""
        body = {"name": name, "namespace": self.namespace}
        self._call("PUT", f"{self._all}/{name}/{verb}", f"asking workflow {name} to {verb}", body)

    def delete(self, name: str) -> None:
        """Delete a workflow with its pods."""
        self._call("DELETE", f"{self._all}/{name}", f"deleting workflow {name}")

    def follow(
        self, name: str, take: Callable[[Workflow], None], away: Callable[[str], None] | None = None
    ) -> Workflow:
        """Call `take` with the workflow as it is and at each change, until it ends; return it as it was then.

        A watch that breaks, or that the server ends, begins again. A server that is away after it has answered once is
        waited for: `away` is called with the reason, once for each time.
        """
        found, patience, pause = self.get(name), Patience(), threading.Event()
        patience.note_success()
        while read_phase(found) not in ENDED:
            try:
                found = self._follow(name, take)
                patience.note_success()
            except EngineError as error:
                status = _find_status(error)
                if status == _NOT_FOUND or not patience.retries(status):
                    raise
                if away and not patience.has_waited:
                    away(error.diagnosis.cause)
                pause.wait(patience.next_wait_seconds())
        return found

    def _follow(self, name: str, take: Callable[[Workflow], None]) -> Workflow:
        """Watch a workflow as long as the server lets; return its last state."""
        found = self.get(name)
        take(found)
        if read_phase(found) in ENDED:
            return found
        version = str(found["metadata"]["resourceVersion"])
        return dict(self._run(self._watch(name, version, take)) or found)

    def read_log(self, name: str, follow: bool, take: Callable[[str, str], None], timestamps: bool = False) -> None:
        """Call `take` with pod and text of each line of the main containers, as they arrive.

        With `timestamps`, a text begins with its time (RFC 3339) and a blank.
        """
        self.get(name)
        query = {"logOptions.container": "main", "logOptions.follow": json.dumps(follow)}
        query |= {"logOptions.timestamps": json.dumps(timestamps)}
        self._run(self._print_log(f"{self._all}/{name}/log", query, take))

    def download(self, path: str, what: str, take: Callable[[bytes], object]) -> int:
        """Call `take` with the bytes of an answer as they arrive, none of a redirect; return its HTTP status."""
        about = f"{what} through the Argo server"
        head: Head = self._run(self._connection.download(path, about, take, {}, _SILENCE_SECONDS))
        return head.status

    async def _watch(self, name: str, version: str, take: Callable[[Workflow], None]) -> Workflow | None:
        """Return the workflow once it has ended or was deleted; None where the watch ends before."""
        query = {"listOptions.fieldSelector": f"metadata.name={name}", "listOptions.resourceVersion": version}
        async for event in self._stream(f"/api/v1/workflow-events/{self.namespace}", query):
            found: Workflow = event["object"]
            take(found)
            if event.get("type") == "DELETED" or read_phase(found) in ENDED:
                return found
        return None

    async def _print_log(self, path: str, query: dict[str, str], take: Callable[[str, str], None]) -> None:
        async for lines in self._connection.read_stream(path, "reading a log", query, _QUIET_SECONDS):
            for line in _read_results(lines):
                take(str(line.get("podName", "")), str(line.get("content", "")))

    async def _stream(self, path: str, query: dict[str, str]) -> AsyncIterator[Workflow]:
        try:
            async for lines in self._connection.read_stream(path, "watching a workflow", query, _SILENCE_SECONDS):
                for result in _read_results(lines):
                    yield result
        except ApiError as error:
            # a stream that was silent for long, or whose version is gone: who reads it begins again
            if error.status not in (0, 410):
                raise

    def _call(self, method: str, path: str, what: str, body: Workflow | None = None) -> Workflow:
        answer: Workflow = self._run(self._connection.call(method, path, f"{what} through the Argo server", None, body))
        return answer

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        try:
            # here, because the loop cannot wait for the request that renews a token
            self._access.token = self._tokens()
        except BaseException:
            # it is never begun
            work.close()
            raise
        try:
            return self._background.run(work)
        except ApiError as error:
            raise explain_refusal(error, _REFUSED, Level.USER) from error


def _find_status(error: EngineError) -> int:
    """Return the HTTP status of a refusal; that of a client's error where it is no refusal."""
    refusal = error if isinstance(error, ApiError) else error.__cause__
    return refusal.status if isinstance(refusal, ApiError) else 400


def _read_results(lines: list[str]) -> Iterator[Workflow]:
    for line in lines:
        if line.strip():
            try:
                result = json.loads(line).get("result")
            except ValueError as error:
                # half a line: the server has gone away
                raise ApiError("reading a stream", 0, "broken-off", "the connection broke") from error
            if result is not None:
                yield result


def read_phase(workflow: Workflow) -> str:
    """Return the phase of a workflow; `Pending` before the controller has seen it."""
    return str((workflow.get("status") or {}).get("phase") or "Pending")
