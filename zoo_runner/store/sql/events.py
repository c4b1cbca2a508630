"""What happened in jobs, in a database."""

import json
from collections.abc import Collection, Iterable, Iterator

from sqlalchemy import or_, select, update

from zoo_runner.model.codec import event_from_plain, event_to_plain
from zoo_runner.model.events import Event
from zoo_runner.store.errors import build_not_found
from zoo_runner.store.sql.database import Database
from zoo_runner.store.sql.schema import EVENTS, JOBS

_PAGE = 1000


class SqlEvents:
    """An `EventLog`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, job_id: str, events: Iterable[Event]) -> int:
        """Add events and return the number of the last; raises `JobNotFoundError`."""
        bodies = [json.dumps(event_to_plain(event)) for event in events]
        # the job's row gives out the numbers: of two writers the second waits for the first
        counted = update(JOBS).where(JOBS.c.id == job_id).values(event_count=JOBS.c.event_count + len(bodies))
        with self._database.writing() as connection:
            last = connection.execute(counted.returning(JOBS.c.event_count)).scalar()
            if last is None:
                raise build_not_found(job_id)
            if bodies:
                first = last - len(bodies) + 1
                rows = [{"job_id": job_id, "number": first + i, "body": body} for i, body in enumerate(bodies)]
                connection.execute(EVENTS.insert(), rows)
        return int(last)

    def read(self, job_id: str, after: int = 0, limit: int | None = None) -> Iterator[tuple[int, Event]]:
        """Yield events with their numbers from the one that follows `after`; no connection is held meanwhile."""
        left = limit
        while left is None or left > 0:
            size = _PAGE if left is None else min(left, _PAGE)
            page = self._read_page(job_id, after, size)
            yield from page
            if len(page) < size:
                return
            after, left = page[-1][0], None if left is None else left - len(page)

    def read_last(self, job_id: str, kinds: Collection[type[Event]], limit: int) -> list[Event]:
        """Return the last events of some kinds, in their order."""
        # `event_to_plain` writes the kind first
        begins = [EVENTS.c.body.startswith(f'{{"event": "{kind.__name__}"', autoescape=True) for kind in kinds]
        statement = select(EVENTS.c.body).where(EVENTS.c.job_id == job_id, or_(*begins))
        with self._database.reading() as connection:
            found = connection.execute(statement.order_by(EVENTS.c.number.desc()).limit(limit)).scalars().all()
        return [event_from_plain(json.loads(body)) for body in reversed(found)]

    def count(self, job_id: str) -> int:
        """Return the number of the last event, 0 where there is none."""
        with self._database.reading() as connection:
            return connection.execute(select(JOBS.c.event_count).where(JOBS.c.id == job_id)).scalar() or 0

    def _read_page(self, job_id: str, after: int, size: int) -> list[tuple[int, Event]]:
        statement = select(EVENTS.c.number, EVENTS.c.body).where(EVENTS.c.job_id == job_id, EVENTS.c.number > after)
        with self._database.reading() as connection:
            rows = connection.execute(statement.order_by(EVENTS.c.number).limit(size)).all()
        return [(row.number, event_from_plain(json.loads(row.body))) for row in rows]
