"""Backup and restore: a drill with a server that works, and what is refused."""

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy

from tests.contract.stores import LONG, PACKAGE, build_job, create
from tests.forms import build_form
from tests.jobs import leave_submitted
from tests.postgres import find_postgres, use_schema
from tests.serving import Server, kill, serving
from tests.site import Site
from tests.values import ROOT, configuration_in
from tests.waiting import wait_for
from zoo_runner.config.server import ServerSettings
from zoo_runner.engines.fake import FakeEngine
from zoo_runner.execution.context import Context
from zoo_runner.execution.execute import execute
from zoo_runner.execution.keeper import Keeper
from zoo_runner.model.errors import SettingsError
from zoo_runner.model.events import EngineLine
from zoo_runner.model.job import Job, Status
from zoo_runner.model.package import NO_PACKAGE
from zoo_runner.model.process import Process
from zoo_runner.server.backup import ASIDE, HARVESTS, MANIFEST, find_folders, restore_backup, write_backup
from zoo_runner.store.protocol import JobQuery
from zoo_runner.store.sql import SqlStore, open_sql_store
from zoo_runner.store.sql.database import Database, build_engine, upgrade
from zoo_runner.store.sql.harvests import SqlHarvests
from zoo_runner.store.sql.notices import Listener
from zoo_runner.store.sql.presence import using_alone

ECHO = ROOT / "examples" / "echo" / "echo.cwl"
SLOW = ROOT / "tests" / "data" / "packages" / "failing" / "slow" / "slow.cwl"
SECRET, TOKEN = "canary-of-the-callbacks", "canary-in-an-address"
DATABASES = ("sqlite", "postgresql")


@contextmanager
def a_database(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'runner.db'}"
        return
    with use_schema(find_postgres()) as url:
        yield url


@contextmanager
def a_store(kind: str, folder: Path) -> Iterator[SqlStore]:
    with a_database(kind, folder) as url:
        store = open_sql_store(url)
        yield store
        store.close()


@pytest.fixture(params=DATABASES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    with a_store(request.param, tmp_path / "old") as opened:
        yield opened


@pytest.fixture(params=DATABASES)
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlStore]:
    with a_store(request.param, tmp_path / "new") as opened:
        yield opened


def read_all(server: Server, job: str) -> dict[str, Any]:
    """What a client sees of a job that has ended."""
    results = server.request("GET", f"/jobs/{job}/results").json
    seen = {
        "status": server.request("GET", f"/jobs/{job}").json,
        "results": results,
        "log": server.request("GET", f"/jobs/{job}/logs/job.log").body,
        "events": server.request("GET", f"/jobs/{job}/events").body,
    }
    return seen | {"text": server.request("GET", results["text"]["href"]).body}


def wipe(folder: Path, site: Site) -> None:
    for name in ("temp", "state", "results"):
        shutil.rmtree(folder / name, ignore_errors=True)
    if url := site.environ.get("ZOO_RUNNER_DATABASE"):
        engine = build_engine(url)
        with engine.begin() as connection:
            schema = connection.execute(sqlalchemy.text("SELECT current_schema()")).scalar()
            connection.execute(sqlalchemy.text(f"DROP SCHEMA {schema} CASCADE"))
            connection.execute(sqlalchemy.text(f"CREATE SCHEMA {schema}"))
        engine.dispose()


@pytest.mark.parametrize("database", DATABASES)
def test_after_a_restore_the_answers_are_the_same_and_jobs_that_ran_are_found_again(
    database: str, tmp_path: Path, package_cache: Path
) -> None:
    site = Site(tmp_path, package_cache).having(
        ZOO_RUNNER_RESULTS_FOLDER=str(tmp_path / "results"),
        ZOO_RUNNER_LEASE="2",
        ZOO_RUNNER_CALLBACK_SECRET=SECRET,
        ZOO_RUNNER_CALLBACK_HOSTS="127.0.0.1",
    )
    if database == "sqlite":
        drill(site, tmp_path)
        return
    with use_schema(find_postgres()) as url:
        drill(site.having(ZOO_RUNNER_DATABASE=url), tmp_path)


