"""One contract for every store of jobs and every event log: memory, files, SQLite and PostgreSQL."""

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.stores import LONG, OVER, PACKAGE, Pair, Store, build_job, create
from tests.postgres import find_postgres, use_schema
from tests.values import ROOT
from zoo_runner.model.diagnosis import Diagnosis, Level, Stage
from zoo_runner.model.errors import EngineError, InputError, JobChangedError, JobExistsError, JobNotFoundError
from zoo_runner.model.events import EngineLine, Event, StageStarted, StepEnded, StepLines
from zoo_runner.model.job import Outcome, Results, Status
from zoo_runner.model.written import read_number, write_json
from zoo_runner.store.files import FileEventLog, FileStore
from zoo_runner.store.memory import MemoryStore
from zoo_runner.store.protocol import Held, JobQuery
from zoo_runner.store.sql import open_sql_store

NOT_FILES = ["memory", "sqlite", "postgresql"]


@pytest.fixture(params=["memory", "files", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        memory = MemoryStore()
        yield Pair(memory, memory)
    elif request.param == "files":
        yield open_files(tmp_path)
    elif request.param == "sqlite":
        yield from open_sql(f"sqlite:///{tmp_path / 'store' / 'runner.db'}")
    else:
        with use_schema(find_postgres()) as schema:
            yield from open_sql(schema)


def open_files(folder: Path) -> Pair:
    return Pair(FileStore(folder / "jobs"), FileEventLog(folder / "jobs"))


def open_sql(url: str) -> Iterator[Store]:
    sql = open_sql_store(url)
    yield sql
    sql.close()


def test_a_job_that_was_not_started_is_nobodys_work(store: Store) -> None:
    created = replace(build_job(), status=Status.CREATED, request={"inputs": {"message": 7}})
    store.jobs.create(created, PACKAGE)
    assert store.jobs.get("job-1").request == {"inputs": {"message": 7}}
    assert store.jobs.find_abandoned() == ()


def test_a_job_is_read_as_it_was_created(store: Store) -> None:
    created = store.jobs.create(build_job(secret_inputs=("key",)), PACKAGE)
    assert created.version == 1
    assert store.jobs.get("job-1") == created
    assert store.jobs.load_package(PACKAGE.digest) == PACKAGE


@pytest.mark.parametrize("items", [1, 20_000])  # records of files keep long inputs apart
def test_numbers_keep_the_form_in_which_they_were_written(store: Store, items: int) -> None:
    number = read_number("10.50")
    document = {
        **PACKAGE.document,
        "$graph": [{"id": "#main", "class": "ExpressionTool", "inputs": [{"default": number}]}],
    }
    package = replace(PACKAGE, document=document, digest="forms")
    store.jobs.create(build_job(inputs={"x": [number] * items}, package="forms"), package)
    assert write_json(store.jobs.get("job-1").inputs) == f'{{"x": [{", ".join(["10.50"] * items)}]}}'
    assert '"default": 10.50' in write_json(store.jobs.load_package("forms").document)


def test_an_id_is_given_once(store: Store) -> None:
    create(store, build_job())
    with pytest.raises(JobExistsError):
        store.jobs.create(build_job(), PACKAGE)


def test_of_two_changes_to_one_version_the_second_is_refused(store: Store) -> None:
    job = store.jobs.create(build_job(), PACKAGE)
    changed = store.jobs.update(replace(job, progress=10))
    assert changed.version == 2
    with pytest.raises(JobChangedError):
        store.jobs.update(replace(job, progress=20))
    assert store.jobs.get(job.id).progress == 10


def test_of_many_writers_at_once_one_succeeds_for_each_version(store: Store) -> None:
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
def test_what_is_not_there_is_not_found(store: Store, act: Callable[[Store], object]) -> None:
    with pytest.raises(JobNotFoundError):
        act(store)


def test_a_deleted_job_is_gone_with_its_events_and_may_be_deleted_again(store: Store) -> None:
    create(store, build_job())
    store.events.append("job-1", [EngineLine("info", "x")])
    store.jobs.delete("job-1")
    store.jobs.delete("job-1")
    assert list(store.events.read("job-1")) == []
    assert store.jobs.find(JobQuery()).jobs == ()


def test_pages_show_every_job_once_newest_first_also_while_new_ones_arrive(store: Store) -> None:
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


def test_jobs_of_one_moment_are_neither_lost_nor_shown_twice(store: Store) -> None:
    create(store, *(replace(build_job(), id=f"same-{number}") for number in range(5)))
    first = store.jobs.find(JobQuery(limit=2))
    second = store.jobs.find(JobQuery(limit=2, cursor=first.next))
    third = store.jobs.find(JobQuery(limit=2, cursor=second.next))
    ids = [job.id for page in (first, second, third) for job in page.jobs]
    assert sorted(ids, reverse=True) == ids
    assert len(set(ids)) == 5
    assert third.next is None


def fail(code: str, step: str | None = None) -> Outcome:
    found = Diagnosis(Stage.EXECUTE, Level.USER, "no band 9", "Look.", step=step, code=code)
    return Outcome(Status.FAILED, diagnosis=found)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (JobQuery(workspace="other"), ["job-2"]),
        (JobQuery(process_ids=("q", "z")), ["job-3"]),
        (JobQuery(deployed_in="other"), ["job-3", "job-2"]),
        (JobQuery(workspace="ws", deployed_in="ws"), ["job-4", "job-1"]),
        (JobQuery(statuses=(Status.RUNNING, Status.FAILED)), ["job-4"]),
        (JobQuery(created_from="2026-01-01T00:00:03.000Z"), ["job-4", "job-3"]),
        (JobQuery(created_to="2026-01-01T00:00:01.000Z"), ["job-1"]),
        (JobQuery(workspace="ws", process_ids=("p",), limit=1), ["job-4"]),
        (JobQuery(skip=1, limit=2), ["job-3", "job-2"]),
        (JobQuery(skip=9), []),
        (JobQuery(text="JOB-3"), ["job-3"]),
        (JobQuery(text="_"), []),
        *((JobQuery(text=wildcard), []) for wildcard in ("%%", "\\", "job%3", "job_3", "'", "*")),
        (JobQuery(text="NO BAND 9"), ["job-3", "job-2"]),
        (JobQuery(text="tep.crash"), ["job-2"]),
        (JobQuery(text="water"), ["job-4"]),
        (JobQuery(text="70 %"), ["job-4"]),
        (JobQuery(text="SCENE-1"), ["job-1"]),
        (JobQuery(text="scene-1", in_inputs=False), []),
        (JobQuery(text="ÄHRE"), ["job-1"]),
        (JobQuery(caller="ada"), ["job-4", "job-1"]),
        (JobQuery(workspace="other", caller="ada"), []),
        (JobQuery(caller="a_a"), []),
        (JobQuery(caller="ada", statuses=(Status.RUNNING,)), ["job-4"]),
        (JobQuery(min_seconds=60), ["job-4", "job-1"]),
        (JobQuery(min_seconds=60, max_seconds=60), ["job-1"]),
        (JobQuery(max_seconds=59), []),
        (JobQuery(codes=("step.failed", "job.lost")), ["job-3"]),
        (JobQuery(codes=("step.failed",), steps=("clip", "join")), ["job-3"]),
        (JobQuery(codes=("step.failed",), steps=("join",)), []),
        (JobQuery(steps=("clip\ufffd",)), ["job-2"]),
    ],
)
def test_a_list_is_narrowed(store: Store, query: JobQuery, found: list[str]) -> None:
    create(
        store,
        build_job(
            1,
            started="2026-01-01T00:00:00.000Z",
            finished="2026-01-01T00:01:00.000Z",
            caller="ada",
            inputs={"item": [{"class": "File", "location": "s3://eo/scene-1.tif"}], "name": "Ähre", "flag": True},
        ),
        build_job(2, workspace="other", caller="ben", outcome=fail("step.crashed", "clip\0")),
        build_job(3, process_id="q", deployed_in="other", outcome=fail("step.failed", "clip")),
        build_job(
            4,
            status=Status.RUNNING,
            started="2026-01-01T00:00:00.000Z",
            caller="ada",
            title="Water bodies",
            message="step clip: 70 %",
        ),
    )
    assert [job.id for job in store.jobs.find(query).jobs] == found


