"""The calrissian engine on a real cluster: one job pod, nothing left, no credential anywhere, nothing twice."""

import base64
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import find_kubeconfig, join_cluster, kubectl, serve_pods
from tests.servers import S3Server
from tests.site import Site
from tests.values import EXAMPLES, FAILING
from zoo_runner.engines import open_engine
from zoo_runner.jobs.cancellation import Cancellation
from zoo_runner.jobs.events import Event, StepLine, StepStarted
from zoo_runner.jobs.models import Job, Status
from zoo_runner.jobs.names import new_job_id

CANARY = "canary-of-the-cluster"
KINDS = "jobs,pods,secrets,configmaps,persistentvolumeclaims"
ECHO = EXAMPLES / "echo" / "echo.cwl"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with serve_pods(tmp_path_factory.mktemp("pods-s3"), CANARY) as server:
        yield server


@pytest.fixture
def site(tmp_path: Path, s3: S3Server) -> Site:
    return join_cluster(Site(tmp_path, tmp_path / "cache"), find_kubeconfig(), s3)


def accept(site: Site, package: Path, *words: str) -> Job:
    return site.accept(package, None, *words, destination="s3://results/live")


def list_objects(site: Site, job: Job) -> list[str]:
    """What the cluster still has of a job."""
    return kubectl(site, "get", KINDS, "-A", "-l", f"zoo-runner/job=job-{job.id}", "-o", "name").split()


def wait_until_gone(site: Site, job: Job, seconds: float) -> float:
    """Seconds until nothing is left of a job; raises where it takes longer."""
    begun, pause = time.monotonic(), threading.Event()
    while left := list_objects(site, job):
        assert time.monotonic() - begun < seconds, left
        pause.wait(0.2)
    return time.monotonic() - begun


def test_of_a_job_nothing_is_left_five_seconds_after(site: Site) -> None:
    story = site.run(accept(site, ECHO))
    assert story.outcome.status is Status.SUCCESSFUL
    wait_until_gone(site, story.job, 5)


def test_a_namespace_of_its_own_goes_with_the_job(site: Site) -> None:
    own = site.having(ZOO_RUNNER_NAMESPACE_PER="job", ZOO_RUNNER_NAMESPACE_QUOTA='{"pods": "4"}')
    story = own.run(accept(own, ECHO))
    assert story.outcome.status is Status.SUCCESSFUL
    done = kubectl(site, "wait", "--for=delete", f"namespace/job-{story.job.id}", "--timeout=20s")
    assert "error" not in done


def test_the_namespace_of_a_workspace_stays(site: Site) -> None:
    site.run(accept(site, ECHO))
    assert "ws-tests" in kubectl(
        site, "get", "namespace", "ws-tests", "-o", "jsonpath={.metadata.name} {.status.phase}"
    )


def test_credentials_are_nowhere_but_in_the_secret_of_the_job(site: Site) -> None:
    seen: list[str] = []

    def look(event: Event) -> None:
        if isinstance(event, StepStarted) and not seen:
            seen.append(kubectl(site, "get", f"{KINDS},events,serviceaccounts", "-A", "-o", "json"))
            pod = kubectl(site, "get", "pods", "-n", "ws-tests", "-l", "zoo-runner/role=job", "-o", "name").split()[0]
            seen.append(kubectl(site, "logs", "-n", "ws-tests", pod))

    story = site.run(accept(site, ECHO), on=look)
    objects, log = seen
    forms = (CANARY, base64.b64encode(CANARY.encode()).decode())
    holders = {
        f"{item['kind']}/{item['metadata']['name']}"
        for item in json.loads(objects)["items"]
        if any(form in json.dumps(item) for form in forms)
    }
    assert holders == {f"Secret/job-{story.job.id}-staging"}
    assert CANARY not in log
    assert CANARY not in story.log
    assert not any(CANARY in path.read_text(errors="replace") for path in site.folder.rglob("*") if path.is_file())


def test_a_job_order_of_five_mebibytes_is_run(site: Site, tmp_path: Path) -> None:
    text = tmp_path / "large.txt"
    text.write_bytes(base64.b64encode(os.urandom(5 * 2**20)))
    job = site.accept(
        EXAMPLES / "features" / "files" / "files.cwl",
        None,
        f"source={json.dumps({'class': 'File', 'path': str(text)})}",
        f"folder={json.dumps({'class': 'Directory', 'path': str(EXAMPLES / 'features' / 'files' / 'folder')})}",
        destination="s3://results/large",
    )
    story = site.run(job)
    assert story.outcome.status is Status.SUCCESSFUL, story.outcome.diagnosis
    assert list_objects(site, job) == [] or wait_until_gone(site, job, 5) >= 0


def test_lines_of_a_step_arrive_while_it_runs(site: Site) -> None:
    arrived: list[float] = []
    cancellation = Cancellation()

    def on(event: Event) -> None:
        if isinstance(event, StepLine):
            arrived.append(time.monotonic())
            cancellation.cancel()

    story = site.run(accept(site, FAILING / "slow" / "slow.cwl"), cancellation=cancellation, on=on)
    assert arrived
    assert story.outcome.status is Status.DISMISSED
    assert "sleeping" in (story.job.paths.step_log("sleep")).read_text()
    wait_until_gone(site, story.job, 15)


def test_a_job_is_cancelled_by_its_id_and_its_pods_are_gone_in_fifteen_seconds(site: Site) -> None:
    engine = open_engine("calrissian", site.settings)
    begun: list[float] = []

    def on(event: Event) -> None:
        if isinstance(event, StepLine) and not begun:
            begun.append(time.monotonic())
            engine.cancel(story_job.id)

    story_job = accept(site, FAILING / "slow" / "slow.cwl")
    story = site.run(story_job, on=on)
    assert story.outcome.status is Status.DISMISSED
    wait_until_gone(site, story.job, 15 - (time.monotonic() - begun[0]))
    assert "sleeping" in story.log


POINTS = (0.2, 1.0, 2.5, 4.0, 6.0)


@pytest.mark.parametrize("seconds", POINTS)
def test_a_caller_that_was_killed_comes_back_and_nothing_runs_twice(site: Site, seconds: float) -> None:
    # never the id of an earlier run: its events stay in the namespace for an hour
    job_id = f"killed-{new_job_id()}"
    words = ("run", ECHO, "--engine", "calrissian", "-o", f"s3://results/{job_id}", "--job-id", job_id)
    submission = site.state / job_id / "submission.json"
    with site.started(*words) as process:
        pause = threading.Event()
        while not submission.exists():
            assert process.poll() is None
            pause.wait(0.01)
        pause.wait(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    events: list[Event] = []
    engine = open_engine("calrissian", site.settings)
    outcome = engine.reattach(job_id, events.append, Cancellation())
    assert outcome.status is Status.SUCCESSFUL
    assert outcome.results is not None
    assert set(outcome.results.document) == {"text"}
    pods = kubectl(site, "get", "events", "-n", "ws-tests", "-o", "json", "--field-selector", "reason=SuccessfulCreate")
    made = [item for item in json.loads(pods)["items"] if item["involvedObject"]["name"] == f"job-{job_id}"]
    assert sum(item.get("count") or 1 for item in made) == 1
