"""What harvests and messages have deployed, in a database, with a lock that ends with the process that has it."""

import fcntl
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Connection, bindparam, delete, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from zoo_runner.model import clock
from zoo_runner.store.errors import HeldError
from zoo_runner.store.sql.database import Database
from zoo_runner.store.sql.presence import IN_USE_KEY, hold_file
from zoo_runner.store.sql.schema import HARVEST_ATTEMPTS, HARVEST_HOLDERS, HARVEST_RECORDS, now_seconds

_RECORD = select(HARVEST_RECORDS.c.body).where(HARVEST_RECORDS.c.key == bindparam("key"))
# several installations may share a database, each with a schema of its own
_LOCK_KEY = "hashtext('zoo-runner harvests'), hashtext(current_schema() || ' ' || :part)"


class SqlHarvests:
    """The records of one part, `harvest` or `ingest`; who writes has its lock."""

    def __init__(self, database: Database, part: str) -> None:
        self._database, self._part = database, part
        self._holder = ""

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the part; raises `HeldError` where another process does, `EngineError`.

        A restore of the database is waited for. The lock ends with the connection, and this with the process. Where
        the connection is lost while the process lives, another one may take the lock: each write looks at who has it.
        """
        with self._locked_file() if self._database.is_file else self._locked_session():
            holder = uuid.uuid4().hex
            adding = self._database.insert(HARVEST_HOLDERS).values(part=self._part, holder=holder)
            with self._database.writing() as connection:
                connection.execute(adding.on_conflict_do_update(index_elements=["part"], set_={"holder": holder}))
            self._holder = holder
            try:
                yield
            finally:
                self._holder = ""

    @contextmanager
    def _locked_file(self) -> Iterator[None]:
        descriptor = os.open(f"{self._database.path}.{self._part}", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with hold_file(self._database):
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise self._build_held() from error
                yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _locked_session(self) -> Iterator[None]:
        with self._database.reading() as connection:
            try:
                connection.execute(text(f"SELECT pg_advisory_lock_shared({IN_USE_KEY})"))
                locking = text(f"SELECT pg_try_advisory_lock({_LOCK_KEY})")
                if not connection.execute(locking, {"part": self._part}).scalar():
                    raise self._build_held()
                yield
            finally:
                _unlock(connection)

    def read(self, key: str) -> str | None:
        """Read a record; None where there is none."""
        rows = self._database.read_rows(_RECORD, {"key": key})
        return str(rows[0][0]) if rows else None

    def write(self, key: str, body: str) -> None:
        """Write a record, whole or not at all; raises `HeldError`."""
        values = {"body": body, "changed": clock.now()}
        adding = self._database.insert(HARVEST_RECORDS).values(key=key, **values)
        with self._writing() as connection:
            connection.execute(adding.on_conflict_do_update(index_elements=["key"], set_=values))

    def list_all(self) -> dict[str, str]:
        """Return all records by key, those of the other part too."""
        with self._database.reading() as connection:
            found = connection.execute(select(HARVEST_RECORDS.c.key, HARVEST_RECORDS.c.body)).all()
        return {str(key): str(body) for key, body in found}

    def read_attempts(self) -> dict[str, int]:
        """Return how often each message was begun, the oldest first."""
        statement = select(HARVEST_ATTEMPTS.c.message, HARVEST_ATTEMPTS.c.attempts)
        with self._database.reading() as connection:
            found = connection.execute(statement.order_by(HARVEST_ATTEMPTS.c.begun, HARVEST_ATTEMPTS.c.message)).all()
        return {str(message): int(count) for message, count in found}

    def write_attempts(self, changes: Mapping[str, int | None]) -> None:
        """Write how often messages were begun, None: forget one; raises `HeldError`."""
        with self._writing() as connection:
            for message, count in changes.items():
                if count is None:
                    connection.execute(delete(HARVEST_ATTEMPTS).where(HARVEST_ATTEMPTS.c.message == message))
                    continue
                values = {"attempts": count, "begun": now_seconds()}
                adding = self._database.insert(HARVEST_ATTEMPTS).values(message=message, **values)
                connection.execute(adding.on_conflict_do_update(index_elements=["message"], set_=values))

    def take_over(self, records: Mapping[str, str], attempts: Mapping[str, int]) -> int:
        """Add records and attempts that are not here yet, all or none; return how many records were added.

        Raises `HeldError`.
        """
        with self._writing() as connection:
            before = connection.execute(select(func.count()).select_from(HARVEST_RECORDS)).scalar_one()
            for key, body in records.items():
                adding = self._database.insert(HARVEST_RECORDS).values(key=key, body=body, changed=clock.now())
                connection.execute(adding.on_conflict_do_nothing())
            for message, count in attempts.items():
                values = {"message": message, "attempts": count, "begun": now_seconds()}
                connection.execute(self._database.insert(HARVEST_ATTEMPTS).values(values).on_conflict_do_nothing())
            after = connection.execute(select(func.count()).select_from(HARVEST_RECORDS)).scalar_one()
        return int(after - before)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """Give a transaction of who has the lock; nobody takes the lock from it before it ends."""
        held = select(HARVEST_HOLDERS.c.holder).where(HARVEST_HOLDERS.c.part == self._part).with_for_update()
        with self._database.writing() as connection:
            if not self._holder or connection.execute(held).scalar() != self._holder:
                raise self._build_held()
            yield connection

    def _build_held(self) -> HeldError:
        return HeldError(
            f"another process has the lock of the records of `{self._part}` in the database",
            "Wait for it, or use other records (--records), such as a schema of its own.",
        )


def _unlock(connection: Connection) -> None:
    try:
        # it goes back to the others
        connection.execute(text("SELECT pg_advisory_unlock_all()"))
    except SQLAlchemyError:
        # lost, and the locks with it
        connection.invalidate()
