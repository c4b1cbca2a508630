"""The tables, and the words of SQL that databases spell differently: the time now, and where a text is in another.

A record is one JSON document (`body`); the columns beside it are what lists, the queue and concurrent writers need.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Double,
    ForeignKey,
    FromClause,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import VARCHAR
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from zoo_runner.store.search_text import LONGEST_CALLER, LONGEST_INPUT_TEXT, LONGEST_SEARCH_TEXT

OLDEST, NEWEST = "0001", "0021"
"""The first revision of the schema (migrations/versions), and the one that this release speaks."""

METADATA = MetaData()


def sorted_text(length: int) -> String:
    """Return the type of a text that lists are ordered by: byte by byte, whatever the language of the database."""
    return String(length).with_variant(VARCHAR(length, collation="C"), "postgresql")


PACKAGES = Table(
    "packages",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("body", Text, nullable=False),
)

PROCESSES = Table(
    "processes",
    METADATA,
    Column("workspace", String(255), primary_key=True),
    Column("id", sorted_text(255), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("deployed", Boolean, nullable=False),
)

VERSIONS = Table(
    "process_versions",
    METADATA,
    Column("workspace", String(255), primary_key=True),
    Column("id", sorted_text(255), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("package", String(64), ForeignKey("packages.digest"), nullable=False),
    Column("body", Text, nullable=False),
)

JOBS = Table(
    "jobs",
    METADATA,
    Column("id", sorted_text(128), primary_key=True),
    Column("workspace", String(255), nullable=False),
    Column("process_id", String(255), nullable=False),
    Column("engine", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("created", sorted_text(32), nullable=False),
    # seconds since the epoch
    Column("started", Double),
    Column("finished", Double),
    Column("priority", Integer, nullable=False),
    Column("package", String(64), ForeignKey("packages.digest"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("lease_owner", String(255)),
    Column("lease_expires", Double),
    Column("event_count", Integer, nullable=False, server_default=text("0")),
    Column("body", Text, nullable=False),
    # what it is searched for, in lower case; texts that are compared byte by byte are looked through in less time
    Column("search_text", sorted_text(LONGEST_SEARCH_TEXT), nullable=False, server_default=text("''")),
    Column("input_text", sorted_text(LONGEST_INPUT_TEXT), nullable=False, server_default=text("''")),
    # who asked for it
    Column("caller", sorted_text(LONGEST_CALLER), nullable=False, server_default=text("''")),
    # the workspace of its process
    Column("deployed_in", String(255), nullable=False, server_default=text("''")),
    # what it may take at once
    Column("needs_cores", Double, nullable=False, server_default=text("0")),
    Column("needs_memory_mib", Double, nullable=False, server_default=text("0")),
    # why it ended: the code of its diagnosis and the step
    Column("cause_code", String(64), nullable=False, server_default=text("''")),
    Column("cause_step", String(255), nullable=False, server_default=text("''")),
)
_HAS_CAUSE = text("cause_code <> ''")
_HAS_CALLER = text("caller <> ''")
_UNFINISHED, _UNSTARTED = text("status IN ('accepted', 'running')"), text("status = 'created'")
Index("jobs_newest", JOBS.c.created, JOBS.c.id)
# all that lists are narrowed by, so that jobs that do not match are passed over without reading their records
Index(
    "jobs_of_workspace",
    *(
        JOBS.c[name]
        for name in ("workspace", "created", "id", "status", "process_id", "started", "finished", "deployed_in")
    ),
    JOBS.c.caller,
    JOBS.c.search_text,
    JOBS.c.input_text,
)
# with what lists of one status are narrowed by further
Index("jobs_by_status", *(JOBS.c[name] for name in ("workspace", "status", "created", "id", "process_id")))
Index("jobs_by_process", JOBS.c.workspace, JOBS.c.process_id, JOBS.c.created, JOBS.c.id)
# whether a job runs a package is asked before it is removed
Index("jobs_by_package", JOBS.c.package)
# jobs that failed are counted by cause
Index(
    "jobs_by_cause",
    *(JOBS.c[name] for name in ("workspace", "cause_code", "cause_step", "created", "id")),
    postgresql_where=_HAS_CAUSE,
    sqlite_where=_HAS_CAUSE,
)
# jobs are listed and counted by who asked for them
Index(
    "jobs_by_caller",
    *(JOBS.c[name] for name in ("workspace", "caller", "created", "id", "status")),
    postgresql_where=_HAS_CALLER,
    sqlite_where=_HAS_CALLER,
)
Index(
    "jobs_unfinished",
    JOBS.c.created,
    JOBS.c.id,
    postgresql_where=_UNFINISHED,
    sqlite_where=_UNFINISHED,
)
# of few jobs that are of all times
Index("jobs_unstarted", JOBS.c.created, JOBS.c.id, postgresql_where=_UNSTARTED, sqlite_where=_UNSTARTED)
# those that ended lately
Index("jobs_by_end", JOBS.c.finished)

EVENTS = Table(
    "events",
    METADATA,
    Column("job_id", String(128), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("body", Text, nullable=False),
)

# no foreign key: results outlive the records of their jobs
STORED_RESULTS = Table(
    "stored_results",
    METADATA,
    Column("job_id", sorted_text(128), primary_key=True),
    Column("workspace", String(255), nullable=False),
    Column("destination", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("stored", sorted_text(32), nullable=False),
)
Index("stored_results_of_workspace", STORED_RESULTS.c.workspace, STORED_RESULTS.c.size_bytes)
Index("stored_results_by_time", STORED_RESULTS.c.stored)

# no foreign key: it is kept before its job, so that no accepted job is without it
CALLBACKS = Table(
    "callbacks",
    METADATA,
    Column("job_id", sorted_text(128), primary_key=True),
    Column("base", Text, nullable=False),
    Column("hub", Boolean, nullable=False),
    # the status of the job that the client knows, and the one that the attempts to send are about
    Column("known", String(16), nullable=False),
    Column("tried", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    # seconds since the epoch
    Column("due", Double, nullable=False),
)
Index("callbacks_due", CALLBACKS.c.due)

UPLOADS = Table(
    "uploads",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("workspace", String(255), nullable=False),
    Column("expires", sorted_text(32), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
)
Index("uploads_of_workspace", UPLOADS.c.workspace, UPLOADS.c.size_bytes)
Index("uploads_by_end", UPLOADS.c.expires)

# of the secret of a session, which its browser has, the digest
SESSIONS = Table(
    "sessions",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("expires", sorted_text(32), nullable=False),
    Column("body", Text, nullable=False),
)
Index("sessions_by_end", SESSIONS.c.expires)

# of the text of a token, which its owner has, the digest
TOKENS = Table(
    "tokens",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("workspace", String(255), nullable=False),
    Column("owner", String(255), nullable=False),
    Column("expires", sorted_text(32), nullable=False),
    Column("body", Text, nullable=False),
)
Index("tokens_of_workspace", TOKENS.c.workspace, TOKENS.c.owner)
Index("tokens_by_end", TOKENS.c.expires)

MEMBERSHIPS = Table(
    "memberships",
    METADATA,
    Column("name", String(255), primary_key=True),
    Column("workspaces", Text, nullable=False),
    Column("seen", sorted_text(32), nullable=False),
)

SECRETS = Table(
    "secrets",
    METADATA,
    Column("workspace", String(255), primary_key=True),
    Column("name", sorted_text(128), primary_key=True),
    Column("encrypted", Text, nullable=False),
    Column("changed", sorted_text(32), nullable=False),
    Column("caller", String(255)),
)

# no foreign key: it is kept before its job, and revoked where that does not come to be
STEP_TOKENS = Table(
    "step_tokens",
    METADATA,
    Column("job_id", sorted_text(128), primary_key=True),
    Column("encrypted", Text, nullable=False),
    Column("expires", sorted_text(32), nullable=False),
    Column("kept", sorted_text(32), nullable=False),
)

# what harvests and messages have deployed, and how often each message was begun: a role may have these tables alone
HARVEST_RECORDS = Table(
    "harvest_records",
    METADATA,
    Column("key", sorted_text(64), primary_key=True),
    Column("body", Text, nullable=False),
    Column("changed", sorted_text(32), nullable=False),
)

HARVEST_ATTEMPTS = Table(
    "harvest_attempts",
    METADATA,
    Column("message", sorted_text(1024), primary_key=True),
    Column("attempts", Integer, nullable=False),
    # seconds since the epoch
    Column("begun", Double, nullable=False),
)

# who had the lock last: one that has lost it writes no more
HARVEST_HOLDERS = Table(
    "harvest_holders",
    METADATA,
    Column("part", String(16), primary_key=True),
    Column("holder", String(64), nullable=False),
)

# rows are added and never changed: a trigger refuses it
AUDIT = Table(
    "audit",
    METADATA,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("time", sorted_text(32), nullable=False),
    Column("workspace", String(255), nullable=False),
    Column("body", Text, nullable=False),
)
Index("audit_of_workspace", AUDIT.c.workspace, AUDIT.c.number)


def is_unfinished(jobs: FromClause) -> ColumnElement[bool]:
    """Whether somebody has to work on a job; in words that an index of these jobs only has too.

    A database uses such an index where the statement has the same constants, and not parameters.
    """
    return jobs.c.status.in_([literal_column("'accepted'"), literal_column("'running'")])


def is_unstarted(jobs: FromClause) -> ColumnElement[bool]:
    """Whether a job was created and not started, in the words of the index of these."""
    return jobs.c.status == literal_column("'created'")


class now_seconds(FunctionElement[float]):
    """The database's clock in seconds since the epoch: one clock for all machines that share it."""

    type = Double()
    inherit_cache = True


@compiles(now_seconds, "sqlite")
def _now_in_sqlite(*_: Any, **__: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now_seconds, "postgresql")
def _now_in_postgresql(*_: Any, **__: Any) -> str:
    return "EXTRACT(EPOCH FROM clock_timestamp())::double precision"


class find_text(FunctionElement[int]):
    """Where a text begins in another, from 1; 0 where it is not in it. It has no wildcards, and is faster than LIKE."""

    type = Integer()
    inherit_cache = True


@compiles(find_text, "sqlite")
def _find_in_sqlite(element: Any, compiler: Any, *more: Any, **words: Any) -> str:
    return f"instr({compiler.process(element.clauses, *more, **words)})"


@compiles(find_text, "postgresql")
def _find_in_postgresql(element: Any, compiler: Any, *more: Any, **words: Any) -> str:
    return f"strpos({compiler.process(element.clauses, *more, **words)})"
