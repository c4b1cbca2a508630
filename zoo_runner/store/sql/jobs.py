"""Jobs in a database: the records, their leases, and the queue that they are."""

import math
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    tuple_,
    union_all,
    update,
)

from zoo_runner.model import clock
from zoo_runner.model.codec import from_plain, to_plain
from zoo_runner.model.job import UNFINISHED, Job, Status
from zoo_runner.model.needs import ROUNDING as _ROUNDING
from zoo_runner.model.needs import Needs
from zoo_runner.model.package import Package
from zoo_runner.model.written import read_json, write_json
from zoo_runner.store.cursors import read_cursor, write_cursor
from zoo_runner.store.errors import build_changed, build_exists, build_not_found
from zoo_runner.store.protocol import ANY_JOB, Held, JobPage, JobQuery, Lease, Share
from zoo_runner.store.search_text import cut_caller, find_caller, write_input_text, write_search_text
from zoo_runner.store.selection import Cause, find_cause
from zoo_runner.store.sql.database import Database
from zoo_runner.store.sql.packages import keep_package, load_package
from zoo_runner.store.sql.schema import JOBS, find_text, is_unfinished, is_unstarted, now_seconds
from zoo_runner.store.sql.stored_results import count_results

_UNFINISHED = is_unfinished(JOBS)
_ANYBODYS = or_(JOBS.c.lease_owner.is_(None), JOBS.c.lease_expires <= now_seconds())
_SUMS = select(JOBS.c.workspace, func.count(), func.sum(JOBS.c.needs_cores), func.sum(JOBS.c.needs_memory_mib))
# the next job of a workspace waits so long for room before smaller ones wait for it
_TURN_SECONDS = 600
_LEASES_AT_ONCE = 500
_HELD = (JOBS.c.id, JOBS.c.lease_expires, JOBS.c.version)


@dataclass(frozen=True)
class CallerJobs:
    """How many jobs somebody asked for in a workspace, and when the newest was created."""

    workspace: str
    caller: str
    jobs: int
    running: int
    waiting: int
    failed: int
    newest: str


