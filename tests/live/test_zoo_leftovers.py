"""What jobs leave on a running ZOO kernel, after a dismissal and later, and who reaches it; docs/zoo.md, Live tests."""

import json
import re
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.live.zoo_kernel import (
    BUCKET_ADDRESS,
    LOG_MAX_MIB,
    MARKS,
    RESULTS,
    SERVICES,
    WORKERS,
    ZOO_URL,
    start_slow,
)
from tests.processes import choose_seconds, find_by_text, find_in_folder
from tests.servers import S3Server, serve_s3
from tests.values import PACKAGES, ROOT
from tests.waiting import wait_for
from tests.zoo_client import Job, User, ask
from zoo_runner.model import clock
from zoo_runner.store.files import FileStore

pytestmark = MARKS

ECHO = ROOT / "examples" / "echo" / "echo.cwl"
LINES = 2_000_000
DAY_SECONDS = 86_400

needs_services = pytest.mark.skipif(not SERVICES, reason="ZOO_SERVICES_FOLDER: the kernel is elsewhere")
needs_bucket = pytest.mark.skipif(not BUCKET_ADDRESS, reason="ZOO_BUCKET_ADDRESS: results go to no bucket")


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[S3Server]:
    """The store that the kernel's settings name, with the bucket `results`."""
    (tmp_path / "results").mkdir()
    host, _, port = str(BUCKET_ADDRESS).partition(":")
    with serve_s3(tmp_path, host=host, port=int(port)) as server:
        yield server


def find_private(user: User) -> Path:
    """The private folder of a workspace."""
    return Path(str(SERVICES)) / ".zoo-runner" / user.name


def find_public(user: User, job: Job) -> list[Path]:
    """What lies in the public folder of a job."""
    return list((Path(str(SERVICES)) / user.name / "temp").glob(f"*{job.id}*"))


def is_record_alone(user: User, job: Job) -> bool:
    """Whether a job has a record, and neither logs nor data nor processes."""
    private = find_private(user)
    left = [private / "scratch" / job.id, private / "jobs" / job.id / "job.log", *find_public(user, job)]
    recorded = (private / "jobs" / job.id / "job.json").exists()
    return recorded and not any(path.exists() for path in left) and not find_in_folder(job.id, b"launcher")


# --- dismissal


def test_a_dismissal_leaves_nothing_but_the_record(user: User) -> None:
    seconds = 90000 + int(uuid.uuid4().hex[:3], 16)
    job = start_slow(user, seconds)
    assert ask("DELETE", job.url).json["status"] == "dismissed"
    assert ask("GET", job.url).code == 404
    wait_for(lambda: not find_by_text(f"sleep {seconds}"))
    if SERVICES:
        private = Path(SERVICES) / ".zoo-runner" / user.name
        record = private / "jobs" / job.id / "job.json"
        wait_for(lambda: json.loads(record.read_text())["status"] == "dismissed")
        wait_for(lambda: not (record.parent / "job.log").exists())
        assert not list((Path(SERVICES) / user.name / "temp").glob(f"*slow*{job.id}*"))
        wait_for(lambda: not list((private / "scratch").iterdir()))


@pytest.mark.skipif(not RESULTS, reason="results are in the folder that the kernel empties")
def test_a_dismissal_while_results_are_stored_removes_them(user: User) -> None:
    user.deploy(PACKAGES / "kernel" / "many-files.cwl")
    job = user.execute("many-files", {"count": 4000})
    folder = Path(str(RESULTS)) / user.name / "processing-results" / job.id
    wait_for(lambda: any(folder.rglob("*.txt")), 180)
    assert ask("DELETE", job.url).json["status"] == "dismissed"
    # complete results stay: the dismissal may have come too late for a service on another machine
    wait_for(lambda: not folder.exists() or (folder / "collection.json").exists(), 120)


@pytest.mark.skipif(not 0 < WORKERS < 5, reason="ZOO_WORKERS is not small")
def test_a_job_that_is_dismissed_while_it_is_queued_never_runs(user: User) -> None:
    running = [start_slow(user, 92000 + number) for number in range(WORKERS)]
    seconds = choose_seconds()
    waiting = user.execute("slow", {"seconds": seconds})
    assert waiting.status()["status"] in ("accepted", "running")
    assert ask("DELETE", waiting.url).json["status"] == "dismissed"
    assert ask("GET", waiting.url).code == 404
    for job in running:
        ask("DELETE", job.url)
    # a later job of the same queue runs, so the one that was dismissed has had its turn
    last = user.execute("slow", {"seconds": 0}).wait()[-1]
    assert last["status"] == "successful", last["message"]
    assert not find_by_text(f"sleep {seconds}")
    if SERVICES:
        record = Path(SERVICES) / ".zoo-runner" / user.name / "jobs" / waiting.id / "job.json"
        wait_for(lambda: json.loads(record.read_text())["status"] == "dismissed")
        assert not list((Path(SERVICES) / user.name / "temp").glob(f"slow?{waiting.id}*.log"))


def test_no_log_of_a_finished_job_is_left_when_it_is_deleted(user: User, echo: str) -> None:
    job = user.execute(echo, {"message": "forget me"})
    assert job.wait()[-1]["status"] == "successful"
    log = job.links()["Job log"]
    assert "[job] SUCCESSFUL" in ask("GET", log).body
    assert ask("DELETE", job.url).json["status"] == "dismissed"
    assert ask("GET", log).code != 200
    if SERVICES:
        kept = Path(SERVICES) / ".zoo-runner" / user.name / "jobs" / job.id / "job.log"
        wait_for(lambda: not kept.exists())


