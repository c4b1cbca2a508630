"""The connection to the database, its transactions, and its schema: created and migrated when it is opened."""

import fcntl
import logging
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy import Connection, Select, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
    TimeoutError,
)

from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError, NotReachedError, RunnerError, SettingsError
from zoo_runner.store.sql.schema import NEWEST

if TYPE_CHECKING:
    import psycopg

_BUSY_SECONDS = 30
_LONGEST_SAID = 300
# after half a minute without an answer a connection is lost, on the side of the client and on that of the database
# (libpq, section 34.1.2; PostgreSQL, section 20.3.2)
_LOST_CONNECTIONS = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
_LOST_CLIENTS = {
    "tcp_keepalives_idle": 10,
    "tcp_keepalives_interval": 5,
    "tcp_keepalives_count": 4,
    "idle_in_transaction_session_timeout": 60_000,
}
# files are copied between two statements, which may take long; and an index is to be read rather than the table, whose
# records are larger: by its default, PostgreSQL takes one for a disk that turns (PostgreSQL, section 20.7.2)
_VIEWING = "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL random_page_cost = 1.1"
# a primary that became a standby writes no more, and an idle transaction was ended (PostgreSQL, appendix A)
_LOST_STATES = ("25006", "25P03")
# the role may not do it, or may not see the schema
_DENIED_STATES = ("42501", "3F000")

logger = logging.getLogger(__name__)


