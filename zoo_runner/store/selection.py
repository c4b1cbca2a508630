"""Which jobs a query selects, and in which order; pure. Stores without a query language list jobs by it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from zoo_runner.model import clock
from zoo_runner.model.errors import RunnerError
from zoo_runner.model.job import UNFINISHED, Job
from zoo_runner.model.portable import make_text_portable
from zoo_runner.store.cursors import read_cursor, write_cursor
from zoo_runner.store.protocol import Held, JobPage, JobQuery, JobStore, Lease
from zoo_runner.store.search_text import cut_caller, find_caller, write_input_text, write_search_text

LONGEST_CODE, LONGEST_STEP = 64, 255


def iterate_jobs(store: JobStore, query: JobQuery) -> Iterator[Job]:
    """Yield the jobs of all pages of a list."""
    cursor = query.cursor
    while True:
        page = store.find(replace(query, cursor=cursor, skip=query.skip if cursor == query.cursor else 0))
        yield from page.jobs
        if page.next is None:
            return
        cursor = page.next


def select_page(jobs: Iterable[Job], query: JobQuery) -> JobPage:
    """Return the page of a query, newest first; raises `InputError` for an invalid cursor."""
    before = read_cursor(query.cursor, 2) if query.cursor is not None else None
    found = [job for job in jobs if _matches(job, query) and (before is None or _place(job) < before)]
    found.sort(key=_place, reverse=True)
    found = found[query.skip :]
    page = tuple(found[: query.limit])
    return JobPage(page, write_cursor(*_place(page[-1])) if len(found) > len(page) and page else None)


def select_abandoned(jobs: Iterable[tuple[Job, Lease | None]], limit: int) -> tuple[Job, ...]:
    """Return the jobs that somebody has to work on and that have no lease, oldest first."""
    found = [job for job, lease in jobs if lease is None and job.status in UNFINISHED]
    return tuple(sorted(found, key=_place)[:limit])


def renew_each(store: JobStore, leases: Iterable[Lease], seconds: float) -> dict[str, Held | None]:
    """Have leases last longer one by one, for stores that cannot write many at once."""
    return _look_at_each(store, leases, lambda lease: store.renew(lease, seconds))


def find_each_held(store: JobStore, leases: Iterable[Lease]) -> dict[str, Held | None]:
    """Look at leases one by one, for stores that cannot read many at once."""

    def find(lease: Lease) -> Lease | None:
        held = store.find_lease(lease.job_id)
        return held if held and held.owner == lease.owner else None

    return _look_at_each(store, leases, find)


def _look_at_each(
    store: JobStore, leases: Iterable[Lease], take: Callable[[Lease], Lease | None]
) -> dict[str, Held | None]:
    found: dict[str, Held | None] = {}
    for lease in leases:
        # one whose record cannot be written or read does not take the others with it
        with suppress(RunnerError, OSError):
            held = take(lease)
            found[lease.job_id] = Held(held, store.get(lease.job_id).version) if held else None
    return found


def _place(job: Job) -> tuple[str, ...]:
    return (job.created, job.id)


def _matches(job: Job, query: JobQuery) -> bool:
    return (
        query.workspace in (None, job.workspace)
        and job.workspace not in query.apart_from
        and (not query.process_ids or job.process_id in query.process_ids)
        and query.deployed_in in (None, job.deployed_in or job.workspace)
        and (not query.statuses or job.status in query.statuses)
        and (query.created_from or "") <= job.created
        and (query.created_to is None or job.created <= query.created_to)
        and _has_text(job, query)
        and (query.caller is None or cut_caller(query.caller) == (find_caller(job) or None))
        and _has_cause(job, query)
        and _lasts(job, query)
    )


def _has_text(job: Job, query: JobQuery) -> bool:
    wanted = (query.text or "").lower()
    return wanted in write_search_text(job) or (query.in_inputs and wanted in write_input_text(job))


def _has_cause(job: Job, query: JobQuery) -> bool:
    cause = find_cause(job)
    return (not query.codes or cause.code in query.codes) and (not query.steps or cause.step in query.steps)


@dataclass(frozen=True)
class Cause:
    """Why a job ended: the code of its diagnosis, and the step; empty where there is none."""

    code: str = ""
    step: str = ""


def find_cause(job: Job) -> Cause:
    """Return why a job ended, short enough for every store."""
    diagnosis = job.outcome.diagnosis if job.outcome else None
    if diagnosis is None:
        return Cause()
    # an engine may have made up the name of a step
    return Cause(diagnosis.code[:LONGEST_CODE], make_text_portable(diagnosis.step or "")[:LONGEST_STEP])


def _lasts(job: Job, query: JobQuery) -> bool:
    """Whether the duration of a job is within the bounds of a query."""
    if query.min_seconds is None and query.max_seconds is None:
        return True
    if job.started is None:
        return False
    seconds = clock.to_seconds(job.finished or clock.now()) - clock.to_seconds(job.started)
    least, most = query.min_seconds, query.max_seconds
    return (least is None or least <= seconds) and (most is None or seconds <= most)
