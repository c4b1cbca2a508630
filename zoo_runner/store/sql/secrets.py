"""Secrets of workspaces in a database, which never sees them in clear."""

from collections.abc import Callable
from dataclasses import asdict

from sqlalchemy import bindparam, delete, select, update

from zoo_runner.model.errors import InputError
from zoo_runner.model.secret import StoredSecret
from zoo_runner.store.sql.database import Database
from zoo_runner.store.sql.schema import SECRETS

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
        """Put what `encrypt` returns for each in its place, all or none; returns how many there are."""
        with self._database.writing() as connection:
            rows = connection.execute(select(*_COLUMNS)).all()
            for row in rows:
                is_it = SECRETS.c.workspace == row.workspace, SECRETS.c.name == row.name
                connection.execute(update(SECRETS).where(*is_it).values(encrypted=encrypt(row.encrypted)))
        return len(rows)