class Database:
    """Connections to one database. `insert` is its dialect's insert statement, which knows ON CONFLICT."""

    def __init__(self, engine: sqlalchemy.Engine) -> None:
        self._engine = engine
        self._reader = _build_reader(engine)
        self.dialect = engine.dialect.name

    @property
    def is_file(self) -> bool:
        """Whether it lies in a file of this machine, and answers without a network."""
        return self.dialect == "sqlite"

    @property
    def path(self) -> str:
        """The file of a database of SQLite."""
        return str(self._engine.url.database)

    def insert(self, table: sqlalchemy.Table) -> Any:
        """Start an insert statement."""
        return sqlite.insert(table) if self.dialect == "sqlite" else postgresql.insert(table)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection on which each statement sees what is stored then; raises `EngineError`."""
        with _translated(), self._reader.connect() as connection:
            yield connection

    def read_rows(self, statement: Select[Any], values: Mapping[str, str | int]) -> Sequence[Any]:
        """Read what a statement selects that was built once; raises `EngineError`.

        SQLite is asked without SQLAlchemy's connection, which takes longer than the answer.
        """
        if not self.is_file:
            with self.reading() as connection:
                return connection.execute(statement, values).all()
        words, parameters = _compile(statement, self._reader.dialect)
        with _translated(), closing(self._reader.raw_connection()) as connection:
            cursor = connection.cursor()
            cursor.execute(words, [values.get(name, value) for name, value in parameters])
            return cursor.fetchall()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a transaction that is stored when the block ends, and is undone when it raises."""
        with _translated(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def viewing(self) -> Iterator[Connection]:
        """Give a connection that sees everything as it is at its first statement, and keeps nobody from writing."""
        level: Any = "AUTOCOMMIT" if self.dialect == "sqlite" else "REPEATABLE READ"
        with _translated(), self._engine.execution_options(isolation_level=level).connect() as connection:
            if self.dialect == "sqlite":
                # without IMMEDIATE, which is for those who write
                connection.exec_driver_sql("BEGIN")
            else:
                connection.exec_driver_sql(_VIEWING)
            yield connection

    def take_turn(self, connection: Connection, subject: str) -> None:
        """Wait until no other transaction has a turn at the subject; this one has it until it ends."""
        if self.dialect == "postgresql":
            lock = text("SELECT pg_advisory_xact_lock(hashtext('zoo-runner'), hashtext(:subject))")
            connection.execute(lock, {"subject": subject})

    @contextmanager
    def connect_alone(self) -> Iterator["psycopg.Connection[Any]"]:
        """Give a connection of PostgreSQL that is none of the others, each statement a transaction."""
        import psycopg
        from psycopg.conninfo import make_conninfo

        _, words = self._engine.dialect.create_connect_args(self._engine.url)
        # how values are adapted is a matter of SQLAlchemy
        words.pop("context", None)
        address = make_conninfo(**{**words, **_LOST_CONNECTIONS})
        with psycopg.connect(address, autocommit=True) as connection:
            yield connection

    def check(self) -> None:
        """Raise `EngineError` where the database does not answer."""
        with self.reading() as connection:
            connection.execute(text("SELECT 1"))

    def analyze(self) -> None:
        """Have the database look at what it has, so that it knows the best way there; it does so itself by and by."""
        with self.reading() as connection:
            connection.execute(text("ANALYZE" if self.is_file else "VACUUM ANALYZE jobs"))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()
        self._reader.dispose()


@lru_cache
def _compile(statement: Select[Any], dialect: sqlalchemy.Dialect) -> tuple[str, Sequence[tuple[str, Any]]]:
    """Return the words of a statement, and its parameters in order with the values that it has itself."""
    compiled: Any = statement.compile(dialect=dialect)
    return str(compiled), [(name, compiled.params[name]) for name in compiled.positiontup]


def open_database(url: str) -> Database:
    """Open a database and bring its schema up to date; raises `SettingsError` and `EngineError`."""
    database = Database(build_engine(url))
    try:
        _migrate(database)
    except BaseException:
        database.close()
        raise
    return database


def build_engine(url: str) -> sqlalchemy.Engine:
    """Build the engine of SQLite or PostgreSQL; raises `SettingsError` for any other address."""
    try:
        parsed = sqlalchemy.make_url(url)
        dialect = parsed.get_backend_name()
        if dialect not in ("sqlite", "postgresql"):
            raise _bad_url(url, f"{dialect} is not supported")
        if dialect == "postgresql":
            return _build_postgresql(parsed.set(drivername="postgresql+psycopg"))
        if not parsed.database or parsed.database == ":memory:":
            raise _bad_url(url, "SQLite needs a file")
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        engine = _build_sqlite(parsed)
    except (ArgumentError, NoSuchModuleError, OSError) as error:
        raise _bad_url(url, type(error).__name__) from error
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _build_sqlite(url: sqlalchemy.URL, *, autocommit: bool = False) -> sqlalchemy.Engine:
    level: Any = "AUTOCOMMIT" if autocommit else None
    # where each statement ends by itself there is nothing to undo
    reset: Any = None if autocommit else "rollback"
    engine = sqlalchemy.create_engine(
        url, connect_args={"timeout": _BUSY_SECONDS}, isolation_level=level, pool_reset_on_return=reset
    )
    event.listen(engine, "connect", partial(_set_up_sqlite, Path(str(url.database)).parent))
    return engine


def _build_reader(engine: sqlalchemy.Engine) -> sqlalchemy.Engine:
    """Build the engine of statements that are no part of a transaction."""
    if engine.dialect.name == "sqlite":
        # connections of its own: to change the mode of one takes longer than to read a row
        return _build_sqlite(engine.url, autocommit=True)
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def _build_postgresql(url: sqlalchemy.URL) -> sqlalchemy.Engine:
    engine = sqlalchemy.create_engine(url, pool_pre_ping=True, connect_args=_LOST_CONNECTIONS)
    event.listen(engine, "connect", _set_up_postgresql)
    event.listen(engine, "handle_error", _drop_lost)
    return engine


def _drop_lost(context: sqlalchemy.ExceptionContext) -> None:
    # the next connection may lead to the new primary
    if getattr(context.original_exception, "sqlstate", None) in _LOST_STATES:
        context.is_disconnect = True


def _set_up_postgresql(connection: Any, _: Any) -> None:
    # what a lost client has locked is free again soon
    with connection.cursor() as cursor:
        for name, value in _LOST_CLIENTS.items():
            cursor.execute(f"SET {name} = {value}")
    connection.commit()


def _bad_url(url: str, reason: str) -> SettingsError:
    shown = url.split("://", 1)[0]
    return SettingsError(
        f"the database {shown}://… cannot be used: {reason}",
        "Use sqlite:////path/to/file or postgresql://user@host/name.",
    )


def _set_up_sqlite(folder: Path, connection: Any, _: Any) -> None:
    # SQLite waits for nobody when it changes the mode, so those who open a new database do it one after the other
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        os.close(lock)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_immediate(connection: Connection) -> None:
    # a transaction that reads before it writes would else fail where another one wrote in between
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except RunnerError:
        raise
    except (SQLAlchemyError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        # what the database says may have values of a record, or its address: that is for the operator
        logger.warning("the database failed: %s", " ".join(str(cause).split())[:_LONGEST_SAID])
        state = getattr(cause, "sqlstate", None)
        reason = f"{type(cause).__name__}, SQLSTATE {state}" if state else type(cause).__name__
        if state in _DENIED_STATES:
            raise EngineError(
                f"the database denies what its role asks for: {reason}",
                "Grant it (docs/harvest.md for harvests). Where the database is of an earlier release, start the server"
                " first: it brings the schema up to date; the log has what the database said.",
                code="store.denied",
            ) from error
        is_away = isinstance(error, OperationalError | InterfaceError | TimeoutError | sqlite3.Error)
        is_away = is_away or (isinstance(error, DBAPIError) and error.connection_invalidated)
        raise (NotReachedError if is_away else EngineError)(
            f"the database failed: {reason}",
            "Check that the database is up and that this user may write to it; the log has what it said.",
            level=Level.PLATFORM,
            code="store.unreachable",
        ) from error


def _migrate(database: Database) -> None:
    with database.reading() as connection:
        found = _read_revision(connection)
    if found == NEWEST:
        return
    if found is not None and found > NEWEST:
        raise SettingsError(
            f"the database has schema {found}, which is newer than this release's {NEWEST}",
            "Upgrade this installation, or restore the backup from before the upgrade.",
            code="store.newer",
        )
    with database.writing() as connection:
        database.take_turn(connection, "migrate")
        upgrade(connection, "head")


def _read_revision(connection: Connection) -> str | None:
    if not sqlalchemy.inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def upgrade(connection: Connection, revision: str) -> None:
    """Bring the schema to a revision of the migrations, or to `head`, the newest."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
