"""What the results of jobs take, in a database: counted with the outcome of a job, until they are removed."""

from typing import Any

from sqlalchemy import Connection, Select, delete, func, select

from zoo_runner.model.job import Job
from zoo_runner.model.stored_results import StoredResults
from zoo_runner.store.sql.database import Database
from zoo_runner.store.sql.schema import STORED_RESULTS

_COLUMNS = tuple(STORED_RESULTS.c[name] for name in ("job_id", "workspace", "destination", "size_bytes", "stored"))


class SqlStoredResults:
    """The results of all workspaces that were not removed."""

    def __init__(self, database: Database) -> None:
        self._database = database

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

    def find_older(self, until: str) -> list[StoredResults]:
        """Return the results that were stored before a time, the oldest first."""
        return self._read(_select().where(STORED_RESULTS.c.stored <= until).order_by(STORED_RESULTS.c.stored))

    def remove(self, job_id: str) -> None:
        """Count the results of a job no longer; they are gone."""
        with self._database.writing() as connection:
            connection.execute(delete(STORED_RESULTS).where(STORED_RESULTS.c.job_id == job_id))

    def _read(self, statement: Select[Any]) -> list[StoredResults]:
        with self._database.reading() as connection:
            return [StoredResults(*row) for row in connection.execute(statement).all()]


def _select() -> Select[Any]:
    return select(*_COLUMNS)


def count_results(database: Database, connection: Connection, job: Job) -> None:
    """Count the results of a job, in the transaction that stores its outcome; those counted before stay as they are."""
    if job.outcome is None or job.outcome.results is None:
        return
    values = {
        "job_id": job.id,
        "workspace": job.workspace,
        "destination": job.destination,
        "size_bytes": job.outcome.results.size_bytes,
        "stored": job.updated,
    }
    connection.execute(database.insert(STORED_RESULTS).values(**values).on_conflict_do_nothing())
