"""Opens the records where the operator wants them: in a folder, or in a database."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from zoo_runner.config.extras import extra
from zoo_runner.config.server import is_database
from zoo_runner.harvest.records import FolderRecords, Records
from zoo_runner.model.errors import SettingsError


@contextmanager
def open_records(place: str, part: str, cache: Path, old: Path | None = None) -> Iterator[tuple[Records, int]]:
    """Open the records of a part at a place while the block runs; a database takes over those of a folder `old` before.

    Parts are `harvest` and `ingest`; each has a lock of its own in a database. With that, repositories lie in a folder
    in `cache` while they are read. Gives how many records were taken over, too. Raises `SettingsError`, `EngineError`.
    """
    if not is_database(place):
        if old is not None:
            raise SettingsError(
                f"the records of {old} cannot be taken over into {place}, which is a folder",
                "Name a database with --records, or copy the folder.",
                code="harvest.records",
            )
        yield FolderRecords(Path(place)), 0
        return
    with extra("sqlalchemy"), extra("alembic"), extra("psycopg"):
        from zoo_runner.harvest.stored_records import StoredRecords
        from zoo_runner.store.sql.database import open_database
    database = open_database(place)
    try:
        records = StoredRecords(database, part, cache / f"{part}-{sha256(place.encode()).hexdigest()[:16]}")
        yield records, records.take_over(FolderRecords(old)) if old is not None else 0
    finally:
        database.close()
