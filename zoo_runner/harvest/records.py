"""What was deployed from which source: a document for each source, written before and after each change.

They are in a folder of this machine, or in a database (`stored_records`); one process at a time has the lock.
"""

import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from zoo_runner.files import write_atomically
from zoo_runner.harvest.fetching import FETCHED
from zoo_runner.harvest.planning import Deployed
from zoo_runner.model.codec import from_plain, to_plain
from zoo_runner.model.errors import EngineError, NotReachedError, SettingsError

ATTEMPTS = "deliveries.json"
"""The file of a folder that says how often each message was begun."""


@dataclass(frozen=True)
class Record:
    """What is known of a source: the last commit that was wholly handled, and its processes by workflow.

    `commit` is followed by a digest of the patterns with which it was handled. `seen`: of files that messages spoke of,
    when the newest of these was sent, in milliseconds. `unposted` (`good`, `said`) is the outcome that the git server
    is still to show at the commit. `taken` are workflows of the commit whose ids other branches had. Of a source of
    several branches, `branches` are those that were harvested and are not undeployed. `unresolved` are documents that
    were not resolved for a reason that may pass, each with the number of runs.
    """

    source: str
    commit: str = ""
    deployed: Mapping[str, Deployed] = field(default_factory=dict)
    seen: Mapping[str, int] = field(default_factory=dict)
    unposted: Mapping[str, Any] = field(default_factory=dict)
    taken: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    unresolved: Mapping[str, int] = field(default_factory=dict)

    def change(self, name: str, one: Deployed | None) -> "Record":
        """Return the record with another state of a workflow; without it for None."""
        rest = {other: value for other, value in self.deployed.items() if other != name}
        return replace(self, deployed=rest if one is None else {**rest, name: one})


class Records(Protocol):
    """Where records are. Whoever writes has the lock; what is written is there as a whole, or not at all.

    Methods raise `EngineError`: `NotReachedError` where they are away for now, and `harvest.busy` where another process
    has the lock, or has taken it from one that had lost it.
    """

    @property
    def scratch(self) -> Path:
        """The folder in which repositories lie while they are read; who has the lock has it alone."""
        ...

    def locked(self) -> AbstractContextManager[None]:
        """Hold the lock, which ends with the process at the latest."""
        ...

    def read(self, key: str, source: str) -> Record:
        """Read the record of a source; an empty one for a new source."""
        ...

    def write(self, key: str, record: Record) -> None:
        """Write the record of a source."""
        ...

    def list_all(self) -> dict[str, Record]:
        """Return all records by key; raises `SettingsError` for one that cannot be read."""
        ...

    def read_attempts(self) -> dict[str, int]:
        """Return how often each message was begun that is not done, the oldest first."""
        ...

    def write_attempts(self, changes: Mapping[str, int | None]) -> None:
        """Write how often messages were begun; None: forget one."""
        ...


class FolderRecords:
    """The records in a folder: a JSON document for each source, one for all messages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def scratch(self) -> Path:
        """The folder itself."""
        return self.folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock; raises `EngineError` if another process does."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            opened = (self.folder / ".lock").open("w")
        except OSError as error:
            raise SettingsError(
                f"records cannot be kept in {self.folder}: {error.strerror}",
                "Name a folder that can be written to (--records, ZOO_RUNNER_RECORDS), or a database.",
                code="harvest.records",
            ) from error
        with opened as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise EngineError(
                    f"another process harvests with the records in {self.folder}",
                    "Wait for it, or use other records (--records).",
                    code="harvest.busy",
                ) from error
            yield

    def read(self, key: str, source: str) -> Record:
        """Read the record of a source; an empty one for a new source."""
        path = self._path(key)
        try:
            return decode_record(path.read_bytes(), source)
        except FileNotFoundError:
            return Record(source)
        except (OSError, *UNREADABLE) as error:
            raise build_unread(f"the record {path}", source, error) from error

    def write(self, key: str, record: Record) -> None:
        """Write the record of a source, whole or not at all."""
        self._write(self._path(key), encode_record(record))

    def list_all(self) -> dict[str, Record]:
        """Return all records by key; raises `SettingsError` for one that cannot be read."""
        keys = sorted(path.stem for path in self.folder.glob("*.json") if path.name != ATTEMPTS)
        return {key: self.read(key, "") for key in keys}

    def read_attempts(self) -> dict[str, int]:
        """Return how often each message was begun, the oldest first."""
        path = self.folder / ATTEMPTS
        try:
            return {name: int(one) for name, one in json.loads(path.read_bytes()).items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise EngineError(
                f"the file {path} cannot be read: {error}",
                "Restore it, or remove it: messages are then tried as if they were new.",
                code="harvest.records",
            ) from error

    def write_attempts(self, changes: Mapping[str, int | None]) -> None:
        """Write how often messages were begun; None: forget one."""
        left = {name: one for name, one in self.read_attempts().items() if name not in changes}
        counts = {**left, **{name: one for name, one in changes.items() if one is not None}}
        self._write(self.folder / ATTEMPTS, json.dumps(counts))

    def _write(self, path: Path, text: str) -> None:
        try:
            write_atomically(path, text.encode())
        except SettingsError as error:
            # a full disk, or one that is away: what was to be noted is done again
            raise NotReachedError(
                f"the record cannot be kept: {error}",
                "Make room, or correct the permissions of its folder.",
                code="harvest.records",
            ) from error

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"


UNREADABLE = (ValueError, LookupError, TypeError, AttributeError)
"""What `decode_record` raises for a document that is no record."""


def decode_record(document: bytes | str, source: str) -> Record:
    """Read the document of a record; `source`, empty: the one that it names."""
    given = json.loads(document)
    known = {name: from_plain(Deployed, one) for name, one in given["deployed"].items()}
    seen, unposted = (dict(given.get(name, {})) for name in ("seen", "unposted"))
    taken, branches = (tuple(map(str, given.get(name, ()))) for name in ("taken", "branches"))
    unresolved = {str(path): int(runs) for path, runs in given.get("unresolved", {}).items()}
    name = source or str(given.get("source", ""))
    return Record(name, str(given["commit"]), known, seen, unposted, taken, branches, unresolved)


def encode_record(record: Record) -> str:
    """Write the document of a record."""
    return json.dumps(to_plain(record), indent=1)


def build_unread(what: str, source: str, error: Exception) -> SettingsError:
    """Build the error of a record that cannot be read."""
    return SettingsError(
        f"{what} of {source or 'a source'} cannot be read: {error}",
        "Restore it. Without it, processes that exist are taken for those of other owners.",
        code="harvest.records",
    )


def remove_left(scratch: Path) -> None:
    """Remove what a killed process has left of repositories; the lock is held."""
    for left in scratch.glob(f"{FETCHED}*"):
        shutil.rmtree(left, ignore_errors=True)
