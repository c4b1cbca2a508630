"""Deploys, replaces and undeploys processes at an API of OGC API - Processes, Part 2 (OGC 20-044), ours or others'."""

import asyncio
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from zoo_runner.harvest.packed import encode_workflow
from zoo_runner.harvest.workflows import Workflow
from zoo_runner.model.errors import EngineError, NotReachedError, SettingsError
from zoo_runner.model.masking import Masker
from zoo_staging.curl import Curl, CurlError, Request
from zoo_staging.http_errors import RETRYABLE, read_retry_after
from zoo_staging.proxies import NO_PROXIES, Proxies

_CONNECT_SECONDS, _ANSWER_SECONDS = 10.0, 120.0
_ATTEMPTS, _FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 4, 1.0, 30.0
_LARGEST_ANSWER_BYTES = 4 << 20
_TYPE = "application/cwl+yaml"
_ABSENT = (404, 410)
_EXISTS = 409
# a proxy that gave up says nothing of the server behind it
_MAYBE_DONE = (500, 502, 504)
_NEVER_SENT = ("unreachable", "untrusted")


@dataclass(frozen=True)
class Answer:
    """What the server answered; `repeated`: an earlier attempt may have been carried out, and was not answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    repeated: bool = False


class UnansweredError(NotReachedError):
    """The server did not answer; `sent`: a request may have reached it, and have been carried out."""

    sent = False


class RefusedError(EngineError):
    """The server refused a change of a process."""

    default_code = "harvest.refused"


class ProcessServer:
    """The API of one workspace. Methods raise `NotReachedError` where it does not answer, after several attempts."""

    def __init__(self, base: str, token_file: str = "", proxies: Proxies = NO_PROXIES) -> None:
        self._base, self._token, self._proxies = base, _read_token(token_file), proxies
        self._mask = Masker([self._token] if self._token else []).mask

    def ensure_free(self, name: str) -> None:
        """Raise `RefusedError` where there is a process of this id, which must be somebody else's."""
        answer = self._call("GET", _path(name))
        if answer.status not in _ABSENT:
            self._ensure(Answer(_EXISTS, {}, b"") if answer.status < 300 else answer, f"deploy {name!r}")

    def deploy(self, workflow: Workflow, *, is_ours: bool) -> str:
        """Deploy a workflow and return the id of the process.

        `is_ours`: one that exists already comes from an earlier attempt, and is replaced. Raises `RefusedError`.
        """
        name = workflow.process_id
        answer = self._call("POST", f"/processes?w={quote(name, safe='')}", encode_workflow(workflow))
        if answer.status == _EXISTS and (is_ours or answer.repeated):
            return self.replace(name, workflow)
        self._ensure(answer, f"deploy {name!r}")
        return _read_id(answer) or name

    def replace(self, process: str, workflow: Workflow) -> str:
        """Replace the package of a process, or deploy it where somebody has removed it; return its id."""
        query = f"?w={quote(workflow.process_id, safe='')}"
        answer = self._call("PUT", f"{_path(process)}{query}", encode_workflow(workflow))
        if answer.status in _ABSENT:
            return self.deploy(workflow, is_ours=False)
        self._ensure(answer, f"replace {process!r}")
        return process

    def undeploy(self, process: str) -> None:
        """Remove a process; one that is gone is no error."""
        answer = self._call("DELETE", _path(process))
        if answer.status not in _ABSENT:
            self._ensure(answer, f"undeploy {process!r}")

    def _ensure(self, answer: Answer, what: str) -> None:
        if answer.status < 300:
            return
        said = self._mask(_read_cause(answer))
        remedy = "See what the server says, and its log."
        if answer.status in (401, 403):
            remedy = "Check the token file of the sources, and that its account may deploy in this workspace."
        elif answer.status == _EXISTS:
            remedy = "Another source or person has deployed it: give the workflow another id, or undeploy that one."
        raise RefusedError(f"the server refuses to {what}: HTTP {answer.status}: {said}", remedy)

    def _call(self, method: str, path: str, body: bytes | None = None) -> Answer:
        return asyncio.run(self._insist(method, f"{self._base}{path}", body))

    async def _insist(self, method: str, url: str, body: bytes | None) -> Answer:
        """Ask until there is an answer that another attempt would not change."""
        wait, sent = _FIRST_WAIT_SECONDS, False
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                answer = await self._ask(method, url, body)
            except (CurlError, OSError, asyncio.TimeoutError) as error:
                why, after = f"does not answer: {str(error) or 'time-out'}", None
                sent = sent or not (isinstance(error, CurlError) and error.kind in _NEVER_SENT)
            else:
                is_last = attempt == _ATTEMPTS and answer.status == HTTPStatus.INTERNAL_SERVER_ERROR
                if answer.status not in RETRYABLE or is_last:
                    return replace(answer, repeated=sent)
                why, after = f"answers HTTP {answer.status}", read_retry_after(answer.headers.get("retry-after"))
                sent = sent or answer.status in _MAYBE_DONE
            if attempt < _ATTEMPTS:
                # a second harvester would ask at the same moments
                await asyncio.sleep(min(after or wait * random.uniform(0.75, 1.25), _LONGEST_WAIT_SECONDS))
                wait *= 2
        unanswered = UnansweredError(
            self._mask(f"{self._base} {why}, {_ATTEMPTS} times"),
            "Check the address of the server and the network; what was not done is done by the next run.",
            code="harvest.unreachable",
        )
        unanswered.sent = sent
        raise unanswered

    async def _ask(self, method: str, url: str, body: bytes | None) -> Answer:
        parts = urlsplit(url)
        fields = ["Accept: application/json", "Expect:"]
        fields += [f"Authorization: Bearer {self._token}"] if self._token else []
        fields += [f"Content-Type: {_TYPE}"] if body is not None else []
        curl = Curl()
        transfer = curl.start(
            Request(
                url,
                str(parts.hostname),
                parts.port or (443 if parts.scheme == "https" else 80),
                tuple(fields),
                body,
                self._proxies.find(parts.scheme, str(parts.hostname)),
                (),
                None,
                _CONNECT_SECONDS,
                method,
            )
        )
        try:
            status, _, headers = await transfer.read_head(_ANSWER_SECONDS)
            content = bytearray()
            async for chunk in transfer.read(_ANSWER_SECONDS):
                content += chunk[: _LARGEST_ANSWER_BYTES - len(content)]
            return Answer(status, headers, bytes(content))
        finally:
            transfer.close()
            curl.close()


