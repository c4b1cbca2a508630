"""Records in a database, SQLite or PostgreSQL, which may be that of the server; those of a folder are taken over."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from zoo_runner.harvest.records import (
    UNREADABLE,
    FolderRecords,
    Record,
    build_unread,
    decode_record,
    encode_record,
)
from zoo_runner.model.errors import SettingsError
from zoo_runner.store.sql.database import Database
from zoo_runner.store.sql.harvests import SqlHarvests


class StoredRecords:
    """The records of one part in a database."""

    def __init__(self, database: Database, part: str, scratch: Path) -> None:
        self._harvests, self.scratch = SqlHarvests(database, part), scratch

    def locked(self) -> AbstractContextManager[None]:
        """Hold the lock, which ends with the connection; raises `HeldError`."""
        return self._locked()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._harvests.locked():
            # what a killed process has left there is found again: who has the lock has this folder
            self.scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
            yield

    def read(self, key: str, source: str) -> Record:
        """Read the record of a source; an empty one for a new source."""
        body = self._harvests.read(key)
        return Record(source) if body is None else _decode(key, body, source)

    def write(self, key: str, record: Record) -> None:
        """Write the record of a source."""
        self._harvests.write(key, encode_record(record))

    def list_all(self) -> dict[str, Record]:
        """Return all records by key, those of the other part too; raises `SettingsError` for one that is damaged."""
        return {key: _decode(key, body, "") for key, body in sorted(self._harvests.list_all().items())}

    def read_attempts(self) -> dict[str, int]:
        """Return how often each message was begun, the oldest first."""
        return self._harvests.read_attempts()

    def write_attempts(self, changes: Mapping[str, int | None]) -> None:
        """Write how often messages were begun; None: forget one."""
        self._harvests.write_attempts(changes)

    def take_over(self, folder: FolderRecords) -> int:
        """Add what a folder has and the database lacks; return how many records. The folder stays as it is.

        Both locks are held, so that nobody goes on with the folder meanwhile. Raises `EngineError`, `SettingsError`.
        """
        if not folder.folder.is_dir():
            raise SettingsError(
                f"there is no folder {folder.folder} whose records could be taken over",
                "Correct --take-over.",
                code="harvest.records",
            )
        with folder.locked(), self._harvests.locked():
            found = {key: encode_record(record) for key, record in folder.list_all().items()}
            return self._harvests.take_over(found, folder.read_attempts())


def _decode(key: str, body: str, source: str) -> Record:
    try:
        return decode_record(body, source)
    except UNREADABLE as error:
        raise build_unread(f"the record {key} in the database", source, error) from error
