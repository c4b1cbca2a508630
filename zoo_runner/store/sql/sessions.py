"""Sessions in a database, by the digests of their secrets, which only browsers have."""

import json

from sqlalchemy import bindparam, delete, select

from zoo_runner.model.codec import from_plain, to_plain
from zoo_runner.model.session import Session
from zoo_runner.store.sql.database import Database
from zoo_runner.store.sql.schema import SESSIONS

_FIND = select(SESSIONS.c.body).where(SESSIONS.c.digest == bindparam("digest"), SESSIONS.c.expires > bindparam("now"))


class SqlSessions:
    """The sessions of all people."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, digest: str, session: Session) -> None:
        """Keep a session."""
        values = {"digest": digest, "expires": session.expires, "body": json.dumps(to_plain(session))}
        with self._database.writing() as connection:
            connection.execute(SESSIONS.insert().values(values))

    def find(self, digest: str, now: str) -> Session | None:
        """Return a session that has not expired at a stored time; None where there is none."""
        rows = self._database.read_rows(_FIND, {"digest": digest, "now": now})
        return from_plain(Session, json.loads(rows[0][0])) if rows else None

    def remove(self, digest: str) -> None:
        """End a session; one that has ended already is fine."""
        with self._database.writing() as connection:
            connection.execute(delete(SESSIONS).where(SESSIONS.c.digest == digest))

    def remove_expired(self, now: str) -> None:
        """Forget what expired before a stored time."""
        with self._database.writing() as connection:
            connection.execute(delete(SESSIONS).where(SESSIONS.c.expires <= now))
