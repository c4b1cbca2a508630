"""The Argo server: Workflows are submitted, stopped and deleted through it where the settings name one.

Source: Argo Workflows documentation, "API Reference" (`/api/v1/workflows`). Hera's own client has no time-outs and
drops the base path; this is ours for the Kubernetes API, with another address and another token.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from zoo_runner.config.argo import ArgoSettings
from zoo_runner.engines.kubernetes.background import find_background
from zoo_runner.engines.kubernetes.connection import Connection
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.names import Manifest, Names
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError
from zoo_staging.curl import Tls

_TYPE = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"}
_ATTEMPTS = 5
# between bytes of an artifact
_SILENCE_SECONDS = 300.0
_REFUSED = {
    0: (
        "engine.argo-unreachable",
        "Check ARGO_SERVER, ARGO_BASE_HREF and, for its certificate, ARGO_CA_BUNDLE.",
    ),
    401: (
        "engine.argo-login",
        "Set ARGO_TOKEN to a valid token, as from `kubectl create token <service account>`.",
    ),
    403: (
        "engine.argo-permission",
        "Grant the permission named above to the account of ARGO_TOKEN (deploy/argo/access.yaml).",
    ),
}


class _ServerAccess:
    """Access by the address and token of the settings."""

    proxy: str | None = None
    no_proxy = ""
    renews = False
    is_quick = True

    def __init__(self, settings: ArgoSettings) -> None:
        self.url = f"{settings.server}{settings.base_path}"
        self.tls = Tls(settings.ca_bundle)
        self._token = settings.token

    def headers(self) -> dict[str, str]:
        """Return the headers that authenticate a request."""
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}


def read_server_version(settings: ArgoSettings) -> str:
    """Return the version of the Argo server, such as `v4.0.5`; raises `EngineError` for what it refuses."""
    background = find_background()
    connection = Connection(_ServerAccess(settings), background)
    try:
        answer = background.run(connection.call("GET", "/api/v1/version", "asking the Argo server for its version"))
    except ApiError as error:
        raise explain_refusal(error, _REFUSED, Level.ENGINE) from error
    finally:
        background.run(connection.close())
    return str(answer.get("version"))


def read_template_by_server(settings: ArgoSettings, namespace: str, name: str) -> Manifest | None:
    """Read a WorkflowTemplate; None if it does not exist."""
    path = f"/api/v1/workflow-templates/{quote(namespace, safe='')}/{quote(name, safe='')}"
    about = f"reading WorkflowTemplate {name}"
    background = find_background()
    connection = Connection(_ServerAccess(settings), background)
    try:
        return background.run(connection.call("GET", path, f"{about} through the Argo server"))
    except ApiError as error:
        if error.status == 404:
            return None
        raise explain_refusal(error, _REFUSED, Level.ENGINE) from error
    finally:
        background.run(connection.close())


class ServerArtifacts:
    """The artifacts of a namespace, as the Argo server gives them."""

    def __init__(self, settings: ArgoSettings, namespace: str) -> None:
        self.namespace = namespace
        self._background = find_background()
        self._connection = Connection(_ServerAccess(settings), self._background)

    def download(self, path: str, what: str, take: Callable[[bytes], object]) -> int:
        """Call `take` with the bytes of an answer as they arrive, none of a redirect; return its HTTP status."""
        about = f"{what} through the Argo server"
        try:
            return self._background.run(self._connection.download(path, about, take, {}, _SILENCE_SECONDS)).status
        except ApiError as error:
            raise explain_refusal(error, _REFUSED, Level.ENGINE) from error

    def close(self) -> None:
        """Close the connections."""
        self._background.run(self._connection.close())


class ServerRoot:
    """The Workflow of one job, reached through the Argo server."""

    kind = "Workflow"

    def __init__(self, settings: ArgoSettings, names: Names) -> None:
        self._background = find_background()
        self._connection = Connection(_ServerAccess(settings), self._background)
        self._names = names
        self._all = f"/api/v1/workflows/{names.namespace}"
        self._one = f"{self._all}/{names.job}"

    def create(self, manifest: Manifest) -> Manifest:
        """Create it, suspended, or adopt an existing one of its name."""
        try:
            created = self._call("POST", self._all, "creating", {"workflow": manifest})
        except ApiError as error:
            if error.status != 409:
                raise explain_refusal(error, _REFUSED, Level.ENGINE) from error
            created = self._call("GET", self._one, "adopting")
        # which the server leaves out
        return {**created, **_TYPE}

    def get(self) -> Manifest | None:
        """Read it; None if it does not exist."""
        try:
            return {**self._call("GET", self._one, "reading"), **_TYPE}
        except ApiError as error:
            if error.status == 404:
                return None
            raise explain_refusal(error, _REFUSED, Level.ENGINE) from error

    def release(self) -> None:
        """Resume it, so that it starts the job's pod."""
        self._change("PUT", f"{self._one}/resume", "resuming")

    def dismiss(self) -> None:
        """Stop it for good; one that does not exist is no error."""
        self._change("PUT", f"{self._one}/terminate", "terminating")

    def delete(self) -> None:
        """Delete it with everything that it owns; one that does not exist is no error."""
        self._change("DELETE", self._one, "deleting")

    def _change(self, method: str, path: str, what: str) -> None:
        body = None
        if method == "PUT":
            body = {"name": self._names.job, "namespace": self._names.namespace}
        for attempt in range(_ATTEMPTS):
            try:
                self._call(method, path, what, body)
            except ApiError as error:
                if error.status == 404:
                    return
                # the controller has written the Workflow between the server's reading and writing it
                if error.status != 409 or attempt == _ATTEMPTS - 1:
                    raise explain_refusal(error, _REFUSED, Level.ENGINE) from error
            else:
                return

    def _call(self, method: str, path: str, what: str, body: dict[str, Any] | None = None) -> Manifest:
        about = f"{what} Workflow {self._names.job} through the Argo server"
        return self._background.run(self._connection.call(method, path, about, None, body))


def explain_refusal(error: ApiError, refused: Mapping[int, tuple[str, str]], level: Level) -> EngineError:
    """Build the error of a refusal of the Argo server: `refused` has code and remedy by HTTP status.

    `level`: of all but a server that does not answer.
    """
    found = error.diagnosis
    # the page of a proxy, as below a wrong path, is no answer of Argo
    status = 0 if error.status == 404 and error.reason == "404" else error.status
    code, remedy = refused.get(status, (found.code, found.remedy))
    level = Level.PLATFORM if status == 0 else level
    cause = found.cause.removeprefix("Kubernetes: ")
    return EngineError(f"Argo: {cause}", remedy, evidence=found.evidence, level=level, code=code)
