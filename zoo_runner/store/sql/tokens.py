"""Personal tokens in a database, by the digests of their texts, which only their owners have."""

import json
from typing import Any

from sqlalchemy import Select, bindparam, delete, func, select

from zoo_runner.model.codec import from_plain, to_plain
from zoo_runner.model.errors import InputError
from zoo_runner.model.token import PersonalToken
from zoo_runner.store.sql.database import Database
from zoo_runner.store.sql.schema import TOKENS

_FIND = select(TOKENS.c.body).where(TOKENS.c.digest == bindparam("digest"), TOKENS.c.expires > bindparam("now"))


class SqlTokens:
    """The personal tokens of all workspaces."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, digest: str, token: PersonalToken, most: int) -> None:
        """Keep a token, unless its owner has `most` in the workspace; raises `InputError` (`token.too-many`)."""
        values = {name: getattr(token, name) for name in ("id", "workspace", "owner", "expires")}
        with self._database.writing() as connection:
            # two that are made at once must not both find room
            self._database.take_turn(connection, f"tokens of {token.owner}")
            own = (
                TOKENS.c.workspace == token.workspace,
                TOKENS.c.owner == token.owner,
                TOKENS.c.expires > token.created,
            )
            if connection.execute(select(func.count()).select_from(TOKENS).where(*own)).scalar_one() >= most:
                raise InputError(
                    f"{token.owner} has {most} tokens in the workspace {token.workspace}, and may not have more",
                    "Revoke those that are not needed any more.",
                    code="token.too-many",
                )
            connection.execute(TOKENS.insert().values(digest=digest, body=json.dumps(to_plain(token)), **values))

    def find(self, digest: str, now: str) -> PersonalToken | None:
        """Return a token that has not expired at a stored time; None where there is none."""
        rows = self._database.read_rows(_FIND, {"digest": digest, "now": now})
        return _read(rows[0][0]) if rows else None

    def list_all(self, workspace: str | None = None, owner: str | None = None) -> list[PersonalToken]:
        """Return the tokens of a workspace and an owner, oldest first; None: of all."""
        found: Select[Any] = select(TOKENS.c.body)
        for column, wanted in ((TOKENS.c.workspace, workspace), (TOKENS.c.owner, owner)):
            found = found if wanted is None else found.where(column == wanted)
        with self._database.reading() as connection:
            bodies: list[str] = list(connection.execute(found).scalars())
        return sorted(map(_read, bodies), key=lambda token: (token.created, token.id))

    def remove(self, token_id: str, workspace: str | None = None, owner: str | None = None) -> PersonalToken:
        """Revoke a token, if it is of this workspace and owner; raises `InputError` (`token.not-found`)."""
        is_it = [TOKENS.c.id == token_id]
        is_it += [TOKENS.c.workspace == workspace] if workspace is not None else []
        is_it += [TOKENS.c.owner == owner] if owner is not None else []
        with self._database.writing() as connection:
            body = connection.execute(delete(TOKENS).where(*is_it).returning(TOKENS.c.body)).scalar_one_or_none()
        if body is None:
            raise InputError(
                f"there is no token {token_id!r}", "It may have been revoked, or expired.", code="token.not-found"
            )
        return _read(body)

    def remove_expired(self, now: str) -> None:
        """Forget what expired before a stored time."""
        with self._database.writing() as connection:
            connection.execute(delete(TOKENS).where(TOKENS.c.expires <= now))


def _read(body: str) -> PersonalToken:
    return from_plain(PersonalToken, json.loads(body))