@pytest.mark.parametrize("cursor", ["", "x", "é", "W10", "WzEsIDJd", "bnVsbA"])
def test_a_cursor_that_no_list_gave_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(InputError) as caught:
        store.jobs.find(JobQuery(cursor=cursor))
    assert caught.value.diagnosis.code == "request.cursor"


def test_a_lease_keeps_others_away_until_it_is_given_back(store: Store) -> None:
    create(store, build_job())
    lease = store.jobs.lease("job-1", "a", LONG)
    assert lease is not None
    assert store.jobs.lease("job-1", "b", LONG) is None
    assert store.jobs.find_abandoned() == ()
    store.jobs.release(lease)
    assert store.jobs.lease("job-1", "b", LONG) is not None


def test_a_lease_that_ran_out_is_renewed_unless_another_took_it(store: Store) -> None:
    create(store, build_job())
    lease = store.jobs.lease("job-1", "a", OVER)
    assert lease is not None
    assert store.jobs.renew(lease, OVER) is not None
    assert store.jobs.lease("job-1", "b", LONG) is not None
    assert store.jobs.renew(lease, LONG) is None
    store.jobs.release(lease)
    assert store.jobs.lease("job-1", "c", LONG) is None


def test_a_job_that_its_creator_leases_is_never_anybody_elses(store: Store) -> None:
    store.jobs.create(build_job(), PACKAGE, "a", LONG)
    assert store.jobs.find_abandoned() == ()
    assert store.jobs.lease("job-1", "b", LONG) is None
    assert store.jobs.lease("job-1", "a", LONG) is not None