def drill(site: Site, folder: Path) -> None:
    file = folder / "kept" / "backup.zip"
    file.parent.mkdir()
    with serving(site.environ, folder) as server:
        deploy(server)
        ended = [server.execute("echo", {"message": f"number {number}"}) for number in range(3)]
        for job in ended:
            server.wait(job)
        running = server.execute("slow", {})
        server.wait(running, "running")
        waiting = server.execute("echo", {"message": "later"})
        before = {job: read_all(server, job) for job in ended}
        body, headers = build_form(("file", "a.txt", b"sent"))
        (sent,) = server.request("POST", "/files", body, headers).json["files"]
        processes = server.request("GET", "/processes").json
        done = site.command("backup", file)
        assert done.returncode == 0, done.stderr
        after_backup = server.execute("echo", {"message": "too late"})
        kill_all(server)
        wipe(folder, site)
        done = site.command("restore", file)
        assert done.returncode == 0, done.stderr
        server.start()
        assert {job: read_all(server, job) for job in ended} == before
        assert server.request("GET", "/processes").json == processes
        assert server.request("GET", sent["href"]).body == b"sent"
        lost = server.wait(running)
        assert (lost["status"], lost["diagnosis"]["code"]) == ("failed", "job.lost")
        assert server.wait(waiting)["status"] == "successful"
        assert server.request("GET", f"/jobs/{after_backup}").status == 404
    assert file.stat().st_mode & 0o077 == 0
    assert not find_in(file, SECRET)


def deploy(server: Server) -> None:
    server.deploy(ECHO)
    server.request("PUT", "/processes/echo", ECHO.read_bytes(), {"Content-Type": "application/cwl"})
    server.deploy(SLOW)


def kill_all(server: Server) -> None:
    """Kill a server with its workers."""
    workers = server.find_workers()
    server.kill()
    for worker in workers:
        kill(worker)


def find_in(file: Path, text: str) -> list[str]:
    """Parts of an archive in which a text is."""
    with zipfile.ZipFile(file) as archive:
        return [name for name in archive.namelist() if text.encode() in archive.read(name)]


def test_what_one_database_wrote_another_takes(store: SqlStore, other: SqlStore, tmp_path: Path) -> None:
    jobs = [build_job(number) for number in range(3)]
    create(store, *jobs)
    secret = {"subscriber": {"successUri": f"https://me:{TOKEN}@there.example/x"}, "inputs": {"a": 1}}
    create(store, replace(build_job(3), status=Status.CREATED, request=secret))
    store.events.append("job-1", [EngineLine("info", "é")])
    store.jobs.lease("job-2", "somebody", LONG)
    process = Process("ws", "p", PACKAGE.digest, {"id": "p"}, "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z")
    store.processes.deploy(process, PACKAGE)
    store.processes.replace(process, PACKAGE)
    store.callbacks.add("job-1", "http://here", False)
    manifest = write_backup(store, {}, tmp_path / "b.zip")
    assert (manifest.count("jobs"), manifest.count("process_versions"), manifest.left_out) == (4, 2, 1)
    restore_backup(other, {}, tmp_path / "b.zip")
    kept = [
        replace(job, request={"inputs": {"a": 1}} if job.request else None) for job in store.jobs.find(JobQuery()).jobs
    ]
    assert list(other.jobs.find(JobQuery()).jobs) == kept
    assert other.processes.get("ws", "p") == store.processes.get("ws", "p")
    assert other.processes.get("ws", "p", 1) == store.processes.get("ws", "p", 1)
    assert list(other.events.read("job-1")) == [(1, EngineLine("info", "é"))]
    assert other.jobs.find_lease("job-2") is None
    with other.database.reading() as connection:
        rows = connection.execute(sqlalchemy.text("SELECT job_id FROM callbacks")).scalars().all()
    assert rows == ["job-1"]
    assert not find_in(tmp_path / "b.zip", TOKEN)


