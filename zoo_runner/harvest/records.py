"""What was deployed from which source: a document for each source, written before and after each change."""

import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zoo_runner.files import write_atomically
from zoo_runner.harvest.fetching import FETCHED
from zoo_runner.harvest.planning import Deployed
from zoo_runner.model.codec import from_plain, to_plain
from zoo_runner.model.errors import EngineError, SettingsError


@dataclass(frozen=True)
class Record:
    """What is known of a source: the last commit that was wholly handled, and its processes by workflow.

    `commit` is followed by a digest of the patterns with which it was handled. `seen`: of files that messages spoke of,
    when the newest of these was sent, in milliseconds. `unposted` (`good`, `said`) is the outcome that the git server
    is still to show at the commit.
    """

    source: str
    commit: str = ""
    deployed: Mapping[str, Deployed] = field(default_factory=dict)
    seen: Mapping[str, int] = field(default_factory=dict)
    unposted: Mapping[str, Any] = field(default_factory=dict)

    def change(self, name: str, one: Deployed | None) -> "Record":
        """Return the record with another state of a workflow; without it for None."""
        rest = {other: value for other, value in self.deployed.items() if other != name}
        return replace(self, deployed=rest if one is None else {**rest, name: one})


class Records:
    """The records in a folder, of which one process at a time has the lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock; raises `EngineError` if another process does."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self.folder / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise EngineError(
                    f"another process harvests with the records in {self.folder}",
                    "Wait for it, or use other records (--records).",
                    code="harvest.busy",
                ) from error
            yield

    def remove_left(self) -> None:
        """Remove what a killed process has left of repositories; the lock is held."""
        for left in self.folder.glob(f"{FETCHED}*"):
            shutil.rmtree(left, ignore_errors=True)

    def read(self, key: str, source: str) -> Record:
        """Read the record of a source; an empty one for a new source."""
        path = self._path(key)
        try:
            document = json.loads(path.read_bytes())
            known = {name: from_plain(Deployed, one) for name, one in document["deployed"].items()}
            seen, unposted = (dict(document.get(name, {})) for name in ("seen", "unposted"))
            return Record(source, str(document["commit"]), known, seen, unposted)
        except FileNotFoundError:
            return Record(source)
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise SettingsError(
                f"the record {path} of {source} cannot be read: {error}",
                "Restore it. Without it, processes that exist are taken for those of other owners.",
                code="harvest.records",
            ) from error

    def write(self, key: str, record: Record) -> None:
        """Write the record of a source, whole or not at all."""
        write_atomically(self._path(key), json.dumps(to_plain(record), indent=1).encode())

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"
