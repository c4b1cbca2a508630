"""What every database keeps: processes with versions, the queue, and what several writers at once may not break."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.postgres import find_postgres, use_schema
from zoo_runner.model.errors import (
    EngineError,
    InputError,
    JobChangedError,
    JobExistsError,
    JobNotFoundError,
    ProcessExistsError,
    ProcessNotFoundError,
    SettingsError,
)
from zoo_runner.model.events import EngineLine, StepLine
from zoo_runner.model.job import Job, Outcome, Status
from zoo_runner.model.package import Package
from zoo_runner.model.process import Process
from zoo_runner.store.protocol import JobQuery, Share
from zoo_runner.store.sql import SqlStore, open_sql_store
from zoo_runner.store.sql.schema import METADATA

PACKAGE = Package({"cwlVersion": "v1.2", "class": "Workflow"}, "#main", "w", {}, "a" * 64)
OTHER = replace(PACKAGE, digest="b" * 64)
NOW = "2026-01-01T00:00:00.000Z"
LONG, OVER = 600.0, 0.0


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


def build_job(number: int = 1, **more: object) -> Job:
    created = f"2026-01-01T00:{number // 60:02d}:{number % 60:02d}.000Z"
    job = Job(f"job-{number}", "ws", "p", "w", "local", PACKAGE.digest, {"x": 1}, "/out", created, created)
    return replace(job, **more)  # type: ignore[arg-type]


def create(store: SqlStore, *jobs: Job) -> None:
    for job in jobs:
        store.jobs.create(job, PACKAGE)


def build_process(process_id: str = "p", workspace: str = "ws", **more: object) -> Process:
    process = Process(workspace, process_id, PACKAGE.digest, {"id": process_id, "version": "1.0"}, NOW, NOW)
    return replace(process, **more)  # type: ignore[arg-type]


def test_a_job_is_read_as_it_was_created(store: SqlStore) -> None:
    created = store.jobs.create(build_job(secret_inputs=("key",)), PACKAGE)
    assert created.version == 1
    assert store.jobs.get("job-1") == created
    assert store.jobs.load_package(PACKAGE.digest) == PACKAGE


def test_an_id_is_given_once(store: SqlStore) -> None:
    create(store, build_job())
    with pytest.raises(JobExistsError):
        store.jobs.create(build_job(), PACKAGE)


def test_of_two_changes_to_one_version_the_second_is_refused(store: SqlStore) -> None:
    job = store.jobs.create(build_job(), PACKAGE)
    changed = store.jobs.update(replace(job, progress=10))
    assert changed.version == 2
    with pytest.raises(JobChangedError):
        store.jobs.update(replace(job, progress=20))
    assert store.jobs.get(job.id).progress == 10


def test_of_many_writers_at_once_one_succeeds_for_each_version(store: SqlStore) -> None:
    job = store.jobs.create(build_job(), PACKAGE)

    def change(progress: int) -> int:
        try:
            store.jobs.update(replace(job, progress=progress))
        except JobChangedError:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(change, range(16))) == 1


@pytest.mark.parametrize(
    "act",
    [
        lambda store: store.jobs.get("none"),
        lambda store: store.jobs.update(build_job(9)),
        lambda store: store.jobs.lease("none", "me", LONG),
        lambda store: store.events.append("none", [EngineLine("info", "x")]),
        lambda store: store.jobs.load_package("0" * 64),
    ],
)
def test_what_is_not_there_is_not_found(store: SqlStore, act: Callable[[SqlStore], object]) -> None:
    with pytest.raises(JobNotFoundError):
        act(store)


def test_a_deleted_job_is_gone_with_its_events_and_may_be_deleted_again(store: SqlStore) -> None:
    create(store, build_job())
    store.events.append("job-1", [EngineLine("info", "x")])
    store.jobs.delete("job-1")
    store.jobs.delete("job-1")
    assert list(store.events.read("job-1")) == []
    assert store.jobs.find(JobQuery()).jobs == ()


def test_pages_show_every_job_once_newest_first_also_while_new_ones_arrive(store: SqlStore) -> None:
    create(store, *(build_job(number) for number in range(7)))
    seen, query = [], JobQuery(limit=3)
    while True:
        page = store.jobs.find(query)
        seen += [job.id for job in page.jobs]
        create(store, build_job(100 + len(seen)))
        if page.next is None:
            break
        query = replace(query, cursor=page.next)
    assert seen == [f"job-{number}" for number in reversed(range(7))]


def test_jobs_of_one_moment_are_neither_lost_nor_shown_twice(store: SqlStore) -> None:
    create(store, *(replace(build_job(), id=f"same-{number}") for number in range(5)))
    first = store.jobs.find(JobQuery(limit=2))
    second = store.jobs.find(JobQuery(limit=2, cursor=first.next))
    third = store.jobs.find(JobQuery(limit=2, cursor=second.next))
    ids = [job.id for page in (first, second, third) for job in page.jobs]
    assert sorted(ids, reverse=True) == ids
    assert len(set(ids)) == 5
    assert third.next is None


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (JobQuery(workspace="other"), ["job-2"]),
        (JobQuery(process_ids=("q", "z")), ["job-3"]),
        (JobQuery(statuses=(Status.RUNNING, Status.FAILED)), ["job-4"]),
        (JobQuery(created_from="2026-01-01T00:00:03.000Z"), ["job-4", "job-3"]),
        (JobQuery(created_to="2026-01-01T00:00:01.000Z"), ["job-1"]),
        (JobQuery(workspace="ws", process_ids=("p",), limit=1), ["job-4"]),
    ],
)
def test_a_list_is_narrowed(store: SqlStore, query: JobQuery, found: list[str]) -> None:
    create(
        store,
        build_job(1),
        build_job(2, workspace="other"),
        build_job(3, process_id="q"),
        build_job(4, status=Status.RUNNING),
    )
    assert [job.id for job in store.jobs.find(query).jobs] == found


def test_a_count_is_of_all_pages(store: SqlStore) -> None:
    create(store, *(build_job(number) for number in range(4)))
    page = store.jobs.find(JobQuery(limit=1))
    assert store.jobs.count(JobQuery(limit=1, cursor=page.next)) == 4


@pytest.mark.parametrize("cursor", ["", "x", "é", "W10", "WzEsIDJd", "bnVsbA"])
def test_a_cursor_that_no_list_gave_is_refused(store: SqlStore, cursor: str) -> None:
    with pytest.raises(InputError) as caught:
        store.jobs.find(JobQuery(cursor=cursor))
    assert caught.value.diagnosis.code == "request.cursor"


def test_a_lease_keeps_others_away_until_it_is_given_back(store: SqlStore) -> None:
    create(store, build_job())
    lease = store.jobs.lease("job-1", "a", LONG)
    assert lease is not None
    assert store.jobs.lease("job-1", "b", LONG) is None
    assert store.jobs.find_abandoned() == ()
    store.jobs.release(lease)
    assert store.jobs.lease("job-1", "b", LONG) is not None


def test_a_lease_that_ran_out_is_renewed_unless_another_took_it(store: SqlStore) -> None:
    create(store, build_job())
    lease = store.jobs.lease("job-1", "a", OVER)
    assert lease is not None
    assert store.jobs.renew(lease, OVER) is not None
    assert store.jobs.lease("job-1", "b", LONG) is not None
    assert store.jobs.renew(lease, LONG) is None
    store.jobs.release(lease)
    assert store.jobs.lease("job-1", "c", LONG) is None


def test_abandoned_are_jobs_before_their_end_that_nobody_holds_oldest_first(store: SqlStore) -> None:
    create(store, build_job(3), build_job(2, status=Status.RUNNING), build_job(1), build_job(4))
    done = store.jobs.get("job-1")
    store.jobs.update(replace(done, status=Status.SUCCESSFUL, outcome=Outcome(Status.SUCCESSFUL)))
    store.jobs.lease("job-3", "a", LONG)
    store.jobs.lease("job-4", "a", OVER)
    assert [job.id for job in store.jobs.find_abandoned()] == ["job-2", "job-4"]


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


def test_events_are_numbered_in_order_also_from_many_writers(store: SqlStore) -> None:
    create(store, build_job())

    def write(name: str) -> None:
        for number in range(5):
            store.events.append("job-1", [StepLine(name, str(2 * number)), StepLine(name, str(2 * number + 1))])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, "abcd"))
    events = list(store.events.read("job-1"))
    assert [number for number, _ in events] == list(range(1, 41))
    for name in "abcd":
        mine = [event.text for _, event in events if isinstance(event, StepLine) and event.step == name]
        assert mine == [str(number) for number in range(10)]


def test_events_are_read_from_a_number_on(store: SqlStore) -> None:
    create(store, build_job())
    assert store.events.append("job-1", [StepLine("a", str(number)) for number in range(1500)]) == 1500
    assert store.events.append("job-1", []) == 1500
    assert [number for number, _ in store.events.read("job-1", after=1497)] == [1498, 1499, 1500]
    assert [number for number, _ in store.events.read("job-1", after=10, limit=2)] == [11, 12]
    assert len(list(store.events.read("job-1"))) == 1500


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
    assert store.processes.get("ws", "p", 1) == first


def test_replacing_at_once_gives_each_its_number(store: SqlStore) -> None:
    store.processes.deploy(build_process(), PACKAGE)
    with ThreadPoolExecutor(4) as pool:
        numbers = pool.map(lambda _: store.processes.replace(build_process(), PACKAGE).number, range(8))
    assert sorted(numbers) == list(range(2, 10))


def test_an_undeployed_process_is_gone_and_its_id_is_free(store: SqlStore) -> None:
    store.processes.deploy(build_process(), PACKAGE)
    store.processes.undeploy("ws", "p")
    assert store.processes.find("ws").processes == ()
    with pytest.raises(ProcessNotFoundError):
        store.processes.get("ws", "p")
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
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with store.database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []


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
