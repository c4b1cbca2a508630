"""Secrets of workspaces in a database, which never sees them in clear; and the keys of all that is encrypted there."""

from collections.abc import Callable
from dataclasses import asdict

from sqlalchemy import Connection, Table, bindparam, delete, select, update

from zoo_runner.model.errors import InputError
from zoo_runner.model.secret import StoredSecret
from zoo_runner.store.sql.database import Database
from zoo_runner.store.sql.schema import SECRETS, STEP_TOKENS

_COLUMNS = tuple(SECRETS.c[name] for name in ("workspace", "name", "encrypted", "changed", "caller"))
_OF_WORKSPACE = select(*_COLUMNS).where(SECRETS.c.workspace == bindparam("workspace")).order_by(SECRETS.c.name)


class SqlSecrets:
    """The secrets of all workspaces, encrypted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, secret: StoredSecret) -> None:
        """Keep a secret in the place of the one of that name."""
        values = asdict(secret)
        kept = {name: value for name, value in values.items() if name not in ("workspace", "name")}
        adding = self._database.insert(SECRETS).values(**values)
        with self._database.writing() as connection:
            connection.execute(adding.on_conflict_do_update(index_elements=["workspace", "name"], set_=kept))

    def list_all(self, workspace: str) -> list[StoredSecret]:
        """Return the secrets of a workspace, by name."""
        return [StoredSecret(*row) for row in self._database.read_rows(_OF_WORKSPACE, {"workspace": workspace})]

    def remove(self, workspace: str, name: str) -> None:
        """Remove a secret; raises `InputError` (`secret.not-found`)."""
        is_it = SECRETS.c.workspace == workspace, SECRETS.c.name == name
        with self._database.writing() as connection:
            found = connection.execute(delete(SECRETS).where(*is_it)).rowcount
        if not found:
            raise InputError(
                f"the workspace {workspace} has no secret {name[:100]!r}",
                "List those that there are.",
                code="secret.not-found",
            )

    def replace_all(self, encrypt: Callable[[str], str]) -> int:
        """Put what `encrypt` returns in the place of all that the keys of secrets have encrypted, all or none.

        That is also the tokens of steps. Returns how many values there are.
        """
        with self._database.writing() as connection:
            return sum(_replace(connection, table, encrypt) for table in (SECRETS, STEP_TOKENS))


def _replace(connection: Connection, table: Table, encrypt: Callable[[str], str]) -> int:
    names = tuple(table.primary_key.columns)
    rows = connection.execute(select(table.c.encrypted, *names)).all()
    for encrypted, *values in rows:
        is_it = (name == value for name, value in zip(names, values, strict=True))
        connection.execute(update(table).where(*is_it).values(encrypted=encrypt(encrypted)))
    return len(rows)
