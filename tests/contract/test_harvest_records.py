"""What was deployed is kept in a folder, or in a database; both do the same, also where a process is killed."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from tests.postgres import find_postgres, use_schema
from tests.waiting import wait_for
from zoo_runner.harvest.delivery import MOST_COUNTED, Attempts
from zoo_runner.harvest.planning import Deployed
from zoo_runner.harvest.record_places import open_records
from zoo_runner.harvest.records import FolderRecords, Record, Records
from zoo_runner.model.errors import EngineError, NotReachedError, RunnerError, SettingsError
from zoo_runner.store.errors import HeldError
from zoo_runner.store.sql import open_sql_store
from zoo_runner.store.sql.database import open_database
from zoo_runner.store.sql.snapshot import TABLES, open_snapshot, replace_rows

RECORD = Record(
    "https://git.example.org/w#main",
    "c0ffee 1",
    {"a \0 é": Deployed("a.cwl", "d", "p", done=False, attempts=3, error="it said 'no'")},
    {"b.cwl": 5},
    {"good": True, "said": "1 workflows are deployed"},
    ("c",),
    ("main", "release/1"),
    {"net.cwl": 2},
)
OTHER = replace(RECORD, commit="2")


@contextmanager
def use_place(kind: str, folder: Path) -> Iterator[str]:
    if kind == "postgresql":
        with use_schema(find_postgres()) as url:
            yield url
        return
    yield str(folder / "records") if kind == "folder" else f"sqlite:///{folder / 'runner.db'}"


@pytest.fixture(params=["folder", "sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with use_place(request.param, tmp_path) as place:
        yield place


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with use_place(request.param, tmp_path) as place:
        yield place


@contextmanager
def open_with(place: str, part: str, old: Path | None = None) -> Iterator[tuple[Records, int]]:
    with tempfile.TemporaryDirectory() as cache, open_records(place, part, Path(cache), old) as opened:
        yield opened


@contextmanager
def opened(place: str, part: str = "harvest") -> Iterator[Records]:
    with open_with(place, part) as (records, _):
        yield records


def refuse(act: Callable[[], object]) -> str:
    with pytest.raises(RunnerError) as caught:
        act()
    return caught.value.diagnosis.code


def test_a_record_is_read_as_it_was_written(place: str) -> None:
    with opened(place) as records, records.locked():
        assert records.read("a", "new") == Record("new")
        records.write("a", RECORD)
        records.write("b", OTHER)
        assert records.read("a", RECORD.source) == RECORD
        assert records.scratch.is_dir()
        records.write("a", OTHER)
    with opened(place) as records:
        assert records.read("a", "another name") == replace(OTHER, source="another name")
        assert records.list_all() == {"a": OTHER, "b": OTHER}


def test_attempts_are_counted_across_runs_and_the_oldest_are_forgotten(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo_runner.harvest.delivery.MOST_COUNTED", 3)
    with opened(place, "ingest") as records, records.locked():
        attempts = Attempts(records)
        assert [attempts.begin(name) for name in "aab"] == [1, 2, 1]
        attempts.take_back("b")
    with opened(place, "ingest") as records, records.locked():
        attempts = Attempts(records)
        assert [attempts.begin(name) for name in "abcd"] == [3, 1, 1, 1]
        attempts.forget("c")
    assert MOST_COUNTED == 10_000
    with opened(place, "ingest") as records:
        assert records.read_attempts() == {"b": 1, "d": 1}


def test_one_process_at_a_time_has_the_lock(place: str) -> None:
    with opened(place) as first, opened(place) as second:
        with first.locked():
            assert refuse(lambda: second.locked().__enter__()) == "harvest.busy"
        with second.locked():
            second.write("a", RECORD)


def test_in_a_database_harvests_and_messages_have_a_lock_each(database: str) -> None:
    with opened(database, "harvest") as one, opened(database, "ingest") as other, one.locked(), other.locked():
        one.write("a", RECORD)
        other.write("b", OTHER)
        assert one.list_all() == other.list_all() == {"a": RECORD, "b": OTHER}


HOLD = """
import sys
from pathlib import Path
from zoo_runner.harvest.record_places import open_records
with open_records(sys.argv[1], "harvest", Path(sys.argv[2])) as (records, _), records.locked():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_process_that_is_killed_has_the_lock_no_more(place: str, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, place, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stdout.readline() == "held\n"
        with opened(place) as records:
            assert refuse(lambda: records.locked().__enter__()) == "harvest.busy"
            os.kill(process.pid, signal.SIGKILL)
            process.wait()

            def is_free() -> bool:
                try:
                    with records.locked():
                        return True
                except HeldError:
                    return False

            if place.startswith("postgresql"):
                # its server process sees that nobody is there
                wait_for(is_free, 30)
            assert is_free() or place.startswith("/")
            with records.locked():
                records.write("a", RECORD)


def test_who_has_lost_the_lock_to_another_writes_no_more() -> None:
    with use_schema(find_postgres()) as url, opened(url) as first, opened(url) as second:
        with first.locked(), psycopg.connect(url, autocommit=True) as other:
            first.write("a", RECORD)
            # the connection that has the lock breaks, and others of the process do not
            found = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND objid ="
            key = " (SELECT hashtext(current_schema() || ' harvest')::bigint & 4294967295)"
            other.execute((f"SELECT pg_terminate_backend(pid) FROM ({found}{key}) AS holders").encode())
            # nobody else came: it goes on
            first.write("a", OTHER)
            with second.locked():
                assert refuse(lambda: first.write("a", RECORD)) == "harvest.busy"
                assert refuse(lambda: first.write_attempts({"m": 1})) == "harvest.busy"
                assert second.read("a", "") == OTHER
        with second.locked():
            second.write("a", RECORD)


def test_without_the_lock_nothing_is_written_to_a_database(database: str) -> None:
    with opened(database) as records:
        assert refuse(lambda: records.write("a", RECORD)) == "harvest.busy"
        assert records.list_all() == {}


def test_records_of_a_folder_are_taken_over_once_and_nothing_of_the_database_is_lost(
    database: str, tmp_path: Path
) -> None:
    folder = FolderRecords(tmp_path / "old")
    assert refuse(lambda: open_with(database, "harvest", folder.folder).__enter__()) == "harvest.records"
    with folder.locked():
        folder.write("a", RECORD)
        folder.write("b", RECORD)
        folder.write_attempts({"m": 4, "n": 1})
        # somebody still goes on with the folder
        assert refuse(lambda: open_with(database, "harvest", folder.folder).__enter__()) == "harvest.busy"
    with opened(database, "ingest") as records, records.locked():
        records.write("b", OTHER)
        records.write_attempts({"n": 2})
    for expected in (1, 0):
        with open_with(database, "harvest", folder.folder) as (records, taken):
            assert taken == expected
            assert records.list_all() == {"a": RECORD, "b": OTHER}
            assert records.read_attempts() == {"n": 2, "m": 4}
            with records.locked():
                records.write("b", OTHER)
    assert folder.list_all() == {"a": RECORD, "b": RECORD}


def test_a_record_that_is_damaged_changes_nothing_when_it_is_taken_over(database: str, tmp_path: Path) -> None:
    folder = FolderRecords(tmp_path / "old")
    with folder.locked():
        folder.write("a", RECORD)
    (folder.folder / "b.json").write_text("{")
    assert refuse(lambda: open_with(database, "harvest", folder.folder).__enter__()) == "harvest.records"
    with opened(database) as records:
        assert records.list_all() == {}
    assert refuse(lambda: open_with(str(tmp_path), "harvest", folder.folder).__enter__()) == "harvest.records"


def test_a_damaged_record_of_a_database_is_named(database: str) -> None:
    with closing(open_sql_store(database)) as store, opened(database) as records:
        with store.database.writing() as connection:
            connection.exec_driver_sql("INSERT INTO harvest_records VALUES ('a', '[]', 'now')")
        with pytest.raises(SettingsError) as caught:
            records.read("a", "the source")
    assert (caught.value.diagnosis.code, "record a" in str(caught.value)) == ("harvest.records", True)


@contextmanager
def a_role(url: str, *statements: str) -> Iterator[str]:
    """Make a role of the server with permissions in the schema of a URL, and give the URL for it."""
    name = f"harvester_{secrets.token_hex(6)}"
    schema = url.rsplit("search_path%3D", 1)[1]
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute(f"CREATE ROLE {name} LOGIN".encode())
        try:
            for statement in statements:
                owner.execute(statement.format(schema=schema, role=name).encode())
            parts = urlsplit(url)
            yield urlunsplit(parts._replace(netloc=f"{name}@{parts.netloc.rpartition('@')[2]}"))
        finally:
            owner.execute(f"DROP OWNED BY {name}".encode())
            owner.execute(f"DROP ROLE {name}".encode())


GRANTS = (
    "GRANT USAGE ON SCHEMA {schema} TO {role}",
    "GRANT SELECT ON alembic_version TO {role}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON harvest_records, harvest_attempts, harvest_holders TO {role}",
)


def read_rows(url: str, table: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        try:
            connection.execute(f"SELECT * FROM {table} LIMIT 1".encode()).fetchall()
        except psycopg.errors.InsufficientPrivilege as error:
            return error.sqlstate or ""
    return ""


def test_a_role_of_its_own_reaches_the_records_alone_and_keeps_them_after_a_restore() -> None:
    with use_schema(find_postgres()) as url, closing(open_sql_store(url)) as store, a_role(url, *GRANTS) as own:
        with opened(own) as records, records.locked():
            records.write("a", RECORD)
        with opened(own, "ingest") as records, records.locked():
            records.write_attempts({"m": 1, "n": None})
        assert [name for name in TABLES if not read_rows(own, name)] == ["harvest_attempts", "harvest_records"]
        assert read_rows(own, "tokens") == read_rows(own, "audit") == "42501"
        with open_snapshot(store.database) as snapshot:
            rows = [(name, list(snapshot.read(name))) for name in TABLES]
        replace_rows(store.database, snapshot.schema, rows)
        with opened(own) as records, records.locked():
            assert records.list_all() == {"a": RECORD}
            records.write("a", OTHER)
        assert read_rows(own, "jobs") == "42501"


def test_a_role_that_may_not_bring_the_schema_up_to_date_is_refused() -> None:
    with use_schema(find_postgres()) as url:
        with a_role(url) as own:
            assert refuse(lambda: opened(own).__enter__()) == "store.denied"
        open_database(url).close()
        with a_role(url, *GRANTS[:2]) as own, opened(own) as records, pytest.raises(EngineError) as caught:
            records.read("a", "")
    assert (caught.value.diagnosis.code, isinstance(caught.value, NotReachedError)) == ("store.denied", False)


def test_a_folder_that_cannot_be_used_is_refused_and_one_that_goes_away_is_an_outage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for wrong in (tmp_path / "file", tmp_path / "file" / "records"):
        with pytest.raises(SettingsError) as refused, FolderRecords(wrong).locked():
            pass
        assert (refused.value.diagnosis.code, str(wrong) in str(refused.value)) == ("harvest.records", True)
    records = FolderRecords(tmp_path / "records")
    with records.locked():
        shutil.rmtree(records.folder)
        records.folder.write_text("")
        with pytest.raises(NotReachedError) as away:
            records.write("key", RECORD)
    assert away.value.diagnosis.code == "harvest.records"
