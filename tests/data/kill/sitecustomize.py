"""Kills the process that imports it at one statement to the database, once: Python imports this when it starts.

KILL_AT is `<command>:<before or after>:<number of the statement>`, counting those that begin with KILL_KIND; KILLED
names a file that says what it was. With HOLD it is not killed, but waits there until the file of that name is there:
something else happens meanwhile.
"""

import os
import signal
import sys
import threading

_COMMAND, _, _POINT = os.environ.get("KILL_AT", "").partition(":")  # noqa: TID251 it has no other input


def _watch() -> None:
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    when, _, number = _POINT.partition(":")
    count = 0

    def look(_connection, _cursor, statement, *_rest):  # type: ignore[no-untyped-def]
        nonlocal count
        # these look by the clock; and only SQLite sees the begin of a transaction
        if threading.current_thread().name in ("notifier", "housekeeper", "job-keeper") or statement[:5] == "BEGIN":
            return
        if not statement.startswith(os.environ.get("KILL_KIND", "")):  # noqa: TID251
            return
        count += 1
        if count != int(number):
            return
        try:
            descriptor = os.open(os.environ["KILLED"], os.O_WRONLY | os.O_CREAT | os.O_EXCL)  # noqa: TID251
        except FileExistsError:
            return
        os.write(descriptor, " ".join(statement.split()).encode())
        if "HOLD" not in os.environ:  # noqa: TID251
            os.kill(os.getpid(), signal.SIGKILL)
        pause = threading.Event()
        while not os.path.exists(os.environ["HOLD"]):  # noqa: TID251, PTH110
            pause.wait(0.05)

    event.listen(Engine, f"{when}_cursor_execute", look)
    _watch_quick_reads(when, look)


def _watch_quick_reads(when, look) -> None:  # type: ignore[no-untyped-def]
    """Count what SQLite is asked without SQLAlchemy's connection, too."""
    from zoo_runner.store.sql.database import Database

    read_rows = Database.read_rows

    def read(self, statement, values):  # type: ignore[no-untyped-def]
        if self.is_file and when == "before":
            look(None, None, str(statement))
        rows = read_rows(self, statement, values)
        if self.is_file and when == "after":
            look(None, None, str(statement))
        return rows

    Database.read_rows = read  # type: ignore[method-assign]


if _COMMAND and _COMMAND in sys.orig_argv:
    _watch()
