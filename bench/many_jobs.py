"""Fills a database with millions of jobs, by SQL alone: as a platform has them that has run for two years.

Half of them are of one workspace, the rest of fifty others; nine of ten were successful. A thousand wait and a thousand
run under leases of one worker, whatever the number of those that have ended.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from time import time

import psycopg
from sqlalchemy import make_url

from tests.contract.stores import PACKAGE, build_job
from zoo_runner.model.codec import to_plain
from zoo_runner.model.diagnosis import Diagnosis, Level, Stage
from zoo_runner.model.events import StepEnded
from zoo_runner.model.job import Job, Outcome, Results, Status
from zoo_runner.model.needs import Needs
from zoo_runner.model.written import write_json

LARGE, SMALL = "default", "team-1"
"""The workspace that has half of all jobs, and one that has a hundredth."""
WAITING, RUNNING, UNSTARTED = 1000, 1000, 200
DAYS = 730
_AT_ONCE = 500_000
_SECONDS_PER_DAY = 86400
_CODES = ("step.failed", "step.memory", "job.time-limit", "stagein.not-found", "image.pull", "outputs.missing")
# what differs between jobs of one status, as it stands in the record that all of them are made of
_WORDS = ("#id#", "#workspace#", "#process#", "#created#", "#started#", "#finished#", "#code#", "#step#")

Execute = Callable[[str], object]


def fill(url: str, jobs: int, say: Callable[[str], None] = lambda _: None) -> None:
    """Store so many jobs that have ended, some that have not, and what their results take, in an empty database."""
    is_file = url.startswith("sqlite")
    with _open_sqlite(url) if is_file else _open_postgresql(url) as execute:
        # to build an index at the end takes a fraction of keeping it all the time, most of all one of random ids
        restoring = [*_take_indexes(execute, is_file), *(() if is_file else _take_keys(execute))]
        begin = time() - DAYS * _SECONDS_PER_DAY
        spacing = (DAYS * _SECONDS_PER_DAY - 60) / jobs
        for first in range(1, jobs + 1, _AT_ONCE):
            last = min(first + _AT_ONCE - 1, jobs)
            execute(_write_ended(is_file, first, last, begin, spacing))
            execute(_write_results(is_file, first, last, begin, spacing))
            say(f"{last:,} jobs")
        for status, count, first in (
            (Status.ACCEPTED, WAITING, jobs + 1),
            (Status.RUNNING, RUNNING, jobs + WAITING + 1),
            (Status.CREATED, UNSTARTED, jobs + WAITING + RUNNING + 1),
        ):
            execute(_write_unfinished(is_file, status, first, first + count - 1, begin + spacing * jobs))
        for statement in restoring:
            execute(statement)
        say("indexes")
        execute("ANALYZE" if is_file else "VACUUM ANALYZE")


@contextmanager
def _open_sqlite(url: str) -> Iterator[Callable[[str], object]]:
    with closing(sqlite3.connect(str(make_url(url).database), isolation_level=None)) as connection:
        connection.create_function("md5", 1, lambda text: hashlib.md5(text.encode()).hexdigest(), deterministic=True)
        yield connection.execute


@contextmanager
def _open_postgresql(url: str) -> Iterator[Callable[[str], object]]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '512MB'")
        yield lambda text: connection.execute(text.encode())


def _take_indexes(execute: Execute, is_file: bool) -> Iterator[str]:
    """Remove the indexes of the tables that are filled, and yield the statements that create them again."""
    found = (
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN "
        if is_file
        else "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() AND indexdef NOT LIKE"
        " '%UNIQUE%' AND tablename IN "
    )
    for name, text in execute(f"{found}('jobs', 'stored_results')").fetchall():  # type: ignore[attr-defined]
        execute(f"DROP INDEX {name}")
        yield text


def _take_keys(execute: Execute) -> Iterator[str]:
    """Remove the keys of a PostgreSQL's tables, and its notices, to which nobody listens; yield what restores them."""
    execute("ALTER TABLE jobs DISABLE TRIGGER USER")
    execute("ALTER TABLE jobs DROP CONSTRAINT jobs_pkey CASCADE")
    execute("ALTER TABLE stored_results DROP CONSTRAINT stored_results_pkey")
    yield "ALTER TABLE jobs ADD PRIMARY KEY (id)"
    yield "ALTER TABLE stored_results ADD PRIMARY KEY (job_id)"
    yield "ALTER TABLE events ADD FOREIGN KEY (job_id) REFERENCES jobs (id) ON DELETE CASCADE"
    yield "ALTER TABLE jobs ENABLE TRIGGER USER"


