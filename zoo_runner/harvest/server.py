"""Deploys, replaces and undeploys processes at an API of OGC API - Processes, Part 2 (OGC 20-044), ours or others'."""

from collections.abc import Callable
from urllib.parse import quote, unquote, urlsplit

from zoo_runner.api_client import Answer, ApiClient, UnansweredError, read_token
from zoo_runner.harvest.packed import encode_workflow
from zoo_runner.harvest.workflows import Workflow
from zoo_runner.model.errors import EngineError
from zoo_staging.proxies import NO_PROXIES, Proxies

_FIELD = "Content-Type: application/cwl+yaml"
_ABSENT = (404, 410)
_EXISTS = 409
_NO_TOKEN, _NOT_ALLOWED = 401, 403


class RefusedError(EngineError):
    """The server refused a change of a process."""

    default_code = "harvest.refused"


class ShutError(UnansweredError):
    """The API was not reached, or not with this token: that says nothing of the process, and is tried again."""

    default_code = "harvest.refused"


class ProcessServer:
    """The API of one workspace. Methods raise `NotReachedError` where it does not answer, after several attempts.

    So they do for what stands before it and answers in its place, and for a token that is not, or no longer, accepted.
    """

    def __init__(
        self,
        base: str,
        token_file: str = "",
        proxies: Proxies = NO_PROXIES,
        origin: Callable[[str], str] = lambda _: "",
    ) -> None:
        """`origin` writes the field of a request that says where the document at a path is from, if it can be shown."""
        self._client = ApiClient(base, read_token(token_file, "harvest.sources"), proxies)
        self._origin = origin

    def ensure_free(self, name: str) -> None:
        """Raise `RefusedError` where there is a process of this id, which must be somebody else's."""
        answer = self._call("GET", _path(name))
        if not self._is_absent(answer):
            self._ensure_api(answer)
            self._ensure(Answer(_EXISTS, {}, b"") if answer.status < 300 else answer, f"deploy {name!r}")

    def has(self, process: str) -> bool:
        """Whether there is a process of this id; raises `RefusedError` where the server does not say."""
        answer = self._call("GET", _path(process))
        if self._is_absent(answer):
            return False
        self._ensure(answer, f"describe {process!r}")
        return True

    def deploy(self, workflow: Workflow, *, is_ours: bool) -> str:
        """Deploy a workflow and return the id of the process.

        `is_ours`: one that exists already comes from an earlier attempt, and is replaced. Raises `RefusedError`.
        """
        name = workflow.process_id
        answer = self._send("POST", f"/processes?w={quote(name, safe='')}", workflow)
        if answer.status == _EXISTS and (is_ours or answer.repeated):
            return self.replace(name, workflow)
        # a proxy that does not know the API says nothing of the workflow
        self._is_absent(answer)
        self._ensure(answer, f"deploy {name!r}")
        return _read_id(answer) or name

    def replace(self, process: str, workflow: Workflow) -> str:
        """Replace the package of a process, or deploy it where somebody has removed it; return its id."""
        query = f"?w={quote(workflow.process_id, safe='')}"
        answer = self._send("PUT", f"{_path(process)}{query}", workflow)
        if self._is_absent(answer):
            return self.deploy(workflow, is_ours=False)
        self._ensure(answer, f"replace {process!r}")
        return process

    def undeploy(self, process: str, name: str = "") -> None:
        """Remove a process; one that is gone is no error. It is not found by the `name` of its workflow."""
        answer = self._call("DELETE", _path(process))
        if not self._is_absent(answer):
            self._ensure(answer, f"undeploy {process!r}")

    def _is_absent(self, answer: Answer) -> bool:
        """Whether the API has no such process. Proxies say 404 too, of an API that is not there for the moment."""
        if answer.status not in _ABSENT:
            return False
        if not answer.read_object():
            listed = self._call("GET", "/processes")
            if listed.status in _ABSENT:
                raise ShutError(
                    f"the server refuses to list its processes: HTTP {listed.status}: {self._read_cause(listed)}",
                    "Check the address of the server; what stands before the API may not know it for the moment.",
                )
            self._ensure(listed, "list its processes")
        return True

    def _ensure_api(self, answer: Answer) -> None:
        """Raise `ShutError` for the page of a login or a proxy, which may say 200."""
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if answer.status < 300 and kind == "text/html":
            raise ShutError(
                "the address of the server answers with a web page, as logins and proxies do",
                "Check the address of the server and the token file; have what stands before the API let it pass.",
            )

    def _ensure(self, answer: Answer, what: str) -> None:
        if answer.status < 300:
            self._ensure_api(answer)
            return
        said = self._read_cause(answer)
        remedy = "See what the server says, and its log."
        if answer.status in (_NO_TOKEN, _NOT_ALLOWED):
            remedy = "Check the token file of the sources, and that its account may deploy in this workspace."
        if answer.status == _NOT_ALLOWED:
            remedy += " A process of the server itself cannot be changed: give the workflow another id."
        if answer.status < 400:
            said = f"it points to {self._client.mask(answer.headers.get('location', 'nothing'))}"
            remedy = "Name the address that answers itself as that of the server."
        elif answer.status == _EXISTS:
            remedy = "Another source or person has deployed it: give the workflow another id, or undeploy that one;"
            remedy += " harvest --adopt takes it for one of this source, where the records were lost."
        kind = ShutError if answer.status < 400 or answer.status == _NO_TOKEN else RefusedError
        raise kind(f"the server refuses to {what}: HTTP {answer.status}: {said}", remedy)

    def _read_cause(self, answer: Answer) -> str:
        said = answer.read_cause() or ("it has a process of this id" if answer.status == _EXISTS else "no reason given")
        return self._client.mask(said)

    def _call(self, method: str, path: str) -> Answer:
        return self._client.call(method, path)

    def _send(self, method: str, path: str, workflow: Workflow) -> Answer:
        fields = [field for field in (_FIELD, self._origin(workflow.path)) if field]
        return self._client.call(method, path, encode_workflow(workflow), *fields)


def _path(process: str) -> str:
    return f"/processes/{quote(process, safe='')}"


def _read_id(answer: Answer) -> str:
    """Read the id of a new process from the answer or its Location; empty where neither has it."""
    document = answer.read_object()
    summary = document.get("processSummary")
    for one in (document.get("id"), summary.get("id") if isinstance(summary, dict) else None):
        if isinstance(one, str) and one:
            return one
    return unquote(urlsplit(answer.headers.get("location", "")).path.rstrip("/").rpartition("/")[2])