class SqlJobs:
    """A `JobStore` and a `JobQueue`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, job: Job, package: Package, owner: str | None = None, seconds: float = 0.0) -> Job:
        """Keep a new job and its package, leased where there is an owner; raises `JobExistsError`."""
        kept = replace(job, version=1)
        lease = {"lease_owner": owner, "lease_expires": now_seconds() + seconds} if owner else {}
        insert = self._database.insert(JOBS).values(id=job.id, **build_columns(kept), **lease)
        with self._database.writing() as connection:
            keep_package(self._database, connection, package)
            if connection.execute(insert.on_conflict_do_nothing().returning(JOBS.c.id)).scalar() is None:
                raise build_exists(job.id)
        return kept

    def keep_ended(self, job: Job, package: Package) -> bool:
        """Keep a job that has ended under another database, with its package, and count its results.

        False where the id is taken: that job stays as it is.
        """
        kept = replace(job, version=1)
        insert = self._database.insert(JOBS).values(id=job.id, **build_columns(kept))
        with self._database.writing() as connection:
            keep_package(self._database, connection, package)
            is_new = connection.execute(insert.on_conflict_do_nothing().returning(JOBS.c.id)).scalar() is not None
            if is_new:
                count_results(self._database, connection, kept)
        return is_new

    def get(self, job_id: str) -> Job:
        """Return a job; raises `JobNotFoundError`."""
        with self._database.reading() as connection:
            return _get(connection, job_id)

    def update(self, job: Job) -> Job:
        """Keep a changed job; raises `JobChangedError` where another change came first, and `JobNotFoundError`."""
        kept = replace(job, version=job.version + 1)
        same = and_(JOBS.c.id == job.id, JOBS.c.version == job.version)
        with self._database.writing() as connection:
            if not connection.execute(update(JOBS).where(same).values(**build_columns(kept))).rowcount:
                raise build_changed(job.id, job.version, _get(connection, job.id).version)
            count_results(self._database, connection, kept)
        return kept

    def delete(self, job_id: str) -> None:
        """Forget a job and its events; what is gone already is fine."""
        with self._database.writing() as connection:
            connection.execute(delete(JOBS).where(JOBS.c.id == job_id))

    def delete_unchanged(self, job: Job) -> bool:
        """Forget a job, unless it was changed since it was read; returns whether it is gone."""
        same = and_(JOBS.c.id == job.id, JOBS.c.version == job.version)
        with self._database.writing() as connection:
            return bool(connection.execute(delete(JOBS).where(same)).rowcount)

    def measure_unstarted(self, workspace: str) -> int:
        """Return how many bytes the records of jobs take that were created and not started."""
        unstarted = (JOBS.c.workspace == workspace, JOBS.c.status == Status.CREATED.value)
        with self._database.reading() as connection:
            # records are ASCII: a character is a byte
            return connection.execute(select(func.sum(func.length(JOBS.c.body))).where(*unstarted)).scalar() or 0

    def find(self, query: JobQuery) -> JobPage:
        """List jobs, newest first; raises `InputError` for an invalid cursor."""
        with self._database.reading() as connection:
            rows = self._select(connection, query, query.skip, query.limit + 1)
        return _build_page(rows, query.limit)

    def count(self, query: JobQuery) -> int:
        """Count the jobs of all pages of a list."""
        with self._database.reading() as connection:
            return self._count(connection, query)

    def find_counted(self, query: JobQuery) -> tuple[JobPage, int]:
        """Return a page of a list and the number of jobs of all pages, both of one moment; raises as `find` does."""
        with self._database.viewing() as connection:
            if query.cursor is None and query.skip == 0:
                rows = self._select(connection, query, 0, query.limit + 1)
                # to look through all jobs a second time is for lists with more pages only
                total = self._count(connection, query) if len(rows) > query.limit else len(rows)
                return _build_page(rows, query.limit), total
            total = self._count(connection, query)
            left = max(total - query.skip, 0)
            # no more than there are, so that the search ends with the last one that matches
            most = min(query.limit + 1, left)
            if query.cursor is None and left < query.skip:
                # nearer to the end of the list: what comes before the page is passed over one by one
                rows = self._select(connection, query, left - most, most, oldest_first=True)[::-1]
            else:
                rows = self._select(connection, query, query.skip, most)
        return _build_page(rows, query.limit), total

    def count_causes(self, query: JobQuery, most: int) -> list[tuple[Cause, int, str]]:
        """Count the jobs that a query selects by why they ended; the most frequent first, each with its newest time."""
        columns, number = (JOBS.c.cause_code, JOBS.c.cause_step), func.count()
        wanted = (JOBS.c.cause_code != "", *_conditions(replace(query, cursor=None)))
        newest = func.max(JOBS.c.created)
        statement = select(*columns, number, newest).where(*wanted).group_by(*columns)
        with self._database.reading() as connection:
            rows = connection.execute(statement.order_by(number.desc(), newest.desc(), *columns).limit(most)).all()
        return [(Cause(code, step), count, created) for code, step, count, created in rows]

    def find_newest(self, query: JobQuery, causes: Sequence[Cause]) -> dict[Cause, Job]:
        """Find the newest job of each cause that a query selects, all at once; not more than a hundred causes."""
        if not causes:
            return {}
        newest = union_all(*(_select_newest(query, number, cause) for number, cause in enumerate(causes)))
        with self._database.reading() as connection:
            return {causes[number]: _read_job(row) for number, *row in connection.execute(newest).all()}

    def _count(self, connection: Connection, query: JobQuery) -> int:
        conditions = _conditions(replace(query, cursor=None))
        return connection.execute(select(func.count()).select_from(JOBS).where(*conditions)).scalar_one()

    def _select(
        self, connection: Connection, query: JobQuery, skip: int, most: int, *, oldest_first: bool = False
    ) -> Sequence[Any]:
        columns = (JOBS.c.created, JOBS.c.id)
        order = [column.asc() if oldest_first else column.desc() for column in columns]
        # the page is found in an index, which has all that lists are narrowed by; records are read of this page only
        page = select(JOBS.c.id).where(*_conditions(query)).order_by(*order)
        found = page.limit(most).offset(skip).subquery()
        statement = select(JOBS.c.body, JOBS.c.version).join(found, found.c.id == JOBS.c.id).order_by(*order)
        return connection.execute(statement).all()

    def load_package(self, digest: str) -> Package:
        """Return the package of a job; raises `JobNotFoundError` where no job ever brought it."""
        package = load_package(self._database, digest)
        if package is None:
            raise build_not_found(digest)
        return package

    def lease(self, job_id: str, owner: str, seconds: float) -> Lease | None:
        """Take the right to work on a job; None while another owner has it. Raises `JobNotFoundError`."""
        mine = and_(JOBS.c.id == job_id, or_(_ANYBODYS, JOBS.c.lease_owner == owner))
        with self._database.writing() as connection:
            lease = _take(connection, mine, owner, seconds)
            if lease is None:
                _get(connection, job_id)
        return lease

    def renew(self, lease: Lease, seconds: float) -> Lease | None:
        """Have a lease last longer; None where it ran out and another owner took it."""
        mine = and_(JOBS.c.id == lease.job_id, JOBS.c.lease_owner == lease.owner)
        with self._database.writing() as connection:
            return _take(connection, mine, lease.owner, seconds)

    def renew_all(self, leases: Sequence[Lease], seconds: float) -> Mapping[str, Held | None]:
        """Have leases of one owner last longer, by job; None where another owner took it, or the job is gone."""
        found: list[Any] = []
        values = {"lease_expires": now_seconds() + seconds}
        for mine in _divide(leases):
            renewed = update(JOBS).where(mine).values(values)
            with self._database.writing() as connection:
                found += connection.execute(renewed.returning(*_HELD)).all()
        return _build_held(leases, found)

    def find_held(self, leases: Sequence[Lease]) -> Mapping[str, Held | None]:
        """Look at leases of one owner, by job; None where it does not hold any more."""
        found: list[Any] = []
        for mine in _divide(leases):
            with self._database.reading() as connection:
                found += connection.execute(select(*_HELD).where(mine, JOBS.c.lease_expires > now_seconds())).all()
        return _build_held(leases, found)

    def release(self, lease: Lease) -> None:
        """Give a lease back."""
        mine = and_(JOBS.c.id == lease.job_id, JOBS.c.lease_owner == lease.owner)
        with self._database.writing() as connection:
            connection.execute(update(JOBS).where(mine).values(lease_owner=None, lease_expires=None))

    def release_all(self, owner: str) -> None:
        """Give back all leases of an owner."""
        with self._database.writing() as connection:
            # those that have ended were given back
            mine = update(JOBS).where(JOBS.c.lease_owner == owner, _UNFINISHED)
            connection.execute(mine.values(lease_owner=None, lease_expires=None))

    def find_lease(self, job_id: str) -> Lease | None:
        """Return the lease that holds now; None where nobody works on the job."""
        held = and_(JOBS.c.id == job_id, JOBS.c.lease_expires > now_seconds())
        with self._database.reading() as connection:
            row = connection.execute(select(JOBS.c.lease_owner, JOBS.c.lease_expires).where(held)).one_or_none()
        return Lease(job_id, row.lease_owner, clock.from_seconds(row.lease_expires)) if row else None

    def find_abandoned(self, limit: int = 100) -> tuple[Job, ...]:
        """Return jobs that are not at their end and that nobody has a lease of, oldest first."""
        statement = select(JOBS.c.body, JOBS.c.version).where(_UNFINISHED, _ANYBODYS)
        with self._database.reading() as connection:
            rows = connection.execute(statement.order_by(JOBS.c.created, JOBS.c.id).limit(limit)).all()
        return tuple(map(_read_job, rows))

    def measure_leased(self, workspace: str) -> tuple[int, Needs]:
        """Return how many jobs of a workspace run or are worked on, and what they may take together."""
        mine = _SUMS.where(_takes_room(JOBS), JOBS.c.workspace == workspace).group_by(JOBS.c.workspace)
        with self._database.reading() as connection:
            row = connection.execute(mine).one_or_none()
        return (row[1], Needs(row[2], row[3])) if row else (0, Needs())

    def measure_all(self) -> list[tuple[str, int, int, Needs]]:
        """Measure each workspace that has unfinished jobs: how many run and wait, and what those that run may take."""
        runs = JOBS.c.status == Status.RUNNING.value
        wanted = (1, JOBS.c.needs_cores, JOBS.c.needs_memory_mib)
        of_running = (func.sum(case((runs, one), else_=0)) for one in wanted)
        statement = select(JOBS.c.workspace, func.count(), *of_running).where(_UNFINISHED).group_by(JOBS.c.workspace)
        with self._database.reading() as connection:
            rows = connection.execute(statement.order_by(JOBS.c.workspace)).all()
        return [(name, running, count - running, Needs(*needs)) for name, count, running, *needs in rows]

    def count_by_worker(self) -> dict[str, int]:
        """Count the jobs that each worker has now."""
        statement = select(JOBS.c.lease_owner, func.count()).where(_is_leased(JOBS)).group_by(JOBS.c.lease_owner)
        with self._database.reading() as connection:
            rows = connection.execute(statement.order_by(JOBS.c.lease_owner)).all()
        return {owner: count for owner, count in rows}

    def count_by_caller(self, most: int) -> list[CallerJobs]:
        """Count the jobs of each caller in each workspace; those with the newest jobs first."""
        columns, newest = (JOBS.c.workspace, JOBS.c.caller), func.max(JOBS.c.created)
        by_status = [
            func.sum(case((JOBS.c.status == status.value, 1), else_=0))
            for status in (Status.RUNNING, Status.ACCEPTED, Status.FAILED)
        ]
        statement = select(*columns, func.count(), *by_status, newest).where(JOBS.c.caller != "").group_by(*columns)
        with self._database.reading() as connection:
            rows = connection.execute(statement.order_by(newest.desc(), *columns).limit(most)).all()
        return [CallerJobs(*row) for row in rows]

    def find_oldest_waiting(self) -> str | None:
        """Return when the oldest job was created that waits for somebody to work on it; None where none waits."""
        waiting = (_UNFINISHED, JOBS.c.status == Status.ACCEPTED.value, _ANYBODYS)
        with self._database.reading() as connection:
            return connection.execute(select(func.min(JOBS.c.created)).where(*waiting)).scalar()

    def claim(self, owner: str, seconds: float, share: Share = ANY_JOB) -> Job | None:
        """Lease the next job of the queue; None where there is none.

        On SQLite there is one writer at a time. On PostgreSQL a row that somebody else claims at the same time is
        skipped; where there is a limit, claims follow one another, so that two together do not exceed it.
        """
        with self._database.writing() as connection:
            if share.most_per_workspace is not None or share.quota_of is not None:
                self._database.take_turn(connection, "claim")
            job_id = connection.execute(_choose_next(share, _leave_full(connection, share))).scalar()
            if job_id is None or _take(connection, JOBS.c.id == job_id, owner, seconds) is None:
                return None
            return _get(connection, job_id)


def _leave_full(connection: Connection, share: Share) -> list[ColumnElement[bool]]:
    """Build the conditions that leave out jobs for which their workspace has no room, by its own quota.

    A job always has room where no other runs: its engine limits what it takes. The job that is next and has waited for
    long gets its turn: until it has room, no smaller one of its workspace begins.
    """
    if share.quota_of is None:
        return []
    used = {name: one for name, *one in connection.execute(_SUMS.where(_takes_room(JOBS)).group_by(JOBS.c.workspace))}
    waiting = connection.execute(select(JOBS.c.workspace).where(_UNFINISHED, _ANYBODYS).distinct()).scalars()
    full: list[str] = []
    room: dict[str, dict[str, float]] = {"needs_cores": {}, "needs_memory_mib": {}}
    for name in waiting:
        quota, (count, *taken) = share.quota_of(name), used.get(name, (0, 0.0, 0.0))
        if quota.running_jobs is not None and count >= quota.running_jobs:
            full.append(name)
        for left, most, amount in zip(room.values(), (quota.cores, quota.memory_mib), taken, strict=True):
            if most is not None and count:
                left[name] = most - amount + _ROUNDING
    full += _find_overdue(connection, tuple(room.values()))
    fits = [
        JOBS.c[column] <= case(left, value=JOBS.c.workspace, else_=sys.float_info.max)
        for column, left in room.items()
        if left
    ]
    return [*fits, *([JOBS.c.workspace.not_in(full)] if full else ())]


def _find_overdue(connection: Connection, room: Sequence[Mapping[str, float]]) -> list[str]:
    """Find the workspaces whose next job has waited for long, and needs more than the room that they have left."""
    # of many jobs that wait, the first of each workspace take long to find: only where their size counts
    limited = {name for left in room for name in left}
    found = connection.execute(_choose_overdue(limited)).all() if limited else ()
    return [
        name
        for name, *needs in found
        if any(needed > left.get(name, math.inf) for left, needed in zip(room, needs, strict=True))
    ]


def _choose_overdue(workspaces: Collection[str]) -> Any:
    """Build the statement that finds, for each of these, what its next job needs, if that has waited for long."""
    place = func.row_number().over(
        partition_by=JOBS.c.workspace, order_by=(JOBS.c.priority.desc(), JOBS.c.created, JOBS.c.id)
    )
    columns = (JOBS.c.workspace, JOBS.c.needs_cores, JOBS.c.needs_memory_mib, JOBS.c.created)
    waiting = (JOBS.c.workspace.in_(workspaces), _UNFINISHED, JOBS.c.status == Status.ACCEPTED.value, _ANYBODYS)
    ranked = select(*columns, place.label("place")).where(*waiting).subquery()
    is_overdue = and_(ranked.c.place == 1, ranked.c.created < clock.after(-_TURN_SECONDS))
    return select(ranked.c.workspace, ranked.c.needs_cores, ranked.c.needs_memory_mib).where(is_overdue)


def _takes_room(jobs: FromClause) -> ColumnElement[bool]:
    """Whether a job runs, also where no worker follows it now, or is about to."""
    return and_(is_unfinished(jobs), or_(jobs.c.status == Status.RUNNING.value, _is_leased(jobs)))


def _is_leased(jobs: FromClause) -> ColumnElement[bool]:
    return and_(is_unfinished(jobs), jobs.c.lease_expires > now_seconds())


def _choose_next(share: Share, room: Sequence[ColumnElement[bool]]) -> Any:
    """Build the statement that chooses the job to work on next; its row stays locked until the transaction ends."""
    others = JOBS.alias("others")
    # counted once for each workspace: for each job that waits it would take the square of their number
    counts = select(others.c.workspace, func.count().label("leased")).where(_is_leased(others))
    by_workspace = counts.group_by(others.c.workspace).subquery()
    leased = func.coalesce(by_workspace.c.leased, 0)
    if share.most_per_workspace is not None:
        room = [*room, leased < share.most_per_workspace]
    # what runs in its engine has its room, and is to be followed
    conditions = [_UNFINISHED, _ANYBODYS, *([or_(JOBS.c.status == Status.RUNNING.value, and_(*room))] if room else [])]
    if share.without:
        conditions.append(JOBS.c.id.not_in(share.without))
    if share.engines:
        conditions.append(JOBS.c.engine.in_(share.engines))
    order = (JOBS.c.priority.desc(), leased, JOBS.c.created, JOBS.c.id)
    places = JOBS.outerjoin(by_workspace, by_workspace.c.workspace == JOBS.c.workspace)
    chosen = select(JOBS.c.id).select_from(places).where(*conditions).order_by(*order).limit(1)
    return chosen.with_for_update(skip_locked=True, of=JOBS)


def _take(connection: Connection, which: ColumnElement[bool], owner: str, seconds: float) -> Lease | None:
    values = {"lease_owner": owner, "lease_expires": now_seconds() + seconds}
    statement = update(JOBS).where(which).values(values).returning(JOBS.c.id, JOBS.c.lease_expires)
    row = connection.execute(statement).one_or_none()
    return Lease(row.id, owner, clock.from_seconds(row.lease_expires)) if row else None


def _divide(leases: Sequence[Lease]) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions that name the jobs of leases of one owner, some at once."""
    # in the order in which others lock rows too
    ids = sorted(lease.job_id for lease in leases)
    for first in range(0, len(ids), _LEASES_AT_ONCE):
        yield and_(JOBS.c.id.in_(ids[first : first + _LEASES_AT_ONCE]), JOBS.c.lease_owner == leases[0].owner)