def build_ended(status: Status) -> Job:
    """Build the record of a job that has ended, of the size that records have, with a word for what differs."""
    place = "s3://results/#workspace#/#id#"
    diagnosis = Diagnosis(
        Stage.EXECUTE,
        Level.USER,
        "step #step# ended with exit code 1",
        "Read the lines of the step, and correct the package or its inputs.",
        ("Traceback (most recent call last):", "ValueError: no data in this area"),
        step="#step#",
        log=f"{place}/logs/job.log",
        code="#code#",
    )
    asset = {"href": f"{place}/ndvi.tif", "type": "image/tiff; application=geotiff", "roles": ["data"]}
    results = Results(
        {"ndvi": {"href": f"{place}/ndvi.tif", "type": "image/tiff; application=geotiff"}},
        {"type": "Collection", "id": "#id#", "links": [], "assets": {"ndvi": asset}},
        f"{place}/collection.json",
        {"ndvi": {"class": "File", "location": f"{place}/ndvi.tif", "size": 123456789}},
        123456789,
    )
    usage = (StepEnded("ndvi", 1.7e9, 1.7e9 + 60, 0, 55.5, 812.0),)
    successful = status is Status.SUCCESSFUL
    outcome = Outcome(status, results if successful else None, None if successful else diagnosis, 0, usage, place)
    return replace(
        _build_any(status),
        started="#started#",
        finished="#finished#",
        updated="#finished#",
        outcome=outcome,
        progress=100,
        handle={"engine": "calrissian", "job_id": "#id#", "data": {"names": {"namespace": "jobs", "job": "job-#id#"}}},
    )


def _build_any(status: Status) -> Job:
    inputs = {"item": "https://stac.example.org/collections/s2/items/S2A_31UFS_20240601", "bands": ["red", "nir"]}
    return replace(
        build_job(1, id="#id#", workspace="#workspace#", process_id="#process#", created="#created#", status=status),
        engine="calrissian",
        destination="s3://results/#workspace#/#id#",
        inputs={**inputs, "threshold": 0.25, "cloud_cover": 20},
        caller="someone@example.org",
        log="/state/#id#/job.log",
        log_folder="/state/#id#",
        updated="#created#",
        uid="0123456789abcdef0123456789abcdef",
        needs=Needs(2.0, 4096.0),
    )


def _write_ended(is_file: bool, first: int, last: int, begin: float, spacing: float) -> str:
    bodies = {status: _write_body(build_ended(status)) for status in _ENDED}
    body = f"CASE status {' '.join(f'WHEN {_quote(s.value)} THEN {_quote(b)}' for s, b in bodies.items())} END"
    numbers = _write_numbers(is_file, first, last, begin, spacing)
    jobs = f"SELECT *, created_at + 2 AS started_at, created_at + 32 + n % 3600 AS finished_at FROM ({numbers}) AS n1"
    texts = f"""SELECT *, {_write_time(is_file, "created_at")} AS created, {_write_time(is_file, "started_at")} AS
        started_text, {_write_time(is_file, "finished_at")} AS finished_text FROM ({jobs}) AS n2"""
    values = ("id", "workspace", "process", "created", "started_text", "finished_text", "cause_code", "cause_step")
    for word, value in zip(_WORDS, values, strict=True):
        body = f"replace({body}, '{word}', {value})"
    newline = "char(10)" if is_file else "chr(10)"
    return f"""INSERT INTO jobs (id, workspace, process_id, engine, status, created, started, finished, priority,
        package, version, body, search_text, deployed_in, needs_cores, needs_memory_mib, cause_code, cause_step)
        SELECT id, workspace, process, 'calrissian', status, created, started_at, finished_at, 0, '{PACKAGE.digest}',
        7, {body}, id || {newline} || process, workspace, 2, 4096, cause_code, cause_step FROM ({texts}) AS n3"""


