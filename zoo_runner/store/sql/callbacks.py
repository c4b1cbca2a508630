"""Callbacks in a database: whom to call back about a job's status, which one they know, and when to try again."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select, update

from zoo_runner.model.job import FINAL, Status
from zoo_runner.store.sql.database import Database
from zoo_runner.store.sql.schema import CALLBACKS, JOBS, now_seconds

_ORPHAN_SECONDS = 3600.0


@dataclass(frozen=True)
class Callback:
    """A message that is due: `base` of the links in it, `attempts` that have failed. Whom to send it, its job says.

    `hub`: the client is a data hub's. `due` is until when nobody else takes it.
    """

    job_id: str
    workspace: str
    base: str
    hub: bool
    status: Status
    attempts: int
    due: float


class SqlCallbacks:
    """The callbacks of all jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, job_id: str, base: str, hub: bool) -> None:
        """Keep a callback, before its job: nothing is sent of a job that does not come to be.

        One that an earlier attempt to start the job has left stays.
        """
        statuses = dict.fromkeys(("known", "tried"), Status.ACCEPTED.value)
        with self._database.writing() as connection:
            insert = self._database.insert(CALLBACKS)
            values = insert.values(job_id=job_id, base=base, hub=hub, **statuses, attempts=0, due=now_seconds())
            connection.execute(values.on_conflict_do_nothing())

    def claim(self, seconds: float, without: Collection[str] = ()) -> Callback | None:
        """Take a message that is due for so long, so that nobody else sends it; None where none is.

        A status that was not tried yet is due at once, however long the one before is waiting. Messages of the
        workspaces `without` are left.
        """
        is_due = or_(CALLBACKS.c.due <= now_seconds(), JOBS.c.status != CALLBACKS.c.tried)
        found = (
            select(*CALLBACKS.c, JOBS.c.status, JOBS.c.workspace)
            .join(JOBS, JOBS.c.id == CALLBACKS.c.job_id)
            .where(is_due, JOBS.c.status != CALLBACKS.c.known, JOBS.c.workspace.not_in(without))
            .order_by(CALLBACKS.c.due)
            .limit(1)
        )
        with self._database.reading() as connection:
            # a look now and then does not take the turn of those who write
            if connection.execute(found).first() is None:
                return None
        with self._database.writing() as connection:
            row = connection.execute(found.with_for_update(skip_locked=True, of=CALLBACKS)).one_or_none()
            if row is None:
                return None
            attempts = row.attempts if row.tried == row.status else 0
            values = {"tried": row.status, "attempts": attempts, "due": now_seconds() + seconds}
            which = CALLBACKS.c.job_id == row.job_id
            taken = update(CALLBACKS).where(which).values(values).returning(CALLBACKS.c.due)
            due = connection.execute(taken).scalar_one()
        return Callback(row.job_id, row.workspace, row.base, row.hub, Status(row.status), attempts, due)

    def conclude(self, callback: Callback) -> None:
        """Note that the status is known now, and forget the callback where no other can follow."""
        if callback.status in FINAL:
            with self._database.writing() as connection:
                connection.execute(delete(CALLBACKS).where(_is_mine(callback)))
            return
        self._change(callback, {"known": callback.status.value, "attempts": 0, "due": now_seconds()})

    def postpone(self, callback: Callback, seconds: float) -> None:
        """Note that it could not be sent, and try again so much later."""
        self._change(callback, {"attempts": callback.attempts + 1, "due": now_seconds() + seconds})

    def put_back(self, callback: Callback, seconds: float) -> None:
        """Have it due so much later: it was not tried."""
        self._change(callback, {"due": now_seconds() + seconds})

    def remove_orphans(self) -> None:
        """Forget the callbacks whose jobs are gone."""
        gone = ~exists().where(JOBS.c.id == CALLBACKS.c.job_id)
        with self._database.writing() as connection:
            old = CALLBACKS.c.due <= now_seconds() - _ORPHAN_SECONDS
            connection.execute(delete(CALLBACKS).where(and_(old, gone)))

    def _change(self, callback: Callback, values: Mapping[str, object]) -> None:
        with self._database.writing() as connection:
            connection.execute(update(CALLBACKS).where(_is_mine(callback)).values(**values))


def _is_mine(callback: Callback) -> ColumnElement[bool]:
    """Select the callback, unless somebody else took it since: whoever is late changes nothing."""
    return and_(CALLBACKS.c.job_id == callback.job_id, CALLBACKS.c.due == callback.due)