def _build_held(leases: Sequence[Lease], found: Sequence[Any]) -> dict[str, Held | None]:
    held: dict[str, Held | None] = {lease.job_id: None for lease in leases}
    for job_id, expires, version in found:
        held[job_id] = Held(Lease(job_id, leases[0].owner, clock.from_seconds(expires)), version)
    return held


def _conditions(query: JobQuery) -> list[ColumnElement[bool]]:
    conditions = [*_conditions_of_process(query), *_conditions_of_duration(query)]
    if query.workspace is not None:
        conditions.append(JOBS.c.workspace == query.workspace)
    if query.apart_from:
        conditions.append(JOBS.c.workspace.not_in(query.apart_from))
    if query.statuses:
        conditions += _conditions_of_status(query.statuses)
    if query.created_from is not None:
        conditions.append(JOBS.c.created >= query.created_from)
    if query.created_to is not None:
        conditions.append(JOBS.c.created <= query.created_to)
    if query.cursor is not None:
        conditions.append(tuple_(JOBS.c.created, JOBS.c.id) < tuple_(*read_cursor(query.cursor, 2)))
    return conditions


def _conditions_of_status(statuses: Collection[Status]) -> list[ColumnElement[bool]]:
    # those of few jobs have an index of their own
    few = [is_unfinished(JOBS)] if UNFINISHED.issuperset(statuses) else []
    few += [is_unstarted(JOBS)] if set(statuses) == {Status.CREATED} else []
    return [*few, JOBS.c.status.in_([status.value for status in statuses])]


