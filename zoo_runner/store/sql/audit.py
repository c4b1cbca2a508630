"""The audit log in a database: rows are added and read; triggers refuse to change or remove one."""

import json
from collections.abc import Iterator

from sqlalchemy import select

from zoo_runner.model.audit import AuditEntry
from zoo_runner.model.codec import from_plain, to_plain
from zoo_runner.store.sql.database import Database
from zoo_runner.store.sql.schema import AUDIT

_AT_ONCE = 1000


class SqlAudit:
    """The entries of all workspaces, oldest first."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, entry: AuditEntry) -> None:
        """Add an entry; raises `EngineError`."""
        values = {"time": entry.time, "workspace": entry.workspace, "body": json.dumps(to_plain(entry))}
        with self._database.writing() as connection:
            connection.execute(AUDIT.insert().values(**values))

    def read(self, workspace: str | None = None, since: str | None = None) -> Iterator[AuditEntry]:
        """Yield the entries of a workspace, or of all, from a time on (ISO 8601 in UTC)."""
        number = 0
        while True:
            found = select(AUDIT.c.number, AUDIT.c.body).where(AUDIT.c.number > number)
            if workspace is not None:
                found = found.where(AUDIT.c.workspace == workspace)
            if since is not None:
                # without its end a time is before all that begin with it
                found = found.where(AUDIT.c.time >= since.removesuffix("Z"))
            with self._database.reading() as connection:
                rows = connection.execute(found.order_by(AUDIT.c.number).limit(_AT_ONCE)).all()
            if not rows:
                return
            for row in rows:
                yield from_plain(AuditEntry, json.loads(row.body))
            number = rows[-1].number
