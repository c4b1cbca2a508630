"""All rows of a database, as they are at one moment, and a database with such rows in the place of its own.

Rows are plain values by column, the same for SQLite and PostgreSQL, so that what one wrote the other takes.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any

from sqlalchemy import Connection, MetaData, Table, func, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from zoo_runner.store.sql.database import Database, upgrade
from zoo_runner.store.sql.schema import HARVEST_RECORDS, JOBS, METADATA, NEWEST, VERSIONS, now_seconds

Row = Mapping[str, Any]

_NOT_REPLACED = ("audit", "sessions", "tokens", "memberships", "step_tokens", "harvest_holders")
TABLES = tuple(table.name for table in METADATA.sorted_tables if table.name not in _NOT_REPLACED)
"""The tables, each behind those that it refers to; the audit log, sessions, all tokens, memberships and the holders of
locks stay with their database."""
_AT_ONCE = 1000
# the owner has its permissions by itself (PostgreSQL, section 5.8)
_GRANTS = text(
    "SELECT c.relname, r.rolname, a.privilege_type FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a"
    " LEFT JOIN pg_roles r ON r.oid = a.grantee WHERE c.relnamespace = current_schema()::regnamespace"
    " AND c.relname = ANY(:tables) AND a.grantee <> c.relowner"
)


class Snapshot:
    """The rows as they were when it was opened, whatever is stored meanwhile."""

    schema = NEWEST

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read(self, table: str) -> Iterator[Row]:
        """Yield the rows of a table; not all of them are in memory at once."""
        streaming = self._connection.execution_options(yield_per=_AT_ONCE)
        for row in streaming.execute(select(METADATA.tables[table])).mappings():
            yield dict(row)


@contextmanager
def open_snapshot(database: Database) -> Iterator[Snapshot]:
    """Open a snapshot; jobs go on, and nobody who writes waits for it. Raises `EngineError`."""
    with database.viewing() as connection:
        yield Snapshot(connection)


def is_empty(database: Database) -> bool:
    """Whether a database has no job, no process and no record of a harvest."""
    with database.reading() as connection:
        return not any(
            connection.execute(select(table).limit(1)).first() for table in (JOBS, VERSIONS, HARVEST_RECORDS)
        )


def count_leases(database: Database) -> int:
    """Count the jobs that somebody works on now."""
    held = select(func.count()).select_from(JOBS).where(JOBS.c.lease_expires > now_seconds())
    with database.reading() as connection:
        return connection.execute(held).scalar_one()


def replace_rows(database: Database, schema: str, tables: Iterable[tuple[str, Iterable[Row]]]) -> None:
    """Remove all rows of a database but the audit log, and take those of a schema, which may be older, in their place.

    Nobody holds a lease afterwards. All of it is stored or, where anything raises, nothing: `ValueError` for rows that
    do not fit the schema, `EngineError`, and what `tables` raises.
    """
    with database.writing() as connection:
        database.take_turn(connection, "migrate")
        grants = _list_grants(connection)
        METADATA.drop_all(connection, [METADATA.tables[name] for name in TABLES])
        connection.execute(text("DROP TABLE alembic_version"))
        upgrade(connection, schema)
        for name, rows in tables:
            _insert(connection, name, rows)
        upgrade(connection, "head")
        connection.execute(update(JOBS).values(lease_owner=None, lease_expires=None))
        for grant in grants:
            connection.execute(text(grant))


def _list_grants(connection: Connection) -> list[str]:
    """List what the operator has granted to other roles, as statements; a table that is dropped takes them along."""
    if connection.dialect.name != "postgresql":
        return []
    quote = connection.dialect.identifier_preparer.quote_identifier
    return [
        f"GRANT {right} ON {quote(table)} TO {quote(role) if role else 'PUBLIC'}"
        for table, role, right in connection.execute(_GRANTS, {"tables": [*TABLES, "alembic_version"]})
    ]


def _insert(connection: Connection, name: str, rows: Iterable[Row]) -> None:
    try:
        # the schema of the rows, not that of this release
        table = Table(name, MetaData(), autoload_with=connection)
        remaining = iter(rows)
        while batch := list(islice(remaining, _AT_ONCE)):
            connection.execute(table.insert(), batch)
    except SQLAlchemyError as error:
        raise ValueError(f"the rows of {name} do not fit: {type(error).__name__}") from error
