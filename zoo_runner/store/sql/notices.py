"""Notices of jobs between the processes of a PostgreSQL: a trigger sends one whenever a job gets another status.

Who misses one loses nothing but time: workers and servers look at the database by the clock too. SQLite has no notices;
there, a server and its workers talk through pipes.
"""

import logging
import threading
from collections.abc import Callable

from sqlalchemy import text

from zoo_runner.store.sql.database import Database
from zoo_runner.store.sql.presence import hold_file, hold_session

CHANNEL = "zoo_runner_jobs"
_LOOK_SECONDS, _RETRY_SECONDS = 1.0, 2.0

logger = logging.getLogger(__name__)


def send_notice(database: Database, job_id: str) -> None:
    """Have all processes look at a job, such as one that is to be cancelled; raises `EngineError`."""
    if not database.is_file:
        with database.reading() as connection:
            connection.execute(text(f"SELECT pg_notify('{CHANNEL}', :job)"), {"job": job_id})


class Listener:
    """A thread that calls `on_notice` with the id of each job, until it is stopped.

    After it has connected again it is called with an empty id: there may have been notices meanwhile. The database is
    in use (`presence`) while it runs, from when it has been created; a restore that is under way is waited for.
    """

    def __init__(self, database: Database, on_notice: Callable[[str], None]) -> None:
        self._database, self._on_notice = database, on_notice
        self._stopped, self._held = threading.Event(), threading.Event()
        work = self._hold if database.is_file else self._run
        threading.Thread(target=work, name="listener-of-notices", daemon=True).start()
        self._held.wait()

    def stop(self) -> None:
        """Call nobody any more."""
        self._stopped.set()

    def _hold(self) -> None:
        try:
            with hold_file(self._database):
                self._held.set()
                self._stopped.wait()
        except OSError as error:
            logger.warning("a restore would not notice that the database is in use: %s", error)
            self._held.set()

    def _run(self) -> None:
        import psycopg

        while not self._stopped.is_set():
            try:
                self._listen()
            except psycopg.Error as error:
                self._held.set()
                logger.warning("no notices of jobs until the database answers: %s", " ".join(str(error).split())[:200])
                self._stopped.wait(_RETRY_SECONDS)

    def _listen(self) -> None:
        with self._database.connect_alone() as connection:
            hold_session(connection)
            self._held.set()
            connection.execute(f"LISTEN {CHANNEL}".encode())
            self._on_notice("")
            while not self._stopped.is_set():
                for notice in connection.notifies(timeout=_LOOK_SECONDS):
                    self._on_notice(notice.payload)