def _write_results(is_file: bool, first: int, last: int, begin: float, spacing: float) -> str:
    stored = _write_time(is_file, "created_at + 32 + n % 3600")
    return f"""INSERT INTO stored_results (job_id, workspace, destination, size_bytes, stored)
        SELECT id, workspace, 's3://results/' || workspace || '/' || id, 1000000 + n % 1000000, {stored}
        FROM ({_write_numbers(is_file, first, last, begin, spacing)}) AS n1 WHERE status = 'successful'"""


def _write_body(job: Job) -> str:
    return write_json(to_plain(job, sparse=True))


def _write_unfinished(is_file: bool, status: Status, first: int, last: int, created: float) -> str:
    # those that nobody has started are of all times: a quarter of them is old
    spacing = -DAYS * _SECONDS_PER_DAY / 4 / UNSTARTED if status is Status.CREATED else 0.01
    numbers = _write_numbers(is_file, first, last, created - spacing * first, spacing)
    body = _quote(_write_body(_build_any(status)))
    texts = f"SELECT *, {_write_time(is_file, 'created_at')} AS created FROM ({numbers}) AS n1"
    for word, value in zip(_WORDS[:4], ("id", "workspace", "process", "created"), strict=True):
        body = f"replace({body}, '{word}', {value})"
    newline = "char(10)" if is_file else "chr(10)"
    runs = status is Status.RUNNING
    started, owner, expires = ("created_at", "'worker-1'", f"{time() + 1e7}") if runs else ("NULL", "NULL", "NULL")
    return f"""INSERT INTO jobs (id, workspace, process_id, engine, status, created, started, priority, package,
        version, body, search_text, deployed_in, needs_cores, needs_memory_mib, lease_owner, lease_expires)
        SELECT id, workspace, process, 'calrissian', '{status}', created, {started}, 0, '{PACKAGE.digest}', 1, {body},
        id || {newline} || process, workspace, 2, 4096, {owner}, {expires} FROM ({texts}) AS n2"""


_ENDED = (Status.SUCCESSFUL, Status.FAILED, Status.DISMISSED)


def _write_numbers(is_file: bool, first: int, last: int, begin: float, spacing: float) -> str:
    """Write what follows of the number of a job."""
    series = (
        f"WITH RECURSIVE s(n) AS (VALUES ({first}) UNION ALL SELECT n + 1 FROM s WHERE n < {last}) SELECT n FROM s"
        if is_file
        else f"SELECT n FROM generate_series({first}, {last}) AS n"
    )
    text = "CAST(n AS text)"
    identity = f"md5({text})" if is_file else f"CAST(CAST(md5({text}) AS uuid) AS text)"
    codes = " ".join(f"WHEN {number} THEN '{code}'" for number, code in enumerate(_CODES))
    # divided by primes, so that none of these depends on another
    return f"""SELECT *, CASE WHEN status = 'successful' THEN '' ELSE CASE (n / 11) % {len(_CODES)} {codes} END END AS
        cause_code, CASE WHEN status = 'successful' THEN '' ELSE 'step-' || ((n / 13) % 5) END AS cause_step FROM
        (SELECT n, {identity} AS id, CASE WHEN n % 2 = 0 THEN '{LARGE}' ELSE 'team-' || (n % 100) END AS workspace,
        'p-' || ((n / 7) % 20) AS process, {begin} + {spacing} * n AS created_at,
        CASE WHEN (n / 3) % 100 < 90 THEN 'successful' WHEN (n / 3) % 100 < 98 THEN 'failed' ELSE 'dismissed' END AS
        status FROM ({series}) AS n0) AS n4"""


def _write_time(is_file: bool, seconds: str) -> str:
    if is_file:
        return f"strftime('%Y-%m-%dT%H:%M:%fZ', {seconds}, 'unixepoch')"
    moment = f"to_timestamp(CAST({seconds} AS double precision)) AT TIME ZONE 'UTC'"
    return f"""to_char({moment}, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