def test_a_job_on_a_cluster_is_followed_again_by_its_handle(store: SqlStore, other: SqlStore, tmp_path: Path) -> None:
    configuration = configuration_in(tmp_path)
    engine = FakeEngine(configuration)

    def open_jobs(of: SqlStore) -> Context:
        keeper = Keeper(of.jobs)
        return Context(of.jobs, of.events, lambda _: configuration.workspace, lambda *_: engine, keeper)

    leave_submitted(open_jobs(store), engine, tmp_path)
    assert store.jobs.claim("lost", LONG)
    write_backup(store, {}, tmp_path / "b.zip")
    restore_backup(other, {}, tmp_path / "b.zip")
    context = open_jobs(other)
    claimed = other.jobs.claim(context.owner, LONG)
    assert claimed
    assert execute(context, claimed.id).status is Status.SUCCESSFUL
    assert engine.removed == ["j1"]


def test_a_backup_of_an_older_schema_is_restored_and_migrated(other: SqlStore, tmp_path: Path) -> None:
    old = Database(build_engine(f"sqlite:///{tmp_path / 'older.db'}"))
    with old.writing() as connection:
        upgrade(connection, "0001")
        columns = {
            name: [row[1] for row in connection.exec_driver_sql(f"PRAGMA table_info({name})")]
            for name in ("packages", "processes", "process_versions", "jobs", "events")
        }
    old.close()
    store = open_sql_store(f"sqlite:///{tmp_path / 'now.db'}")
    create(store, build_job(started="2026-01-01T00:00:00.000Z", finished="2026-01-01T00:00:07.000Z"))
    write_backup(store, {}, tmp_path / "b.zip")
    store.close()
    rewrite(tmp_path / "b.zip", lambda tables: {n: [{c: r[c] for c in columns[n]} for r in tables[n]] for n in columns})
    restore_backup(other, {}, tmp_path / "b.zip")
    assert [job.id for job in other.jobs.find(JobQuery(workspace="ws", min_seconds=7, max_seconds=7)).jobs] == ["job-1"]
    assert [job.id for job in other.jobs.find(JobQuery(workspace="ws", text="OB-1")).jobs] == ["job-1"]


def rewrite(path: Path, change: Callable[[dict[str, Any]], Mapping[str, Any]], schema: str = "0001") -> None:
    """Write an archive anew as a release of an older schema would."""
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read(MANIFEST))
        tables = {
            one["name"]: [json.loads(line) for line in archive.read(f"tables/{one['name']}.jsonl").splitlines()]
            for one in manifest["tables"]
        }
        files = {name: archive.read(name) for name in archive.namelist() if name.startswith("files/")}
    texts = {name: "".join(json.dumps(row) + "\n" for row in rows) for name, rows in change(tables).items()}
    manifest["schema"] = schema
    manifest["tables"] = [
        {"name": name, "rows": text.count("\n"), "digest": sha256(text.encode()).hexdigest()}
        for name, text in texts.items()
    ]
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in texts.items():
            archive.writestr(f"tables/{name}.jsonl", text)
        for name, content in files.items():
            archive.writestr(name, content)
        archive.writestr(MANIFEST, json.dumps(manifest))


def make_job_with_files(folder: Path) -> Job:
    log, result = folder / "temp" / "p_job-1_error.log", folder / "results" / "job-1" / "out.tif"
    for path, text in ((log, "log"), (result, "data")):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    (result.parent / "link").symlink_to("/etc/passwd")
    return build_job(log=str(log), destination=str(result.parent))


def test_files_that_are_there_stay_unless_they_are_to_be_overwritten(tmp_path: Path) -> None:
    folders = {"ZOO_RUNNER_TEMP": tmp_path / "temp", "ZOO_RUNNER_RESULTS_FOLDER": tmp_path / "results"}
    job = make_job_with_files(tmp_path)
    store = open_sql_store(f"sqlite:///{tmp_path / 'a.db'}")
    create(store, job)
    assert write_backup(store, folders, tmp_path / "b.zip").files == 2
    Path(job.log).write_text("longer log")
    (tmp_path / "results" / "job-1" / "out.tif").unlink()
    other = open_sql_store(f"sqlite:///{tmp_path / 'b.db'}")
    restore_backup(other, folders, tmp_path / "b.zip")
    assert Path(job.log).read_text() == "longer log"
    assert (tmp_path / "results" / "job-1" / "out.tif").read_text() == "data"
    restore_backup(other, folders, tmp_path / "b.zip", overwrite=True)
    assert Path(job.log).read_text() == "log"
    assert write_backup(store, folders, tmp_path / "records.zip", files=False).files == 0
    store.close()
    other.close()