def _select_newest(query: JobQuery, number: int, cause: Cause) -> Select[Any]:
    wanted = replace(query, codes=(cause.code,), steps=(cause.step,), cursor=None)
    newest = select(JOBS.c.body, JOBS.c.version).where(*_conditions(wanted))
    # a part of a union has an order only within a table of its own
    found = newest.order_by(JOBS.c.created.desc(), JOBS.c.id.desc()).limit(1).subquery()
    return select(literal(number), found.c.body, found.c.version)


def _conditions_of_process(query: JobQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if query.process_ids:
        conditions.append(JOBS.c.process_id.in_(query.process_ids))
    if query.deployed_in is not None:
        conditions.append(JOBS.c.deployed_in == query.deployed_in)
    if query.text is not None:
        searched = (JOBS.c.search_text, *((JOBS.c.input_text,) if query.in_inputs else ()))
        conditions.append(or_(*(find_text(column, query.text.lower()) > 0 for column in searched)))
    if query.caller is not None:
        # what says that there is a caller has the index used that is of these only
        conditions += [JOBS.c.caller == cut_caller(query.caller), JOBS.c.caller != ""]
    return [*conditions, *_conditions_of_cause(query)]


def _conditions_of_cause(query: JobQuery) -> list[ColumnElement[bool]]:
    # what says that there is a cause has the index used that is of these only
    codes = (JOBS.c.cause_code.in_(query.codes), JOBS.c.cause_code != "") if query.codes else ()
    return [*codes, *([JOBS.c.cause_step.in_(query.steps)] if query.steps else [])]


def _conditions_of_duration(query: JobQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    seconds = func.coalesce(JOBS.c.finished, now_seconds()) - JOBS.c.started
    if query.min_seconds is not None:
        conditions.append(seconds >= query.min_seconds)
    if query.max_seconds is not None:
        conditions.append(seconds <= query.max_seconds)
    return conditions


def _get(connection: Connection, job_id: str) -> Job:
    row = connection.execute(select(JOBS.c.body, JOBS.c.version).where(JOBS.c.id == job_id)).one_or_none()
    if row is None:
        raise build_not_found(job_id)
    return _read_job(row)


def _build_page(rows: Sequence[Any], limit: int) -> JobPage:
    """Build a page of its rows and, if there are more, one that follows."""
    jobs = tuple(map(_read_job, rows[:limit]))
    more = len(rows) > limit and jobs
    return JobPage(jobs, write_cursor(jobs[-1].created, jobs[-1].id) if more else None)


def _read_job(row: Any) -> Job:
    body, version = row
    record = read_json(body)
    record["version"] = version
    return from_plain(Job, record)


def build_columns(job: Job) -> dict[str, Any]:
    """Return what the row of a job has, without its id and its lease."""
    cause = find_cause(job)
    return {
        "workspace": job.workspace,
        "process_id": job.process_id,
        "engine": job.engine,
        "status": job.status.value,
        "created": job.created,
        "started": clock.to_seconds(job.started) if job.started else None,
        "finished": clock.to_seconds(job.finished) if job.finished else None,
        "priority": job.priority,
        "package": job.package,
        "version": job.version,
        "body": write_json(to_plain(job, sparse=True)),
        "search_text": write_search_text(job),
        "input_text": write_input_text(job),
        "caller": find_caller(job),
        "deployed_in": job.deployed_in or job.workspace,
        "needs_cores": job.needs.cores,
        "needs_memory_mib": job.needs.memory_mib,
        "cause_code": cause.code,
        "cause_step": cause.step,
    }