def test_a_job_that_cannot_be_created_leaves_the_lease_of_the_one_that_is_there(store: Store) -> None:
    store.jobs.create(build_job(), PACKAGE, "a", LONG)
    with pytest.raises(JobExistsError):
        store.jobs.create(build_job(), PACKAGE, "b", LONG)
    lease = store.jobs.find_lease("job-1")
    assert lease is not None
    assert lease.owner == "a"


def test_abandoned_are_jobs_before_their_end_that_nobody_holds_oldest_first(store: Store) -> None:
    create(store, build_job(3), build_job(2, status=Status.RUNNING), build_job(1), build_job(4))
    done = store.jobs.get("job-1")
    store.jobs.update(replace(done, status=Status.SUCCESSFUL, outcome=Outcome(Status.SUCCESSFUL)))
    store.jobs.lease("job-3", "a", LONG)
    store.jobs.lease("job-4", "a", OVER)
    assert [job.id for job in store.jobs.find_abandoned()] == ["job-2", "job-4"]


def test_events_are_numbered_in_order_also_from_many_writers(store: Store) -> None:
    create(store, build_job())

    def write(name: str) -> None:
        for number in range(5):
            store.events.append("job-1", [StepLines(name, (str(2 * number),)), StepLines(name, (str(2 * number + 1),))])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, "abcd"))
    events = list(store.events.read("job-1"))
    assert [number for number, _ in events] == list(range(1, 41))
    for name in "abcd":
        mine = [
            line for _, event in events if isinstance(event, StepLines) and event.step == name for line in event.lines
        ]
        assert mine == [str(number) for number in range(10)]


def test_events_are_read_from_a_number_on(store: Store) -> None:
    create(store, build_job())
    assert store.events.append("job-1", [StepLines("a", (str(number),)) for number in range(1500)]) == 1500
    assert store.events.append("job-1", []) == 1500
    assert [number for number, _ in store.events.read("job-1", after=1497)] == [1498, 1499, 1500]
    assert [number for number, _ in store.events.read("job-1", after=10, limit=2)] == [11, 12]
    assert len(list(store.events.read("job-1"))) == 1500


def test_all_that_is_known_of_a_job_is_read_as_it_was_written(store: Store) -> None:
    job = store.jobs.create(build_job(), PACKAGE)
    usage = (StepEnded("a", 1.0, 2.5, 0, 0.5, None),)
    diagnosis = Diagnosis(Stage.EXECUTE, Level.USER, "why", "what", ("line",), "a", "/log", "step.failed")
    outcome = Outcome(Status.FAILED, Results({"a": [1]}, {"type": "Collection"}, "s3://b/c"), diagnosis, 6, usage)
    changed = replace(job, handle={"engine": "local", "data": {"a": 1}}, progress=7, outcome=outcome, uid="u")
    assert store.jobs.update(changed) == replace(changed, version=2)
    assert store.jobs.get(job.id) == replace(changed, version=2)
    events: list[Event] = [StageStarted(Stage.STAGE_IN, "x"), usage[0], EngineLine("info", "é\n")]
    assert store.events.append(job.id, events) == 3
    assert [event for _, event in store.events.read(job.id)] == events