def test_files_in_every_folder_that_settings_name_are_saved_and_others_are_counted(tmp_path: Path) -> None:
    own, alpha, elsewhere = (tmp_path / name for name in ("own results", "alpha", "elsewhere"))
    for folder in (own, alpha, elsewhere):
        (folder / "job").mkdir(parents=True)
        (folder / "job" / "out.tif").write_text(folder.name)
    profiles = tmp_path / "profiles.json"
    profiles.write_text(json.dumps({"alpha": {"results": alpha.as_uri()}}))
    configuration = configuration_in(tmp_path)
    storage = replace(configuration.workspace.storage, destination=own.as_uri())
    configuration = replace(configuration, workspace=replace(configuration.workspace, storage=storage))
    folders = find_folders(ServerSettings(workspaces=profiles), configuration)
    store, other = (open_sql_store(f"sqlite:///{tmp_path / name}") for name in ("a.db", "b.db"))
    for number, place in enumerate([(own / "job").as_uri(), str(alpha / "job"), str(elsewhere / "job"), "s3://b/x"]):
        create(store, build_job(number, destination=place))
    manifest = write_backup(store, folders, tmp_path / "b.zip")
    assert (manifest.files, manifest.files_elsewhere) == (2, 1)
    for folder in (own, alpha):
        shutil.rmtree(folder)
    restore_backup(other, folders, tmp_path / "b.zip")
    assert [(folder / "job" / "out.tif").read_text() for folder in (own, alpha)] == ["own results", "alpha"]
    store.close()
    other.close()


def test_what_harvests_have_noted_is_saved_and_goes_to_the_state_of_another_installation(tmp_path: Path) -> None:
    here, there = (configuration_in(tmp_path / name) for name in ("here", "there"))
    noted = here.workspace.folders.harvests
    (noted / "ingester").mkdir(parents=True)
    for name in ("source.json", "ingester/deliveries.json", ".lock"):
        (noted / name).write_text(name)
    store, other = (open_sql_store(f"sqlite:///{tmp_path / name}") for name in ("a.db", "b.db"))
    # also where logs and results stay where they lie
    for files in (True, False):
        written = write_backup(store, find_folders(ServerSettings(), here), tmp_path / f"{files}.zip", files=files)
        assert written.files == 2
    folders = {**find_folders(ServerSettings(), here), HARVESTS: there.workspace.folders.harvests}
    restore_backup(other, folders, tmp_path / "False.zip")
    restored = there.workspace.folders.harvests
    assert {str(one.relative_to(restored)) for one in restored.rglob("*.*")} == {
        "source.json",
        "ingester/deliveries.json",
    }
    assert (restored / "source.json").read_text() == "source.json"
    # records of another time than the processes are not trusted
    for overwrite in (False, True):
        for name in ("source.json", "later.json"):
            (restored / name).write_text("newer")
        restore_backup(other, folders, tmp_path / "True.zip", overwrite=overwrite)
        assert (restored / "source.json").read_text() == "source.json"
        assert not (restored / "later.json").exists()
        assert (restored / f"later.json{ASIDE}").read_text() == "newer"
    store.close()
    other.close()


