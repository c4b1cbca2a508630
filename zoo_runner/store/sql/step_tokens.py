"""The tokens of steps in a database, encrypted, from before their job is accepted until they are revoked."""

from dataclasses import asdict

from sqlalchemy import and_, bindparam, delete, or_, select

from zoo_runner.model.job import FINAL
from zoo_runner.model.step_token import KeptToken
from zoo_runner.store.sql.database import Database
from zoo_runner.store.sql.schema import JOBS, STEP_TOKENS

_COLUMNS = tuple(STEP_TOKENS.c[name] for name in ("job_id", "encrypted", "expires", "kept"))
_FIND = select(*_COLUMNS).where(STEP_TOKENS.c.job_id == bindparam("job_id"))
# of a job that is not there yet, the request may still be worked on
_ENDED = (
    select(*_COLUMNS)
    .join(JOBS, JOBS.c.id == STEP_TOKENS.c.job_id, isouter=True)
    .where(
        or_(
            JOBS.c.status.in_([status.value for status in FINAL]),
            and_(JOBS.c.id.is_(None), STEP_TOKENS.c.kept <= bindparam("until")),
        )
    )
    .order_by(STEP_TOKENS.c.kept)
)


class SqlStepTokens:
    """The tokens of all jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, token: KeptToken) -> None:
        """Keep the token of a job, in the place of one that an attempt to start it has left."""
        values = asdict(token)
        changed = {name: value for name, value in values.items() if name != "job_id"}
        adding = self._database.insert(STEP_TOKENS).values(**values)
        with self._database.writing() as connection:
            connection.execute(adding.on_conflict_do_update(index_elements=["job_id"], set_=changed))

    def find(self, job_id: str) -> KeptToken | None:
        """Return the token of a job; None where there is none."""
        rows = self._database.read_rows(_FIND, {"job_id": job_id})
        return KeptToken(*rows[0]) if rows else None

    def list_ended(self, until: str) -> list[KeptToken]:
        """Return the tokens of jobs that have ended, and of those that never came to be, kept before a stored time."""
        with self._database.reading() as connection:
            return [KeptToken(*row) for row in connection.execute(_ENDED, {"until": until})]

    def remove(self, job_id: str) -> None:
        """Forget the token of a job."""
        with self._database.writing() as connection:
            connection.execute(delete(STEP_TOKENS).where(STEP_TOKENS.c.job_id == job_id))

    def remove_expired(self, now: str) -> None:
        """Forget what expired before a stored time."""
        with self._database.writing() as connection:
            connection.execute(delete(STEP_TOKENS).where(STEP_TOKENS.c.expires <= now))