def test_the_lease_that_holds_is_found(store: Store) -> None:
    create(store, build_job())
    assert store.jobs.find_lease("job-1") is None
    lease = store.jobs.lease("job-1", "a", LONG)
    assert lease is not None
    assert store.jobs.find_lease("job-1") == lease
    renewed = store.jobs.renew(lease, LONG)
    assert renewed is not None
    assert renewed.expires >= lease.expires
    assert store.jobs.lease("job-1", "a", OVER) is not None, "an owner may take its own lease again"
    assert store.jobs.find_lease("job-1") is None


def test_leases_are_renewed_together_and_what_was_changed_or_lost_shows(store: Store) -> None:
    create(store, *(build_job(number) for number in range(1, 5)))
    leases = [store.jobs.lease(f"job-{number}", "a", OVER) for number in range(1, 5)]
    mine = [lease for lease in leases if lease]
    assert len(mine) == 4
    assert store.jobs.lease("job-2", "b", LONG)
    store.jobs.delete("job-3")
    store.jobs.update(replace(store.jobs.get("job-4"), cancel_requested=True))
    renewals = store.jobs.renew_all(mine, LONG)
    assert (renewals["job-2"], renewals["job-3"]) == (None, None)
    first, last = renewals["job-1"], renewals["job-4"]
    assert first
    assert last
    assert (first.version, last.version) == (1, 2)
    assert first.lease == store.jobs.find_lease("job-1")
    assert first.lease.expires > mine[0].expires
    assert store.jobs.renew_all([], LONG) == {}


def test_leases_are_looked_at_together_and_stay_as_they_are(store: Store) -> None:
    create(store, *(build_job(number) for number in range(1, 6)))
    leases = [store.jobs.lease(f"job-{number}", "a", LONG) for number in range(1, 5)]
    mine = [lease for lease in leases if lease]
    assert len(mine) == 4
    store.jobs.release(mine[1])
    assert store.jobs.lease("job-2", "b", LONG)
    store.jobs.delete("job-3")
    store.jobs.update(replace(store.jobs.get("job-4"), cancel_requested=True))
    ran_out = store.jobs.lease("job-5", "a", OVER)
    assert ran_out
    held = store.jobs.find_held([*mine, ran_out])
    assert held == {
        "job-1": Held(mine[0], 1),
        "job-2": None,
        "job-3": None,
        "job-4": Held(mine[3], 2),
        "job-5": None,
    }
    assert store.jobs.find_held([]) == {}


@pytest.fixture
def files(tmp_path: Path) -> Pair:
    return open_files(tmp_path)


def test_a_job_in_a_folder_is_private(files: Pair, tmp_path: Path) -> None:
    create(files, build_job())
    files.events.append("job-1", [EngineLine("info", "x")])
    folder = tmp_path / "jobs" / "job-1"
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "job.json").stat().st_mode & 0o022 == 0


@pytest.mark.parametrize("job_id", ["../none", "/etc/passwd", ".packages"])
def test_no_id_reads_another_file(files: Pair, job_id: str) -> None:
    with pytest.raises(JobNotFoundError):
        files.jobs.get(job_id)


HOLD = """
import sys; from pathlib import Path; from zoo_runner.store.files import FileStore
store = FileStore(Path(sys.argv[1]))
print(store.lease("job-1", "other", 600) is not None, flush=True)
sys.stdin.read()
"""