def test_what_a_harvest_notes_while_a_backup_is_made_is_done_again_after_a_restore(tmp_path: Path) -> None:
    def entry(digest: str, **more: Any) -> dict[str, Any]:
        return {"path": "a.cwl", "digest": digest, "process": "p", "done": True, **more}

    def write(name: str, deployed: dict[str, Any], commit: str) -> None:
        (tmp_path / name).write_text(json.dumps({"source": "s", "commit": commit, "deployed": deployed}))

    before = {"same": entry("1"), "changed": entry("1"), "gone": entry("1")}
    write("record.json", before, "first")
    (tmp_path / "deliveries.json").write_text('{"m": 1}')

    class Late:
        """A store whose snapshot is opened while a harvest goes on."""

        def __init__(self, store: SqlStore) -> None:
            self._store = store

        @property
        def database(self) -> Database:
            write("record.json", {"same": entry("1"), "changed": entry("2"), "new": entry("1")}, "second")
            write("other.json", {"new": entry("1")}, "second")
            (tmp_path / "deliveries.json").write_text('{"m": 2}')
            return self._store.database

    with closing(open_sql_store(f"sqlite:///{tmp_path / 'a.db'}")) as store:
        late = cast(SqlStore, Late(store))
        assert write_backup(late, {HARVESTS: tmp_path}, tmp_path / "b.zip").files == 3
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        record, other, attempts = (
            json.loads(archive.read(f"files/{HARVESTS}/{name}.json")) for name in ("record", "other", "deliveries")
        )
    assert (record["commit"], other["commit"], attempts) == ("", "", {"m": 2})
    assert {name: one["done"] for name, one in record["deployed"].items()} == {
        "same": True,
        "changed": False,
        "gone": False,
        "new": False,
    }
    assert other["deployed"] == {"new": entry("1", done=False)}


def test_what_harvests_have_noted_in_the_database_goes_with_it(
    store: SqlStore, other: SqlStore, tmp_path: Path
) -> None:
    noted, left = SqlHarvests(store.database, "ingest"), SqlHarvests(other.database, "ingest")
    with noted.locked():
        noted.write("a", '{"commit": "1"}')
        noted.write_attempts({"m": 2})
    written = write_backup(store, {}, tmp_path / "b.zip")
    assert (written.count("harvest_records"), written.count("harvest_attempts")) == (1, 1)
    with left.locked():
        # nobody restores below it
        assert refuse(lambda: restore_backup(other, {}, tmp_path / "b.zip")) == "backup.in-use"
        left.write("b", "{}")
    assert refuse(lambda: restore_backup(other, {}, tmp_path / "b.zip")) == "backup.not-empty"
    restore_backup(other, {}, tmp_path / "b.zip", overwrite=True)
    assert (left.list_all(), left.read_attempts()) == ({"a": '{"commit": "1"}'}, {"m": 2})
    with left.locked():
        left.write("a", "{}")


def test_records_of_harvests_in_a_folder_of_their_own_are_saved(tmp_path: Path) -> None:
    here = configuration_in(tmp_path)
    folders = find_folders(ServerSettings(records=str(tmp_path / "records")), here)
    assert folders[HARVESTS] == (tmp_path / "records").resolve()
    in_database = find_folders(ServerSettings(records="postgresql://db/x"), here)
    assert in_database[HARVESTS] == here.workspace.folders.harvests.resolve()


def test_a_database_with_content_is_not_overwritten_by_accident(store: SqlStore, tmp_path: Path) -> None:
    create(store, build_job(1), build_job(2))
    path = tmp_path / "b.zip"
    write_backup(store, {}, path)
    assert refuse(lambda: write_backup(store, {}, path)) == "backup.exists"
    assert refuse(lambda: restore_backup(store, {}, path)) == "backup.not-empty"
    create(store, build_job(3))
    lease = store.jobs.lease("job-3", "somebody", LONG)
    assert lease
    assert refuse(lambda: restore_backup(store, {}, path, overwrite=True)) == "backup.in-use"
    store.jobs.release(lease)
    listener = Listener(store.database, lambda _: None)
    wait_for(lambda: is_in_use(store))
    assert refuse(lambda: restore_backup(store, {}, path, overwrite=True)) == "backup.in-use"
    listener.stop()
    wait_for(lambda: not is_in_use(store))
    restore_backup(store, {}, path, overwrite=True)
    assert [job.id for job in store.jobs.find(JobQuery()).jobs] == ["job-2", "job-1"]