def _path(process: str) -> str:
    return f"/processes/{quote(process, safe='')}"


def _read_token(token_file: str) -> str:
    if not token_file:
        return ""
    try:
        return Path(token_file).read_text(encoding="utf-8").strip().removeprefix("Bearer ")
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"the token file {token_file} cannot be read: {error}",
            "Correct token-file, or the permissions of the file.",
            code="harvest.sources",
        ) from error


def _read_object(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _read_id(answer: Answer) -> str:
    """Read the id of a new process from the answer or its Location; empty where neither has it."""
    document = _read_object(answer.body)
    summary = document.get("processSummary")
    for one in (document.get("id"), summary.get("id") if isinstance(summary, dict) else None):
        if isinstance(one, str) and one:
            return one
    return unquote(urlsplit(answer.headers.get("location", "")).path.rstrip("/").rpartition("/")[2])


def _read_cause(answer: Answer) -> str:
    """Read what a server says of a refusal (RFC 9457, or an exception of the standard), on one line."""
    document = _read_object(answer.body)
    said = next(
        (str(document[name]) for name in ("detail", "description", "title", "message") if document.get(name)), ""
    )
    found = " ".join((said or answer.body[:300].decode(errors="replace")).split())[:1000]
    return found or ("it has a process of this id" if answer.status == _EXISTS else "it gives no reason")