def test_a_process_that_dies_loses_its_lease_at_once(files: Pair, tmp_path: Path) -> None:
    create(files, build_job())
    words = [sys.executable, "-c", HOLD, str(tmp_path / "jobs")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "True\n"
        assert files.jobs.lease("job-1", "me", LONG) is None
        assert files.jobs.find_abandoned() == ()
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert [job.id for job in files.jobs.find_abandoned()] == ["job-1"]
    lease = files.jobs.lease("job-1", "me", LONG)
    assert lease is not None
    files.jobs.release(lease)
    assert list((tmp_path / "jobs" / ".owners").iterdir()) == []


WRITE = """
import sys; from dataclasses import replace; from pathlib import Path
from zoo_runner.model.errors import JobChangedError; from zoo_runner.store.files import FileStore
store = FileStore(Path(sys.argv[1]))
for _ in range(100):
    while True:
        job = store.get("job-1")
        try:
            store.update(replace(job, progress=job.progress + 1))
            break
        except JobChangedError:
            pass
"""


def test_two_processes_at_once_lose_no_change(files: Pair, tmp_path: Path) -> None:
    create(files, build_job())
    words = [sys.executable, "-c", WRITE, str(tmp_path / "jobs")]
    others = [subprocess.Popen(words, cwd=ROOT) for _ in range(2)]
    assert [other.wait() for other in others] == [0, 0]
    assert (files.jobs.get("job-1").progress, files.jobs.get("job-1").version) == (200, 201)


def test_half_of_a_line_is_no_event_and_spoils_none_that_follows(files: Pair, tmp_path: Path) -> None:
    create(files, build_job())
    files.events.append("job-1", [EngineLine("info", "whole")])
    with (tmp_path / "jobs" / "job-1" / "events.jsonl").open("a") as file:
        file.write('{"event": "EngineL')
    assert [number for number, _ in files.events.read("job-1")] == [1]
    assert files.events.append("job-1", [EngineLine("info", "next")]) == 2
    assert [event for _, event in files.events.read("job-1")] == [
        EngineLine("info", "whole"),
        EngineLine("info", "next"),
    ]


def test_a_record_that_cannot_be_read_hides_no_other_job(
    files: Pair, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    create(files, build_job(1), build_job(2))
    (tmp_path / "jobs" / "job-1" / "job.json").write_bytes(b"")
    assert [job.id for job in files.jobs.find(JobQuery()).jobs] == ["job-2"]
    assert [job.id for job in files.jobs.find_abandoned()] == ["job-2"]
    assert "job-1" in caplog.text
    with pytest.raises(EngineError) as caught:
        files.jobs.get("job-1")
    assert caught.value.diagnosis.code == "store.damaged"


def test_a_job_whose_long_inputs_are_lost_is_damaged_and_not_unknown(files: Pair, tmp_path: Path) -> None:
    create(files, build_job(inputs={"x": "long" * 20_000}))
    (tmp_path / "jobs" / "job-1" / "inputs.json").unlink()
    with pytest.raises(EngineError) as caught:
        open_files(tmp_path).jobs.get("job-1")
    assert caught.value.diagnosis.code == "store.damaged"
    assert "inputs.json" in str(caught.value)


def test_a_job_that_another_process_created_anew_has_its_own_long_inputs(files: Pair, tmp_path: Path) -> None:
    first, second = ({"x": letter * 80_000} for letter in "ab")
    create(files, build_job(uid="first", inputs=first))
    assert files.jobs.get("job-1").inputs == first
    other = open_files(tmp_path)
    other.jobs.delete("job-1")
    create(other, build_job(uid="second", inputs=second))
    files.jobs.update(replace(files.jobs.get("job-1"), progress=10))
    assert files.jobs.get("job-1").inputs == other.jobs.get("job-1").inputs == second


def test_work_in_progress_does_not_bring_a_deleted_job_back(store: Store) -> None:
    job = store.jobs.create(build_job(), PACKAGE, "a", LONG)
    lease = store.jobs.find_lease("job-1")
    assert lease
    over = threading.Event()

    def work() -> None:
        with contextlib.suppress(JobNotFoundError):
            while not over.is_set():
                store.jobs.renew(lease, LONG)
                store.jobs.update(store.jobs.get(job.id))
                store.events.append(job.id, [EngineLine("info", "x")])

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        store.jobs.delete(job.id)
        over.set()
        working.result()
    with pytest.raises(JobNotFoundError):
        store.jobs.get(job.id)
    assert store.jobs.find(JobQuery()).jobs == ()
    assert store.jobs.renew(lease, LONG) is None