def is_in_use(store: SqlStore) -> bool:
    try:
        with using_alone(store.database):
            return False
    except SettingsError:
        return True


def refuse(act: Callable[[], object]) -> str:
    with pytest.raises(SettingsError) as caught:
        act()
    return caught.value.diagnosis.code


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-200]), "backup.damaged"),
        (lambda path: path.write_bytes(b""), "backup.damaged"),
        (damage, "backup.damaged"),
        (lambda path: path.unlink(), "disk.failed"),
        (lambda path: rewrite(path, lambda tables: tables, "9999"), "backup.newer"),
        (lambda path: rewrite(path, lambda tables: tables, ""), "backup.damaged"),
        (lambda path: rewrite(path, lambda tables: tables, "0000"), "backup.damaged"),
        (lambda path: rewrite(path, lambda tables: {**tables, "none": []}), "backup.damaged"),
        (lambda path: rewrite(path, lambda tables: {**tables, "jobs": [{"id": "x"}]}, "0003"), "backup.damaged"),
    ],
    ids=["cut off", "empty", "one bit", "gone", "newer", "no schema", "no such schema", "unknown table", "other rows"],
)
def test_an_archive_that_cannot_be_used_changes_nothing(
    store: SqlStore, tmp_path: Path, change: Callable[[Path], object], code: str
) -> None:
    create(store, *(replace(build_job(number), inputs={"x": "y" * 100}) for number in range(20)))
    path = tmp_path / "b.zip"
    write_backup(store, {}, path)
    change(path)
    assert refuse(lambda: restore_backup(store, {}, path, overwrite=True)) == code
    assert len(store.jobs.find(JobQuery()).jobs) == 20
    assert store.jobs.load_package(PACKAGE.digest) == PACKAGE


def test_a_backup_of_other_folders_is_refused_with_their_names(tmp_path: Path) -> None:
    store = open_sql_store(f"sqlite:///{tmp_path / 'a.db'}")
    store.jobs.create(build_job(package=NO_PACKAGE.digest), NO_PACKAGE)
    write_backup(store, {"ZOO_RUNNER_TEMP": tmp_path / "x"}, tmp_path / "b.zip")
    other = open_sql_store(f"sqlite:///{tmp_path / 'b.db'}")
    assert refuse(lambda: restore_backup(other, {"ZOO_RUNNER_TEMP": tmp_path}, tmp_path / "b.zip")) == "backup.folders"
    store.close()
    other.close()


def test_where_the_rows_do_not_fit_no_file_is_replaced(tmp_path: Path) -> None:
    folders = {"ZOO_RUNNER_TEMP": tmp_path / "temp", "ZOO_RUNNER_RESULTS_FOLDER": tmp_path / "results"}
    job = make_job_with_files(tmp_path)
    with closing(open_sql_store(f"sqlite:///{tmp_path / 'a.db'}")) as store:
        create(store, job)
        archive = tmp_path / "b.zip"
        assert write_backup(store, folders, archive).files == 2
        rewrite(archive, lambda tables: {**tables, "jobs": [{"id": "x"}]}, "0003")
        Path(job.log).write_text("newer log")
        assert refuse(lambda: restore_backup(store, folders, archive, overwrite=True)) == "backup.damaged"
    assert Path(job.log).read_text() == "newer log"
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize("name", ["../outside", "ZOO_RUNNER_TEMP/../../outside", "none/x", "ZOO_RUNNER_TEMP"])
def test_an_archive_writes_nothing_outside_of_the_folders(tmp_path: Path, name: str) -> None:
    folders = {"ZOO_RUNNER_TEMP": tmp_path / "temp"}
    store = open_sql_store(f"sqlite:///{tmp_path / 'a.db'}")
    write_backup(store, folders, tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip", "a") as archive:
        archive.writestr(f"files/{name}", "x")
    assert refuse(lambda: restore_backup(store, folders, tmp_path / "b.zip")) == "backup.damaged"
    assert not list(tmp_path.glob("**/outside"))
    store.close()
