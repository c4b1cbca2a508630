"""The calrissian engine on a real cluster: one job pod, nothing left, no credential anywhere, nothing twice."""

import base64
import json
import os
import threading
import time
from pathlib import Path

import pytest

from tests.cluster import NAMESPACE, kubectl
from tests.site import Site, Story, load_handle
from tests.steps import let_go
from tests.values import EXAMPLES, FAILING
from tests.waiting import wait_for
from zoo_runner.engines import open_engine
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.model.cancellation import Cancellation, Reason
from zoo_runner.model.events import Event, StepLines
from zoo_runner.model.job import Status

CANARY = "canary-of-the-cluster"
KINDS = "jobs,pods,secrets,configmaps,persistentvolumeclaims"
ECHO = EXAMPLES / "echo" / "echo.cwl"


@pytest.fixture(scope="module")
def secret() -> str:
    return CANARY


def accept(site: Site, package: Path, *words: str) -> JobSpec:
    return site.accept(package, None, *words, destination="s3://results/live")


def list_objects(site: Site, job_id: str) -> list[str]:
    """What the cluster still has of a job."""
    return kubectl(site, "get", KINDS, "-A", "-l", f"zoo-runner/job=job-{job_id}", "-o", "name").split()


def wait_until_gone(site: Site, job_id: str) -> None:
    """Wait until nothing is left of a job."""
    wait_for(lambda: not list_objects(site, job_id))


def test_of_a_job_nothing_is_left_but_the_workspace(site: Site) -> None:
    story = site.run(accept(site, ECHO))
    assert story.outcome.status is Status.SUCCESSFUL
    wait_until_gone(site, story.job.id)
    assert kubectl(site, "get", "namespace", NAMESPACE, "-o", "jsonpath={.status.phase}") == "Active"


def test_a_namespace_of_its_own_goes_with_the_job(site: Site) -> None:
    own = site.having(ZOO_RUNNER_NAMESPACE_PER="job", ZOO_RUNNER_NAMESPACE_QUOTA='{"pods": "4"}')
    story = own.run(accept(own, ECHO))
    assert story.outcome.status is Status.SUCCESSFUL
    done = kubectl(site, "wait", "--for=delete", f"namespace/job-{story.job.id}", "--timeout=20s")
    assert "error" not in done


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
    wait_until_gone(site, job.id)


TICKS = """
cwlVersion: v1.2
class: CommandLineTool
id: ticks
requirements:
  DockerRequirement: {dockerPull: "docker.io/library/debian:bookworm-slim"}
  ResourceRequirement: {coresMin: 0.1, ramMin: 32}
baseCommand:
  - sh
  - -c
  - |
    mkfifo /var/tmp/go; for i in 1 2 3; do date +%s.%N >&2; read go < /var/tmp/go; done
inputs: []
outputs: []
"""


def test_each_line_of_a_step_arrives_before_the_step_goes_on(site: Site, tmp_path: Path) -> None:
    """The step waits after each line until the line has been heard here; how late each was is printed."""
    package, late, threads = tmp_path / "ticks.cwl", list[float](), list[threading.Thread]()
    package.write_text(TICKS)
    job = accept(site, package)

    def go_on() -> None:
        selector = f"zoo-runner/job=job-{job.id},zoo-runner/role=step"
        let_go(site, NAMESPACE, kubectl(site, "get", "pods", "-n", NAMESPACE, "-l", selector, "-o", "name").strip())

    def on(event: Event) -> None:
        if isinstance(event, StepLines):
            late.extend(time.time() - float(line) for line in event.lines)
            # beside this, which hears the lines
            threads.append(threading.Thread(target=go_on))
            threads[-1].start()

    story = site.run(job, on=on)
    for thread in threads:
        thread.join()
    assert story.outcome.status is Status.SUCCESSFUL, story.outcome.diagnosis
    assert len(late) == 3
    print(f"LATE {[round(seconds, 2) for seconds in late]}")  # noqa: T201


def test_a_job_is_cancelled_by_its_caller_and_its_pods_go(site: Site) -> None:
    cancellation = Cancellation()

    def on(event: Event) -> None:
        if isinstance(event, StepLines):
            cancellation.cancel()

    story = site.run(accept(site, FAILING / "slow" / "slow.cwl"), cancellation=cancellation, on=on)
    check_stopped(site, story, Status.DISMISSED)


def test_a_job_over_its_time_limit_is_stopped_and_its_pods_go(site: Site) -> None:
    """The clock is that of tests/contract/test_engines.py; here it strikes when the step has begun."""
    cancellation = Cancellation(3600)

    def on(event: Event) -> None:
        if isinstance(event, StepLines):
            cancellation.cancel(Reason.TIME_LIMIT)

    story = site.run(accept(site, FAILING / "slow" / "slow.cwl"), cancellation=cancellation, on=on)
    assert story.outcome.diagnosis
    assert story.outcome.diagnosis.code == "job.time-limit"
    assert "3600 s" in story.outcome.diagnosis.cause
    check_stopped(site, story, Status.FAILED)


def check_stopped(site: Site, story: Story, status: Status) -> None:
    """Pods and all else gone, logs kept, the record right."""
    wait_until_gone(site, story.job.id)
    assert story.outcome.status is status
    assert "sleeping" in story.log
    assert "sleeping" in story.job.paths.step_log("sleep").read_text()
    assert json.loads((story.job.paths.record / "job.json").read_text())["status"] == status


def test_a_job_is_cancelled_by_its_id_and_its_pods_go(site: Site) -> None:
    engine = open_engine("calrissian", site.configuration)
    cancelled: list[Event] = []

    def on(event: Event) -> None:
        if isinstance(event, StepLines) and not cancelled:
            cancelled.append(event)
            engine.cancel(load_handle(site, story_job.id))

    story_job = accept(site, FAILING / "slow" / "slow.cwl")
    check_stopped(site, site.run(story_job, on=on), Status.DISMISSED)
