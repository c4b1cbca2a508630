"""Descriptions of processes as they are sent, kept in memory: clients read nothing more often.

Each is kept under what its content follows from: the process, the number of its deployment, and the address of the API.
The number is asked of the database for every request, so that nothing is stale when another server replaces a process.
"""

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock

from fastapi import Request, Response

from zoo_runner.model.portable import write_json
from zoo_runner.server.api import Api, Call
from zoo_runner.server.documents import ProcessDescription
from zoo_runner.server.preconditions import ensure_condition, names_version
from zoo_runner.server.processes import build_process_description, ensure_mutable
from zoo_runner.server.requests import has_tag

_MOST_BYTES = 16 << 20
_Key = tuple[str, str, int, str, bool]


@dataclass(frozen=True)
class Description:
    """The body of an answer, and its entity tag (RFC 9110, section 8.8.3)."""

    body: bytes
    tag: str


class Descriptions:
    """What is kept, at most so many bytes of bodies: those that were not read for longest are dropped."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most, self._size = most_bytes, 0
        self._kept: OrderedDict[_Key, Description] = OrderedDict()
        self._lock = Lock()

    def find(self, api: Api, call: Call, process_id: str) -> Description:
        """Return the description of a process as it is now; raises `ProcessNotFoundError`."""
        number = api.store.processes.get_number(call.workspace, process_id)
        found = self._get((call.workspace, process_id, number, call.base, call.hub))
        if found is not None:
            return found
        process = api.store.processes.get(call.workspace, process_id)
        description = _encode(build_process_description(process, call))
        # it may have been replaced since: the number is that of what was read
        self._keep((call.workspace, process_id, process.number, call.base, call.hub), description)
        return description

    def _get(self, key: _Key) -> Description | None:
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def _keep(self, key: _Key, description: Description) -> None:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = description
                self._size += len(description.body)
            while self._size > self._most:
                _, dropped = self._kept.popitem(last=False)
                self._size -= len(dropped.body)


def _encode(document: ProcessDescription) -> Description:
    body = write_json(document)
    return Description(body, f'"{sha256(body).hexdigest()[:32]}"')


def find_condition(api: Api, call: Call, process_id: str, request: Request) -> int | None:
    """Return the number of the version that a request is to change; None where it names none.

    Raises `InputError` where its condition is false, and `ProcessNotFoundError`.
    """
    if not {"if-match", "if-none-match"}.intersection(request.headers):
        return None
    ensure_mutable(api, call, process_id)
    process = api.store.processes.get(call.workspace, process_id)
    ensure_condition(request, _encode(build_process_description(process, call)).tag)
    return process.number if names_version(request) else None


def answer_description(request: Request, description: Description) -> Response:
    """Answer with a description, or that the client has it (304; RFC 9110, section 13.1.2)."""
    ensure_condition(request, description.tag)
    headers = {"ETag": description.tag, "Vary": "Accept", "Cache-Control": "no-cache"}
    known = request.headers.get("if-none-match")
    if known is not None and has_tag(known, description.tag):
        return Response(status_code=304, headers=headers)
    return Response(description.body, media_type="application/json", headers=headers)
