"""The store in a database: SQLite in one file, PostgreSQL for several machines; one schema, migrated by Alembic."""

from dataclasses import dataclass

from zoo_runner.store.sql.audit import SqlAudit
from zoo_runner.store.sql.callbacks import SqlCallbacks
from zoo_runner.store.sql.database import Database, open_database
from zoo_runner.store.sql.events import SqlEvents
from zoo_runner.store.sql.jobs import SqlJobs
from zoo_runner.store.sql.memberships import SqlMemberships
from zoo_runner.store.sql.processes import SqlProcesses
from zoo_runner.store.sql.secrets import SqlSecrets
from zoo_runner.store.sql.sessions import SqlSessions
from zoo_runner.store.sql.step_tokens import SqlStepTokens
from zoo_runner.store.sql.stored_results import SqlStoredResults
from zoo_runner.store.sql.tokens import SqlTokens
from zoo_runner.store.sql.uploads import SqlUploads


@dataclass(frozen=True)
class SqlStore:
    """All that one database keeps."""

    database: Database
    jobs: SqlJobs
    processes: SqlProcesses
    events: SqlEvents
    callbacks: SqlCallbacks
    uploads: SqlUploads
    audit: SqlAudit
    sessions: SqlSessions
    tokens: SqlTokens
    secrets: SqlSecrets
    results: SqlStoredResults
    memberships: SqlMemberships
    step_tokens: SqlStepTokens

    def close(self) -> None:
        """Close the connections."""
        self.database.close()


def open_sql_store(url: str) -> SqlStore:
    """Open a database by its URL and bring its schema up to date.

    URLs are SQLAlchemy's, such as `sqlite:////var/lib/runner.db` or `postgresql+psycopg://host/name`. Raises
    `SettingsError` for a URL that cannot be used and `EngineError` where the database does not answer.
    """
    database = open_database(url)
    jobs, processes, events = SqlJobs(database), SqlProcesses(database), SqlEvents(database)
    uploads, audit = SqlUploads(database), SqlAudit(database)
    return SqlStore(
        database,
        jobs,
        processes,
        events,
        SqlCallbacks(database),
        uploads,
        audit,
        SqlSessions(database),
        SqlTokens(database),
        SqlSecrets(database),
        SqlStoredResults(database),
        SqlMemberships(database),
        SqlStepTokens(database),
    )
