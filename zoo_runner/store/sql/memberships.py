"""What the provider said last of the workspaces of people, by which their personal tokens and sessions are limited."""

import json

from sqlalchemy import bindparam, select

from zoo_runner.model.membership import Membership
from zoo_runner.store.sql.database import Database
from zoo_runner.store.sql.schema import MEMBERSHIPS

_FIND = select(MEMBERSHIPS.c.workspaces, MEMBERSHIPS.c.seen).where(MEMBERSHIPS.c.name == bindparam("name"))


class SqlMemberships:
    """The memberships of all people."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, membership: Membership) -> None:
        """Keep what the provider said, in the place of what it said before; what it said later stays."""
        values = {"workspaces": json.dumps(membership.workspaces), "seen": membership.seen}
        adding = self._database.insert(MEMBERSHIPS).values(name=membership.name, **values)
        with self._database.writing() as connection:
            is_newer = MEMBERSHIPS.c.seen <= adding.excluded.seen
            connection.execute(adding.on_conflict_do_update(index_elements=["name"], set_=values, where=is_newer))

    def find(self, name: str) -> Membership | None:
        """Return what the provider said last of a person; None where it said nothing yet."""
        rows = self._database.read_rows(_FIND, {"name": name})
        return Membership(name, tuple(json.loads(rows[0][0])), rows[0][1]) if rows else None
