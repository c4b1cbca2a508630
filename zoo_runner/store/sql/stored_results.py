"""What the results of jobs take, in a database: counted with the outcome of a job, until they are removed."""

import json
from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import Connection, Select, and_, delete, exists, func, select, tuple_

from zoo_runner.model.codec import from_plain
from zoo_runner.model.job import Job, Status
from zoo_runner.model.stored_results import StoredResults
from zoo_runner.store.sql.database import Database
from zoo_runner.store.sql.schema import JOBS, STORED_RESULTS

_COLUMNS = tuple(STORED_RESULTS.c[name] for name in ("job_id", "workspace", "destination", "size_bytes", "stored"))
_AT_ONCE = 1000


class SqlStoredResults:
    """The results of all workspaces that were not removed; old ones are read in pages of so many."""

    def __init__(self, database: Database, at_once: int = _AT_ONCE) -> None:
        self._database, self._at_once = database, at_once

    def measure(self, workspace: str) -> int:
        """Return how many bytes the results of a workspace take."""
        total = func.coalesce(func.sum(STORED_RESULTS.c.size_bytes), 0)
        with self._database.reading() as connection:
            # PostgreSQL answers with a decimal number
            return int(connection.execute(select(total).where(STORED_RESULTS.c.workspace == workspace)).scalar_one())

    def find(self, workspace: str, job_id: str) -> StoredResults | None:
        """Return the results of a job of a workspace; None where there are none."""
        found = self._read(_select().where(STORED_RESULTS.c.workspace == workspace, STORED_RESULTS.c.job_id == job_id))
        return found[0] if found else None

    def find_largest(self, workspace: str, most: int) -> list[StoredResults]:
        """Return the results of a workspace that take most, the largest first."""
        order = STORED_RESULTS.c.size_bytes.desc(), STORED_RESULTS.c.job_id
        return self._read(_select().where(STORED_RESULTS.c.workspace == workspace).order_by(*order).limit(most))

    def find_older(
        self, until: str, workspace: str | None = None, apart_from: Collection[str] = ()
    ) -> Iterator[StoredResults]:
        """Find the results that were stored before a time, the oldest first; they are read in pages.

        They are those of a workspace, or (None) of all workspaces apart from these.
        """
        place = STORED_RESULTS.c.stored, STORED_RESULTS.c.job_id
        whose = STORED_RESULTS.c.workspace
        wanted = _select().where(
            STORED_RESULTS.c.stored <= until, whose.not_in(apart_from) if workspace is None else whose == workspace
        )
        rest = wanted = wanted.order_by(*place).limit(self._at_once)
        while page := self._read(rest):
            yield from page
            rest = wanted.where(tuple_(*place) > (page[-1].stored, page[-1].job_id))

    def count_missed(self, since: float) -> int:
        """Count the results of jobs that ended since a time (in seconds since the epoch) and are not counted.

        Workers of a release before 0013 store outcomes without it. Returns of how many jobs.
        """
        counted = exists().where(STORED_RESULTS.c.job_id == JOBS.c.id)
        missed = and_(JOBS.c.status == Status.SUCCESSFUL.value, JOBS.c.finished >= since, ~counted)
        with self._database.reading() as connection:
            found = connection.execute(select(JOBS.c.id).where(missed)).scalars().all()
        return sum(map(self._count_one, found))

    def _count_one(self, job_id: str) -> bool:
        with self._database.writing() as connection:
            # locked: a removal of the results changes the record first
            locked = select(JOBS.c.body).where(JOBS.c.id == job_id).with_for_update()
            body = connection.execute(locked).scalar()
            return body is not None and count_results(self._database, connection, from_plain(Job, json.loads(body)))

    def remove(self, job_id: str) -> None:
        """Count the results of a job no longer; they are gone."""
        with self._database.writing() as connection:
            connection.execute(delete(STORED_RESULTS).where(STORED_RESULTS.c.job_id == job_id))

    def _read(self, statement: Select[Any]) -> list[StoredResults]:
        with self._database.reading() as connection:
            return [StoredResults(*row) for row in connection.execute(statement).all()]


def _select() -> Select[Any]:
    return select(*_COLUMNS)


def count_results(database: Database, connection: Connection, job: Job) -> bool:
    """Count the results of a job, in the transaction that stores its outcome; those counted before stay as they are.

    Returns whether they were not counted before.
    """
    if job.outcome is None or job.outcome.results is None:
        return False
    values = {
        "job_id": job.id,
        "workspace": job.workspace,
        "destination": job.destination,
        "size_bytes": job.outcome.results.size_bytes,
        "stored": job.updated,
    }
    adding = database.insert(STORED_RESULTS).values(**values).on_conflict_do_nothing()
    return connection.execute(adding).rowcount > 0