@needs_services
def test_jobs_that_are_dismissed_at_any_moment_leave_nothing_but_records(user: User, echo: str) -> None:
    pause = threading.Event()
    jobs = []
    for number in range(12):
        jobs.append(user.execute(echo, {"message": f"dismissed at moment {number}"}))
        pause.wait(0.2 * number)
        assert ask("DELETE", jobs[-1].url).json["status"] == "dismissed"
    for job in jobs:
        wait_for(partial(is_record_alone, user, job), 120)


@needs_bucket
def test_results_of_any_kind_go_to_a_bucket(user: User, bucket: S3Server) -> None:
    user.deploy(PACKAGES / "kernel" / "picture.cwl")
    job = user.execute("picture", {})
    last = job.wait()[-1]
    assert last["status"] == "successful", last["message"]
    stored = bucket.folder / "results" / user.name / "processing-results" / job.id
    assert [path.name for path in stored.rglob("*.png")]
    assert f"s3://results/{user.name}/processing-results/{job.id}/" in json.dumps(job.results())


@needs_bucket
def test_a_dismissal_while_results_are_put_into_a_bucket_removes_them(user: User, bucket: S3Server) -> None:
    user.deploy(PACKAGES / "kernel" / "many-files.cwl")
    job = user.execute("many-files", {"count": 4000})
    stored = bucket.folder / "results" / user.name
    wait_for(lambda: any(stored.rglob("*.txt")), 180)
    assert ask("DELETE", job.url).json["status"] == "dismissed"
    wait_for(lambda: not any(stored.rglob("*")) or any(stored.rglob("collection.json")), 120)


# --- logs


@needs_services
def test_logs_of_two_million_lines_are_bounded_and_kept_once(user: User) -> None:
    user.deploy(PACKAGES / "kernel" / "prints.cwl")
    job = user.execute("prints", {"count": LINES})
    last = job.wait()[-1]
    assert last["status"] == "successful", last["message"]
    folder = Path(str(SERVICES)) / user.name / "temp"
    [log] = folder.glob(f"prints_{job.id}_error.log")
    [step_log] = folder.glob(f"prints-{job.id}/print.log")
    assert log.samefile(find_private(user) / "jobs" / job.id / "job.log")
    limit, printed = LOG_MAX_MIB * 2**20, sum(len(f"{number}\n") for number in range(1, LINES + 1))
    assert step_log.stat().st_size < limit + 2**16
    more = re.search(r"(\d+) more", step_log.read_text()[-1000:])
    kept = step_log.read_text().count("\n")
    assert bool(more) == (printed > limit)
    assert kept + int(more[1] if more else 0) == pytest.approx(LINES, abs=10)


@needs_services
def test_logs_of_jobs_that_ended_long_ago_are_removed_by_gc(user: User, echo: str) -> None:
    old, new = (user.execute(echo, {"message": message}) for message in ("old", "new"))
    assert [job.wait()[-1]["status"] for job in (old, new)] == ["successful"] * 2
    log, state = old.links()["Job log"], find_private(user) / "jobs"
    assert ask("GET", log).code == 200
    store = FileStore(state)
    store.update(replace(store.get(old.id), finished=clock.after(-31 * DAY_SECONDS)))
    variables = {"STATE": state, "SCRATCH": state.with_name("scratch"), "WORKSPACE": user.name, "RETENTION_DAYS": 30}
    command = [sys.executable, "-m", "zoo_runner", "gc", "--engine", "local", "--remove"]
    subprocess.run(command, env={f"ZOO_RUNNER_{name}": str(value) for name, value in variables.items()}, check=True)
    assert ask("GET", log).code != 200
    assert not (state / old.id).exists()
    # stored results stay, and so does the kernel's answer to `/results`
    left = [path for public in find_public(user, old) for path in (public, *public.rglob("*"))]
    assert not [path for path in left if path.suffix == ".log" or path.name == "usage.json"]
    assert ask("GET", new.links()["Job log"]).code == 200


# --- others


@needs_services
def test_another_user_reaches_no_private_file_and_no_list_of_logs(user: User, other: User, echo: str) -> None:
    job = user.execute(echo, {"message": "for me only"})
    assert job.wait()[-1]["status"] == "successful"
    record = find_private(user) / "jobs" / job.id / "job.json"
    assert record.exists()
    relative = f"../../.zoo-runner/{user.name}/jobs/{job.id}/job.json"
    for path in (relative, relative.replace("../", "%2e%2e/"), quote(relative, safe=""), f"/{record}", str(record)):
        assert ask("GET", f"{ZOO_URL}/{user.name}/temp/{path}").code != 200, path
    for folder in ("", ".", "echo-" + job.id, f"echo-{job.id}/", "*"):
        answer = ask("GET", f"{ZOO_URL}/{user.name}/temp/{folder}")
        assert answer.code != 200 or "write.log" not in answer.body, folder
    log = job.links()["Job log"]
    assert ask("GET", log.replace(f"/{user.name}/", f"/{other.name}/")).code != 200


def test_the_kernel_gives_ids_that_can_be_guessed_and_asks_nobody_who_they_are(
    user: User, other: User, echo: str
) -> None:
    """As docs/zoo.md says, with the policy that is needed before the kernel; a kernel that does more may drop it."""
    job = user.execute(echo, {"message": "seen by others"})
    assert job.wait()[-1]["status"] == "successful"
    assert uuid.UUID(job.id).version == 1
    assert ask("GET", f"{other.api}/jobs/{job.id}").json["status"] == "successful"
