"""The messages of a data hub about changed files in its bucket: read as hostile input, and written; pure.

    {"id": "…", "workspace": "forest", "bucket_name": "catalogue", "source": "https://…", "target": "…",
     "added_keys": ["zoo-runner/forest/ndvi.cwl"], "updated_keys": [], "deleted_keys": []}

Members that are not known here are left alone.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from zoo_runner.access_documents import WORKSPACE
from zoo_runner.harvest.bus_settings import MARK, Ingest
from zoo_runner.model.errors import EngineError

MOST_BYTES, MOST_KEYS, LONGEST_KEY = 1 << 20, 1000, 1024
SENT = "zoo-runner-sent"
"""The property of a message that says when it was sent first."""
_LONGEST_NUMBER = 18
_LISTS = ("added_keys", "updated_keys", "deleted_keys")


@dataclass(frozen=True)
class Message:
    """A message as the bus has it; `identity` is the same whenever it is delivered again, `published` is in ms."""

    identity: str
    body: bytes
    published: int
    topic: str
    handle: Any = None
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def sent(self) -> int:
        """When it was sent first, in ms: one that was a dead letter is no newer for being sent again."""
        given = self.properties.get(SENT, "")
        is_number = given.isascii() and given.isdigit() and len(given) <= _LONGEST_NUMBER
        return min(int(given), self.published) if is_number else self.published


class MessageError(EngineError):
    """A message is not one that may be followed; it is the same whenever it is delivered."""

    default_code = "bus.message"


@dataclass(frozen=True)
class ChangeMessage:
    """Which files of a workspace have changed in a bucket, and which are gone."""

    workspace: str
    bucket: str
    source: str = ""
    target: str = ""
    added: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()

    @property
    def changed(self) -> tuple[str, ...]:
        """The files that are there, each once."""
        return tuple(dict.fromkeys((*self.added, *self.updated)))


def encode_message(message: ChangeMessage) -> bytes:
    """Write a message."""
    document = {
        "id": f"zoo-runner/{message.workspace}",
        "workspace": message.workspace,
        "bucket_name": message.bucket,
        "source": message.source,
        "target": message.target,
        "added_keys": message.added,
        "updated_keys": message.updated,
        "deleted_keys": message.deleted,
    }
    return json.dumps(document).encode()


def parse_message(body: bytes, rules: Ingest) -> ChangeMessage:
    """Read a message, and check that it speaks of what it may; raises `MessageError`."""
    if len(body) > MOST_BYTES:
        raise _refuse(f"it has {len(body)} bytes; at most {MOST_BYTES} are read")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _refuse("it is not JSON") from error
    if not isinstance(document, dict):
        raise _refuse("it is not an object")
    workspace, bucket = _find_workspace(document, rules), document.get("bucket_name")
    if bucket != rules.bucket:
        raise _refuse(f"its bucket_name is {_show(bucket)}, and files are read from {rules.bucket!r}")
    prefix = rules.keys.replace(MARK, workspace)
    added, updated, deleted = (tuple(_read_keys(document, name, prefix)) for name in _LISTS)
    if len(added) + len(updated) + len(deleted) > MOST_KEYS:
        raise _refuse(f"it names more than {MOST_KEYS} files")
    if both := {*added, *updated}.intersection(deleted):
        raise _refuse(f"it names {min(both)!r} as changed and as deleted")
    return ChangeMessage(workspace, rules.bucket, _read_text(document, "source"), "", added, updated, deleted)


def _find_workspace(document: Mapping[str, Any], rules: Ingest) -> str:
    found = document.get("workspace")
    workspace = rules.workspace if found is None else found
    if found is None and not workspace:
        raise _refuse("it names no workspace")
    if not isinstance(workspace, str) or not WORKSPACE.fullmatch(workspace):
        raise _refuse(f"its workspace is {_show(workspace)}, which none is called")
    known = rules.workspaces
    if not known and MARK not in rules.server:
        known = (rules.workspace,)
    if known and workspace not in known:
        raise _refuse(f"its workspace is {workspace!r}, which is not among those that are followed")
    return workspace


def _read_keys(document: Mapping[str, Any], name: str, prefix: str) -> Iterator[str]:
    keys = document.get(name)
    if keys is not None and not isinstance(keys, list):
        raise _refuse(f"its {name} is not a list")
    for key in keys or ():
        if not isinstance(key, str) or not _is_key(key):
            raise _refuse(f"its {name} has {_show(key)}, which is no key of a file")
        if not key.startswith(prefix):
            raise _refuse(f"its {name} has {key!r}, which does not begin with {prefix!r}")
        yield key


def _is_key(key: str) -> bool:
    parts = key.split("/")
    is_short = len(key.encode(errors="surrogatepass")) <= LONGEST_KEY
    return is_short and key.isprintable() and "\\" not in key and not any(one in ("", ".", "..") for one in parts)


def _read_text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    return value[:LONGEST_KEY] if isinstance(value, str) else ""


def _show(value: Any) -> str:
    return repr(value)[:100]


def _refuse(why: str) -> MessageError:
    return MessageError(f"the message is refused: {why}", "Find out who has sent it; it is among the dead letters.")
