"""What a database keeps beyond jobs and events: processes with versions, the queue, its schema."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from tests.contract.stores import LONG, OVER, PACKAGE, build_job, create
from tests.postgres import find_postgres, use_schema
from zoo_runner.model import clock
from zoo_runner.model.audit import AuditEntry
from zoo_runner.model.codec import to_plain
from zoo_runner.model.diagnosis import Diagnosis, Level, Stage
from zoo_runner.model.errors import (
    EngineError,
    InputError,
    NotReachedError,
    ProcessExistsError,
    ProcessNotFoundError,
    SettingsError,
)
from zoo_runner.model.events import EngineLine, Event, StageStarted, StepReused, StepStarted
from zoo_runner.model.job import Outcome, Results, Status
from zoo_runner.model.needs import Needs
from zoo_runner.model.process import Process
from zoo_runner.model.session import Session
from zoo_runner.model.step_token import KeptToken
from zoo_runner.model.stored_results import StoredResults
from zoo_runner.model.token import PersonalToken
from zoo_runner.model.workspace import Quota
from zoo_runner.store.protocol import JobQuery, Share
from zoo_runner.store.selection import Cause, select_page
from zoo_runner.store.sql import SqlStore, migrations, open_sql_store
from zoo_runner.store.sql.database import Database, build_engine, upgrade
from zoo_runner.store.sql.jobs import CallerJobs
from zoo_runner.store.sql.packages import keep_package
from zoo_runner.store.sql.schema import METADATA
from zoo_runner.store.sql.snapshot import replace_rows

OTHER = replace(PACKAGE, digest="b" * 64)
NOW = "2026-01-01T00:00:00.000Z"
LATER = "2026-01-01T00:00:07.000Z"
# every schema that there ever was
REVISIONS = sorted(path.name[:4] for path in (Path(migrations.__file__).parent / "versions").glob("[0-9]*.py"))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'store' / 'runner.db'}"
        return
    with use_schema(find_postgres()) as schema:
        yield schema


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    store = open_sql_store(url)
    yield store
    store.close()


def build_process(process_id: str = "p", workspace: str = "ws", **more: object) -> Process:
    process = Process(workspace, process_id, PACKAGE.digest, {"id": process_id, "version": "1.0"}, NOW, NOW)
    return replace(process, **more)  # type: ignore[arg-type]


def test_the_oldest_job_that_waits_is_one_that_nobody_works_on_and_that_has_not_begun(store: SqlStore) -> None:
    assert store.jobs.find_oldest_waiting() is None
    jobs = [build_job(number) for number in range(4)]
    create(store, *jobs)
    store.jobs.update(replace(store.jobs.get(jobs[0].id), status=Status.RUNNING))
    assert store.jobs.lease(jobs[1].id, "somebody", 60)
    assert store.jobs.find_oldest_waiting() == jobs[2].created


def test_a_count_is_of_all_pages(store: SqlStore) -> None:
    create(store, *(build_job(number) for number in range(4)))
    page = store.jobs.find(JobQuery(limit=1))
    assert store.jobs.count(JobQuery(limit=1, cursor=page.next)) == 4


def test_the_queue_gives_each_job_to_one_worker(store: SqlStore) -> None:
    create(store, *(build_job(number) for number in range(24)))
    start = threading.Barrier(6)

    def work(owner: str) -> list[str]:
        start.wait()
        return [job.id for job in iter(lambda: store.jobs.claim(owner, LONG), None)]

    with ThreadPoolExecutor(6) as pool:
        claimed = Counter(job_id for ids in pool.map(work, "abcdef") for job_id in ids)
    assert claimed == Counter(f"job-{number}" for number in range(24))


def test_the_queue_goes_by_priority_then_by_workspace_then_by_age(store: SqlStore) -> None:
    create(
        store,
        build_job(1),
        build_job(2),
        build_job(3, workspace="small"),
        build_job(4, workspace="small", priority=5),
    )
    order = [job.id for job in iter(lambda: store.jobs.claim("me", LONG), None)]
    # after the urgent job `small` has one job at work, so the other workspace is next, then they are even
    assert order == ["job-4", "job-1", "job-2", "job-3"]


def test_a_workspace_with_many_jobs_does_not_keep_another_waiting(store: SqlStore) -> None:
    create(store, *(build_job(number) for number in range(10)), build_job(30, workspace="small"))
    order = [job.workspace for job in iter(lambda: store.jobs.claim("me", LONG), None)]
    assert order.index("small") == 1


def test_a_workspace_gets_at_most_its_share_also_from_workers_at_once(store: SqlStore) -> None:
    create(store, *(build_job(number) for number in range(12)))
    share = Share(most_per_workspace=3)
    with ThreadPoolExecutor(6) as pool:
        claimed = list(pool.map(lambda number: store.jobs.claim(f"worker-{number}", LONG, share), range(12)))
    assert len([job for job in claimed if job]) == 3


def test_a_workspace_gets_at_most_its_own_limit_also_from_workers_at_once(store: SqlStore) -> None:
    create(store, *(build_job(number) for number in range(8)), build_job(30, workspace="small"))
    share = Share(quota_of=lambda workspace: Quota(running_jobs=None if workspace == "small" else 2))
    with ThreadPoolExecutor(6) as pool:
        claimed = list(pool.map(lambda number: store.jobs.claim(f"worker-{number}", LONG, share), range(9)))
    names = [job.workspace for job in claimed if job]
    assert (len(names), names.count("small")) == (3, 1)


def test_jobs_of_a_workspace_take_together_at_most_its_quota_also_from_workers_at_once(store: SqlStore) -> None:
    create(store, *(build_job(number, needs=Needs(1.5, 512)) for number in range(8)), build_job(30, workspace="small"))
    quotas = {"ws": Quota(cores=4, memory_mib=4096), "small": Quota(memory_mib=1)}
    share = Share(quota_of=lambda workspace: quotas[workspace])
    with ThreadPoolExecutor(6) as pool:
        claimed = list(pool.map(lambda number: store.jobs.claim(f"worker-{number}", LONG, share), range(9)))
    names = [job.workspace for job in claimed if job]
    assert (names.count("ws"), names.count("small")) == (2, 1)
    assert store.jobs.measure_leased("ws") == (2, Needs(3, 1024))


def test_a_job_that_runs_without_a_worker_keeps_its_room_and_is_followed_again(store: SqlStore) -> None:
    quota = Share(quota_of=lambda _: Quota(cores=2, running_jobs=1), most_per_workspace=1)
    create(store, build_job(1, needs=Needs(2, 1), status=Status.RUNNING), build_job(2, needs=Needs(2, 1)))
    assert store.jobs.claim("lost", OVER, quota) is not None
    assert store.jobs.measure_leased("ws")[0] == 1
    claimed = store.jobs.claim("next", LONG, quota)
    assert claimed is not None
    assert claimed.id == "job-1"
    assert store.jobs.claim("next", LONG, quota) is None


def test_a_large_job_that_waited_for_long_gets_its_turn_before_smaller_ones(store: SqlStore) -> None:
    quota = Share(quota_of=lambda _: Quota(cores=4))
    small, later = (build_job(number, needs=Needs(1, 1), created=clock.now()) for number in (1, 3))
    create(store, small, build_job(2, needs=Needs(4, 1), created=clock.after(-3600)), later)
    first = store.jobs.claim("a", LONG, Share(quota_of=lambda _: Quota(cores=4), without=frozenset({"job-2"})))
    assert first is not None
    assert first.id == "job-1"
    assert store.jobs.claim("b", LONG, quota) is None
    store.jobs.release_all("a")
    store.jobs.update(replace(store.jobs.get("job-1"), status=Status.SUCCESSFUL))
    turn = store.jobs.claim("b", LONG, quota)
    assert turn is not None
    assert turn.id == "job-2"


def test_a_worker_gets_jobs_of_its_engines(store: SqlStore) -> None:
    create(store, build_job(1, engine="calrissian"), build_job(2))
    claimed = store.jobs.claim("me", LONG, Share(engines=("local",)))
    assert claimed is not None
    assert claimed.id == "job-2"
    assert store.jobs.claim("me", LONG, Share(engines=("local",))) is None


def test_a_job_whose_worker_was_lost_is_in_the_queue_again(store: SqlStore) -> None:
    create(store, build_job(status=Status.RUNNING))
    assert store.jobs.claim("lost", OVER) is not None
    claimed = store.jobs.claim("next", LONG)
    assert claimed is not None
    assert claimed.status is Status.RUNNING


def test_a_deployed_process_is_read_and_listed(store: SqlStore) -> None:
    deployed = store.processes.deploy(build_process(), PACKAGE)
    assert deployed.number == 1
    assert store.processes.get("ws", "p") == deployed
    assert store.processes.find("ws").processes == (deployed,)
    assert store.processes.load_package(deployed.package) == PACKAGE


def test_a_process_id_is_taken_in_its_workspace_only(store: SqlStore) -> None:
    store.processes.deploy(build_process(), PACKAGE)
    store.processes.deploy(build_process(workspace="other"), PACKAGE)
    with pytest.raises(ProcessExistsError):
        store.processes.deploy(build_process(), PACKAGE)
    assert len(store.processes.find("ws").processes) == 1


def test_a_replaced_process_stays_readable_by_its_number(store: SqlStore) -> None:
    first = store.processes.deploy(build_process(), PACKAGE)
    second = store.processes.replace(build_process(package=OTHER.digest), OTHER)
    assert second.number == 2
    assert store.processes.get("ws", "p") == second
    assert store.processes.get_number("ws", "p") == second.number
    assert store.processes.get("ws", "p", 1) == first


def test_replacing_at_once_gives_each_its_number(store: SqlStore) -> None:
    store.processes.deploy(build_process(), PACKAGE)
    with ThreadPoolExecutor(4) as pool:
        numbers = pool.map(lambda _: store.processes.replace(build_process(), PACKAGE).number, range(8))
    assert sorted(numbers) == list(range(2, 10))


def test_a_version_that_was_replaced_meanwhile_is_not_changed(store: SqlStore) -> None:
    first = store.processes.deploy(build_process(), PACKAGE)
    second = store.processes.replace(build_process(package=OTHER.digest), OTHER, first.number)
    for change in (
        lambda: store.processes.replace(build_process(), PACKAGE, first.number),
        lambda: store.processes.undeploy("ws", "p", first.number),
    ):
        with pytest.raises(InputError) as caught:
            change()
        assert caught.value.diagnosis.code == "request.precondition"
    assert store.processes.get("ws", "p") == second
    store.processes.undeploy("ws", "p", second.number)
    with pytest.raises(ProcessNotFoundError):
        store.processes.undeploy("ws", "p", second.number)


def list_packages(store: SqlStore) -> set[str]:
    with store.database.reading() as connection:
        return set(connection.execute(sqlalchemy.select(METADATA.tables["packages"].c.digest)).scalars())


def test_versions_that_are_neither_deployed_nor_run_are_removed_with_their_packages(store: SqlStore) -> None:
    packages = [replace(PACKAGE, digest=letter * 64) for letter in "abcde"]
    run, idle, late, current, gone = packages
    store.processes.deploy(build_process(package=run.digest), run)
    store.jobs.create(build_job(package=run.digest), run)
    for package, updated in ((idle, NOW), (late, "2026-01-03T00:00:00.000Z"), (current, NOW)):
        store.processes.replace(build_process(package=package.digest, updated=updated), package)
    store.processes.deploy(build_process(id="gone", package=gone.digest), gone)
    store.processes.undeploy("ws", "gone")
    # the package of one that was undeployed is deployed elsewhere
    store.processes.deploy(build_process(id="shared", package=current.digest), current)
    store.processes.undeploy("ws", "shared")
    assert store.processes.remove_versions("2026-01-02T00:00:00.000Z", at_once=1) == 3
    assert list_packages(store) == {run.digest, late.digest, current.digest}
    assert store.processes.get("ws", "p").package == current.digest
    assert store.processes.get("ws", "p", 1).package == run.digest
    with pytest.raises(ProcessNotFoundError):
        store.processes.get("ws", "p", 2)
    assert store.jobs.load_package(run.digest) == run
    store.jobs.delete("job-1")
    assert store.processes.remove_versions("2026-01-04T00:00:00.000Z") == 2
    assert list_packages(store) == {current.digest}
    assert store.processes.deploy(build_process(id="gone", package=gone.digest), gone).number == 2


def test_a_package_that_a_job_is_about_to_run_is_not_removed(store: SqlStore, url: str) -> None:
    store.processes.deploy(build_process(), PACKAGE)
    store.processes.undeploy("ws", "p")
    others = open_sql_store(url)
    removed = threading.Event()

    def remove() -> None:
        others.processes.remove_versions(NOW)
        removed.set()

    with store.database.writing() as connection:
        keep_package(store.database, connection, PACKAGE)
        remover = threading.Thread(target=remove)
        remover.start()
        if not store.database.is_file:
            assert removed.wait(60), "whoever removes does not wait for those who use a package"
            assert list_packages(store) == {PACKAGE.digest}
    remover.join()
    others.close()
    # on SQLite it was removed afterwards, as nobody ran it
    assert list_packages(store) <= {PACKAGE.digest}
    create(store, build_job())
    assert store.jobs.load_package(PACKAGE.digest) == PACKAGE


def test_an_undeployed_process_is_gone_and_its_id_is_free(store: SqlStore) -> None:
    store.processes.deploy(build_process(), PACKAGE)
    store.processes.undeploy("ws", "p")
    assert store.processes.find("ws").processes == ()
    with pytest.raises(ProcessNotFoundError):
        store.processes.get("ws", "p")
    with pytest.raises(ProcessNotFoundError):
        store.processes.get_number("ws", "p")
    assert store.processes.deploy(build_process(), PACKAGE).number == 2


@pytest.mark.parametrize(
    "act",
    [
        lambda store: store.processes.get("ws", "none"),
        lambda store: store.processes.get("ws", "p", 7),
        lambda store: store.processes.get("other", "p"),
        lambda store: store.processes.undeploy("ws", "none"),
        lambda store: store.processes.replace(build_process("none"), PACKAGE),
        lambda store: store.processes.load_package("0" * 64),
    ],
)
def test_a_process_that_is_not_deployed_is_not_found(store: SqlStore, act: Callable[[SqlStore], object]) -> None:
    store.processes.deploy(build_process(), PACKAGE)
    with pytest.raises(ProcessNotFoundError):
        act(store)


def test_pages_show_every_process_once_by_id(store: SqlStore) -> None:
    for process_id in "cabed":
        store.processes.deploy(build_process(process_id), PACKAGE)
    first = store.processes.find("ws", limit=3)
    second = store.processes.find("ws", limit=3, cursor=first.next)
    assert [process.id for process in (*first.processes, *second.processes)] == list("abcde")
    assert second.next is None


def test_what_was_stored_is_there_after_a_restart(url: str) -> None:
    store = open_sql_store(url)
    job = store.jobs.create(build_job(), PACKAGE)
    store.close()
    again = open_sql_store(url)
    assert again.jobs.get("job-1") == job
    again.close()


def test_many_open_a_new_database_at_once(url: str) -> None:
    def open_and_create(number: int) -> None:
        store = open_sql_store(url)
        create(store, build_job(number))
        store.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(open_and_create, range(4)))
    store = open_sql_store(url)
    assert len(store.jobs.find(JobQuery()).jobs) == 4
    store.close()


def test_the_migrations_lead_to_the_tables_of_the_code(store: SqlStore) -> None:
    ensure_schema(store)


@pytest.mark.parametrize("schema", REVISIONS)
def test_a_database_of_every_earlier_schema_is_migrated_with_all_that_it_has(url: str, schema: str) -> None:
    database = Database(build_engine(url))
    with database.writing() as connection:
        upgrade(connection, schema)
        odd = {"message": 'a null character \0, "deployed_in": "no"', "half": "10.50"}
        job = build_job(started=NOW, finished=LATER, inputs=odd, deployed_in="other", caller="ada \0")
        ended = replace(job, outcome=Outcome(Status.SUCCESSFUL, Results({}, {}, "", TWO_FILES)))
        body = json.dumps({name: one for name, one in to_plain(ended).items() if name != "title"})
        values = {"digest": PACKAGE.digest, "package": json.dumps(to_plain(LABELLED)), "body": body}
        values |= {"destination": job.destination, "later": LATER, "failed": json.dumps(to_plain(WITHOUT_BAND))}
        values |= {"process": json.dumps(to_plain(build_process())), "event": json.dumps(EVENT), "now": NOW}
        values["addresses"] = json.dumps({"successful": "http://a", "failed": "http://b", "dismissed": "http://b"})
        for statement in (
            *OLD_ROWS,
            *(OLD_TIMES if schema > "0001" else ()),
            *(SEARCH_TEXT if schema > "0007" else ()),
            *(DEPLOYED_IN if schema > "0011" else ()),
            *(OLD_CALLBACK if schema == "0003" else ()),
            *(CALLBACK if schema > "0003" else ()),
            *(STORED if schema > "0012" else ()),
            *FAILED_ROW,
            *(FAILED_CAUSE if schema > "0017" else ()),
            *(SEARCHED if schema > "0018" else ()),
        ):
            connection.execute(sqlalchemy.text(statement), values)
    database.close()
    store = open_sql_store(url)
    ensure_found(store)
    assert store.results.measure("ws") == 42
    assert store.results.find("ws", "job-1") == StoredResults("job-1", "ws", job.destination, 42, LATER)
    assert store.processes.get("ws", "p") == build_process()
    assert store.processes.load_package(PACKAGE.digest) == LABELLED
    assert store.jobs.get("job-1").title == ("Water bodies" if schema < "0019" else None)
    assert list(store.events.read("job-1")) == [(1, EngineLine("info", "x"))]
    claimed = store.callbacks.claim(LONG)
    assert (claimed.job_id if claimed else None) == ("job-1" if schema > "0002" else None)
    subscriber = {"successUri": "http://a", "failedUri": "http://b"}
    assert store.jobs.get("job-1").request == ({"subscriber": subscriber} if schema == "0003" else None)
    ensure_schema(store)
    store.close()


def ensure_found(store: SqlStore) -> None:
    """Ensure that the jobs of an earlier schema are in lists as those of this one are."""
    assert [job.id for job in store.jobs.find(JobQuery(workspace="ws", min_seconds=7, max_seconds=7)).jobs] == ["job-1"]
    assert [job.id for job in store.jobs.find(JobQuery(workspace="ws", deployed_in="other")).jobs] == ["job-1"]
    both = ["job-2", "job-1"]
    for words, found in (
        ("OB-1", both[1:]),
        ("ER \ufffd", both[1:]),
        ("10.50", both[1:]),
        ("AND 9", both[:1]),
        ("WATER", both),
    ):
        assert [job.id for job in store.jobs.find(JobQuery(workspace="ws", text=words)).jobs] == found
    assert store.jobs.find(JobQuery(text="10.50", in_inputs=False)).jobs == ()
    assert [job.id for job in store.jobs.find(JobQuery(workspace="ws", caller="ada \0")).jobs] == ["job-1"]
    assert store.jobs.count_by_caller(9) == [CallerJobs("ws", "ada \ufffd", 1, 0, 0, 0, NOW)]
    of_cause = JobQuery(codes=("step.failed",), steps=("clip",))
    assert [job.id for job in store.jobs.find(of_cause).jobs] == ["job-2"]


def ensure_schema(store: SqlStore) -> None:
    with store.database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


LABELLED = replace(PACKAGE, document={**PACKAGE.document, "id": "#main", "label": "Water bodies"})
NO_BAND = Outcome(
    Status.FAILED, diagnosis=Diagnosis(Stage.EXECUTE, Level.USER, "no band 9", "Look.", step="clip", code="step.failed")
)
WITHOUT_BAND = replace(build_job(2), status=Status.FAILED, outcome=NO_BAND)
FAILED_ROW = (
    "INSERT INTO jobs (id, workspace, process_id, engine, status, created, priority, package, version, event_count,"
    " body) VALUES ('job-2', 'ws', 'other', 'local', 'failed', :now, 0, :digest, 1, 0, :failed)",
)
FAILED_CAUSE = ("UPDATE jobs SET cause_code = 'step.failed', cause_step = 'clip' WHERE id = 'job-2'",)
EVENT = {"event": "EngineLine", "severity": "info", "text": "x"}
OLD_ROWS = (
    "INSERT INTO packages VALUES (:digest, :package)",
    "INSERT INTO processes (workspace, id, number, deployed) VALUES ('ws', 'p', 1, true)",
    "INSERT INTO process_versions (workspace, id, number, package, body) VALUES ('ws', 'p', 1, :digest, :process)",
    "INSERT INTO jobs (id, workspace, process_id, engine, status, created, priority, package, version, event_count,"
    " body) VALUES ('job-1', 'ws', 'p', 'local', 'successful', :now, 0, :digest, 1, 1, :body)",
    "INSERT INTO events (job_id, number, body) VALUES ('job-1', 1, :event)",
)
SEARCHED = (
    "UPDATE jobs SET caller = 'ada \ufffd', search_text = 'job-1 water',"
    " input_text = 'er \ufffd 10.50' WHERE id = 'job-1'",
    "UPDATE jobs SET search_text = 'job-2 water band 9' WHERE id = 'job-2'",
)
OLD_TIMES = ("UPDATE jobs SET started = 1767225600.0, finished = 1767225607.0",)
SEARCH_TEXT = ("UPDATE jobs SET search_text = 'job-1 p'",)
DEPLOYED_IN = ("UPDATE jobs SET deployed_in = 'other'",)
OLD_CALLBACK = (
    "INSERT INTO callbacks (job_id, base, hub, addresses, known, tried, attempts, due)"
    " VALUES ('job-1', 'http://here', false, :addresses, 'running', 'running', 0, 0)",
)
TWO_FILES = {
    "record": {
        "first": {"class": "File", "size": 40, "secondaryFiles": [{"class": "File", "size": 2}]},
        "others": [{"class": "Directory", "size": 7}, {"class": "File"}, "text"],
    }
}
STORED = (
    "INSERT INTO stored_results (job_id, workspace, destination, size_bytes, stored)"
    " VALUES ('job-1', 'ws', :destination, 42, :later)",
)
CALLBACK = (
    "INSERT INTO callbacks (job_id, base, hub, known, tried, attempts, due)"
    " VALUES ('job-1', 'http://here', false, 'running', 'running', 0, 0)",
)


def test_jobs_are_counted_by_why_they_ended(store: SqlStore) -> None:
    for number, (workspace, outcome) in enumerate(
        (("ws", NO_BAND), ("ws", NO_BAND), ("ws", None), ("other", NO_BAND)), start=1
    ):
        status = Status.FAILED if outcome else Status.RUNNING
        create(store, build_job(number, workspace=workspace, status=status, outcome=outcome))
    lost = replace(NO_BAND, diagnosis=Diagnosis(Stage.EXECUTE, Level.ENGINE, "lost", "Again.", code="job.lost"))
    create(store, build_job(5, status=Status.RUNNING))
    store.jobs.update(replace(store.jobs.get("job-5"), status=Status.FAILED, outcome=lost))
    newest = "2026-01-01T00:00:02.000Z"
    assert store.jobs.count_causes(JobQuery(workspace="ws"), 10) == [
        (Cause("step.failed", "clip"), 2, newest),
        (Cause("job.lost", ""), 1, "2026-01-01T00:00:05.000Z"),
    ]
    assert store.jobs.count_causes(JobQuery(workspace="ws", codes=("job.lost",)), 10)[0][0] == Cause("job.lost", "")
    assert len(store.jobs.count_causes(JobQuery(), 1)) == 1
    clip, gone = Cause("step.failed", "clip"), Cause("job.lost", "")
    found = store.jobs.find_newest(JobQuery(workspace="ws"), [clip, gone, Cause("job.lost", "clip")])
    assert {cause: job.id for cause, job in found.items()} == {clip: "job-2", gone: "job-5"}
    assert store.jobs.find_newest(JobQuery(), [clip])[clip].id == "job-4"
    assert store.jobs.find_newest(JobQuery(), []) == {}


def test_a_database_of_a_newer_release_is_refused(url: str) -> None:
    store = open_sql_store(url)
    with store.database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    with pytest.raises(SettingsError) as caught:
        open_sql_store(url)
    assert caught.value.diagnosis.code == "store.newer"


@pytest.mark.parametrize(
    "url", ["", "x", "mysql://u:hidden@h/d", "sqlite://", "sqlite:////proc/none/x.db"], indirect=False
)
def test_an_address_that_cannot_be_used_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        open_sql_store(url)
    assert "hidden" not in str(caught.value)


def test_a_database_that_does_not_answer_is_a_matter_of_the_platform() -> None:
    with pytest.raises(EngineError) as caught:
        open_sql_store("postgresql://user:hidden@127.0.0.1:9/name")
    assert caught.value.diagnosis.code == "store.unreachable"
    assert "hidden" not in str(caught.value)


def test_whatever_the_database_library_raises_is_an_error_of_the_runner(store: SqlStore) -> None:
    with pytest.raises(EngineError) as caught, store.database.reading():
        raise sqlalchemy.exc.TimeoutError("all connections are in use")
    assert caught.value.diagnosis.code == "store.unreachable"


def test_what_the_database_says_is_in_the_log_and_not_in_the_error(
    store: SqlStore, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(EngineError) as caught, store.database.reading() as connection:
        connection.execute(sqlalchemy.text("SELECT private_value FROM nowhere"))
    assert "nowhere" not in f"{caught.value} {caught.value.diagnosis}"
    assert "nowhere" in caplog.text


def test_jobs_are_narrowed_by_the_workspace_of_their_process_whatever_their_records_have(store: SqlStore) -> None:
    odd = {"message": "a\0b", "other": "\ud800"}
    for number, place in enumerate((None, "ws", "other")):
        create(store, build_job(number, inputs=odd, deployed_in=place))
    for place, found in (("ws", [1, 0]), ("other", [2]), ("none", [])):
        query = JobQuery(workspace="ws", deployed_in=place)
        assert [job.id for job in store.jobs.find(query).jobs] == [build_job(number).id for number in found]
        assert store.jobs.count(query) == len(found)


@pytest.fixture
def postgresql() -> Iterator[Database]:
    with use_schema(find_postgres()) as schema:
        store = open_sql_store(schema)
        yield store.database
        store.close()


@pytest.mark.parametrize(("state", "is_away"), [("25006", True), ("25P03", True), ("XX000", False)])
def test_a_database_that_lost_its_role_or_the_transaction_is_away(
    postgresql: Database, state: str, is_away: bool
) -> None:
    with pytest.raises(EngineError) as caught, postgresql.writing() as connection:
        connection.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$")
    assert isinstance(caught.value, NotReachedError) == is_away
    postgresql.check()


def test_a_primary_that_became_a_standby_is_away_and_its_connection_is_not_used_again(postgresql: Database) -> None:
    def read_process(connection: sqlalchemy.Connection) -> int:
        pid: int = connection.execute(sqlalchemy.text("SELECT pg_backend_pid()")).scalar_one()
        return pid

    with pytest.raises(NotReachedError), postgresql.writing() as connection:
        before = read_process(connection)
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = version_num")
    with postgresql.writing() as connection:
        assert read_process(connection) != before


def test_a_view_may_be_idle_as_long_as_files_are_copied_and_others_may_not(postgresql: Database) -> None:
    asked = sqlalchemy.text("SHOW idle_in_transaction_session_timeout")
    with postgresql.viewing() as connection:
        assert connection.execute(asked).scalar_one() == "0"
    with postgresql.writing() as connection:
        assert connection.execute(asked).scalar_one() == "1min"


@pytest.mark.parametrize(
    "narrowed",
    [
        *(
            {},
            {"process_ids": ("odd",)},
            {"text": "OB-1"},
            {"text": "none"},
            {"text": "%"},
            {"text": "_"},
            {"text": "\\"},
        ),
        *({"text": "1"}, {"text": "1", "in_inputs": False}, {"caller": "ada"}, {"caller": "ad_"}, {"caller": ""}),
        {"caller": "ada", "text": "12"},
    ],
)
def test_a_page_is_the_same_from_whichever_end_of_the_list_it_is_read(
    store: SqlStore, narrowed: dict[str, Any]
) -> None:
    jobs = [
        build_job(number, process_id=("even", "odd")[number % 2], caller="ada" if number % 3 else None, version=1)
        for number in range(1, 13)
    ]
    create(store, *jobs, build_job(50, workspace="other"))
    for skip in range(14):
        query = JobQuery(workspace="ws", limit=3, skip=skip, **narrowed)
        assert store.jobs.find_counted(query) == (store.jobs.find(query), store.jobs.count(query))
        assert store.jobs.find(query) == select_page(jobs, query)


def test_a_page_by_its_cursor_is_counted_with_all_others(store: SqlStore) -> None:
    create(store, *map(build_job, range(1, 8)))
    first, total = store.jobs.find_counted(JobQuery(limit=5))
    second, same = store.jobs.find_counted(JobQuery(limit=5, cursor=first.next))
    assert (total, same, second.next) == (7, 7, None)
    assert [job.id for job in (*first.jobs, *second.jobs)] == [f"job-{number}" for number in range(7, 0, -1)]


def test_the_last_events_of_some_kinds_are_read_in_their_order(store: SqlStore) -> None:
    create(store, build_job())
    assert store.events.count("job-1") == store.events.count("nothing") == 0
    steps: list[Event] = [StepStarted(f"s{number}", '"event": "EngineLine"', 1.0) for number in range(3)]
    store.events.append("job-1", [StageStarted(Stage.STAGE_IN, ""), *steps, EngineLine("info", "StepStarted")])
    assert store.events.count("job-1") == 5
    assert store.events.read_last("job-1", (StepStarted,), 2) == steps[1:]
    both = store.events.read_last("job-1", (EngineLine, StageStarted), 9)
    assert both == [StageStarted(Stage.STAGE_IN, ""), EngineLine("info", "StepStarted")]
    assert store.events.read_last("job-1", (StepReused,), 9) == []


def test_entries_of_the_audit_log_are_added_and_neither_changed_nor_removed(store: SqlStore) -> None:
    for number in range(3):
        store.audit.add(
            AuditEntry(f"2026-01-0{number + 1}T00:00:00.000Z", f"ws-{number % 2}", "ada", "job.dismiss", 200)
        )
    assert [entry.time[9] for entry in store.audit.read("ws-0")] == ["1", "3"]
    assert [entry.time[9] for entry in store.audit.read(since="2026-01-02T00:00:00Z")] == ["2", "3"]
    for statement in (METADATA.tables["audit"].update().values(body="{}"), METADATA.tables["audit"].delete()):
        with pytest.raises(EngineError), store.database.writing() as connection:
            connection.execute(statement)
    assert len(list(store.audit.read())) == 3
    # nor by a restore
    for schema in (REVISIONS[0], REVISIONS[-1]):
        replace_rows(store.database, schema, ())
        assert len(list(store.audit.read())) == 3
    with pytest.raises(EngineError), store.database.writing() as connection:
        connection.execute(METADATA.tables["audit"].delete())


def test_a_session_is_found_until_it_ends_or_expires(store: SqlStore) -> None:
    session = Session("ada", ("alpha",), (), NOW, "2026-01-01T01:00:00.000Z")
    store.sessions.add("a" * 64, session)
    store.sessions.add("b" * 64, replace(session, expires="2026-01-01T02:00:00.000Z"))
    assert store.sessions.find("a" * 64, NOW) == session
    assert store.sessions.find("a" * 64, session.expires) is None
    assert store.sessions.find("c" * 64, NOW) is None
    store.sessions.remove_expired(session.expires)
    assert store.sessions.find("a" * 64, NOW) is None
    assert store.sessions.find("b" * 64, NOW) is not None
    store.sessions.remove("b" * 64)
    store.sessions.remove("b" * 64)
    assert store.sessions.find("b" * 64, NOW) is None


def test_a_token_is_found_until_it_is_revoked_by_its_owner_or_expires(store: SqlStore) -> None:
    token = PersonalToken("1", "alpha", "ada", "", ("job.*",), NOW, "2026-01-01T01:00:00.000Z")
    other = replace(token, id="2", owner="ben")
    store.tokens.add("a" * 64, token, 1)
    store.tokens.add("b" * 64, other, 1)
    with pytest.raises(InputError) as caught:
        store.tokens.add("c" * 64, replace(token, id="3"), 1)
    assert caught.value.diagnosis.code == "token.too-many"
    assert store.tokens.find("a" * 64, NOW) == token
    assert store.tokens.find("a" * 64, token.expires) is None
    assert store.tokens.list_all("alpha", "ada") == [token]
    assert store.tokens.list_all() == [token, other]
    for workspace, owner in (("alpha", "ben"), ("beta", "ada")):
        with pytest.raises(InputError) as caught:
            store.tokens.remove("1", workspace, owner)
        assert caught.value.diagnosis.code == "token.not-found"
    assert store.tokens.remove("1", "alpha", "ada") == token
    assert store.tokens.find("a" * 64, NOW) is None
    store.tokens.remove_expired(token.expires)
    assert store.tokens.list_all() == []


def test_tokens_of_steps_are_found_by_job_and_listed_where_that_has_ended_or_never_came_to_be(store: SqlStore) -> None:
    statuses = {1: Status.RUNNING, 2: Status.FAILED, 3: Status.SUCCESSFUL}
    create(store, *(build_job(number, status=status) for number, status in statuses.items()))
    tokens = {name: KeptToken(name, f"of {name}", LATER, NOW) for name in ("job-1", "job-2", "job-3", "never")}
    for token in (*tokens.values(), new := replace(tokens["job-1"], encrypted="another")):
        store.step_tokens.put(token)
    assert store.step_tokens.find("job-1") == new
    assert store.step_tokens.find("job-4") is None
    before = "2025-12-31T00:00:00.000Z"
    assert {one.job_id for one in store.step_tokens.list_ended(before)} == {"job-2", "job-3"}
    assert {one.job_id for one in store.step_tokens.list_ended(NOW)} == {"job-2", "job-3", "never"}
    for name in ("job-2", "never", "never"):
        store.step_tokens.remove(name)
    assert store.step_tokens.list_ended(NOW) == [tokens["job-3"]]
    store.step_tokens.remove_expired(NOW)
    assert store.step_tokens.find("job-1")
    store.step_tokens.remove_expired(LATER)
    assert store.step_tokens.find("job-1") is None
