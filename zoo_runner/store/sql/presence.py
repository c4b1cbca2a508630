"""Whether servers and workers use a database: each holds a shared lock while it runs, which ends with its process.

Only a restore needs to know: it takes the lock for itself.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from zoo_runner.model.errors import SettingsError
from zoo_runner.store.sql.database import Database

if TYPE_CHECKING:
    import psycopg

# several installations may share a database, each with a schema of its own
IN_USE_KEY = "hashtext('zoo-runner in use'), hashtext(current_schema())"


def hold_session(connection: "psycopg.Connection[Any]") -> None:
    """Have a database of PostgreSQL in use for as long as a connection lasts; a restore is waited for."""
    connection.execute(f"SELECT pg_advisory_lock_shared({IN_USE_KEY})".encode())


@contextmanager
def hold_file(database: Database) -> Iterator[None]:
    """Have a database of SQLite in use; a restore is waited for."""
    with _opened(database) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield


@contextmanager
def using_alone(database: Database) -> Iterator[None]:
    """Keep others from using a database; raises `SettingsError` where one does."""
    if database.is_file:
        with _opened(database) as descriptor:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise _build_in_use() from error
            yield
        return
    with database.reading() as connection:
        if not connection.execute(text(f"SELECT pg_try_advisory_lock({IN_USE_KEY})")).scalar():
            raise _build_in_use()
        try:
            yield
        finally:
            connection.execute(text(f"SELECT pg_advisory_unlock({IN_USE_KEY})"))


@contextmanager
def _opened(database: Database) -> Iterator[int]:
    # whoever may read the file can lock it: a restore by root and a server by its user use one
    descriptor = os.open(f"{database.path}.in-use", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _build_in_use() -> SettingsError:
    return SettingsError(
        "servers or workers use the database",
        "Stop all of them, and restore then.",
        code="backup.in-use",
    )
