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


def wait_until_gone(site: Site, job_id: str, seconds: float) -> float:
    """Seconds until nothing is left of a job; raises where it takes longer."""
    begun, pause = time.monotonic(), threading.Event()
    # what counts is when the cluster was asked, and not when the answer was read
    asked = begun
    while left := list_objects(site, job_id):
        assert asked - begun < seconds, left
        pause.wait(0.2)
        asked = time.monotonic()
    return asked - begun


def test_of_a_job_nothing_is_left_five_seconds_after_but_the_workspace(site: Site) -> None:
    story = site.run(accept(site, ECHO))
    assert story.outcome.status is Status.SUCCESSFUL
    wait_until_gone(site, story.job.id, 5)
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
    wait_until_gone(site, job.id, 5)


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
    mkfifo /var/tmp/go; date +%s.%N >&2; read go < /var/tmp/go
    for i in 1 2 3 4 5 6; do date +%s.%N >&2; sleep 0.7; done
inputs: []
outputs: []
"""


def test_each_line_of_a_step_arrives_within_a_second(site: Site, tmp_path: Path) -> None:
    """The first may take one more: which containers run, kubelet finds out once a second, and gives no log before."""
    package, late, threads = tmp_path / "ticks.cwl", list[float](), list[threading.Thread]()
    package.write_text(TICKS)
    job = accept(site, package)

    def go_on() -> None:
        selector = f"zoo-runner/job=job-{job.id},zoo-runner/role=step"
        let_go(site, NAMESPACE, kubectl(site, "get", "pods", "-n", NAMESPACE, "-l", selector, "-o", "name").strip())

    def on(event: Event) -> None:
        if isinstance(event, StepLines):
            late.extend(time.time() - float(line) for line in event.lines)
            if not threads:
                # beside this, which hears the lines
                threads.append(threading.Thread(target=go_on))
                threads[0].start()

    story = site.run(job, on=on)
    threads[0].join()
    assert story.outcome.status is Status.SUCCESSFUL, story.outcome.diagnosis
    assert len(late) == 7
    print(f"LATE {[round(seconds, 2) for seconds in late]}")  # noqa: T201 how near the limit it comes
    assert late[0] < 2
    assert max(late[1:]) < 1


def test_a_job_is_cancelled_by_its_caller_and_its_pods_are_gone_in_fifteen_seconds(site: Site) -> None:
    cancelled: list[float] = []
    cancellation = Cancellation()

    def on(event: Event) -> None:
        if isinstance(event, StepLines) and not cancelled:
            cancelled.append(time.monotonic())
            cancellation.cancel()

    story = site.run(accept(site, FAILING / "slow" / "slow.cwl"), cancellation=cancellation, on=on)
    check_stopped(site, story, Status.DISMISSED, cancelled[0])


def test_a_job_over_its_time_limit_is_gone_in_fifteen_seconds(site: Site) -> None:
    """The clock is that of tests/contract/test_engines.py; here it strikes when the step has begun."""
    struck: list[float] = []
    cancellation = Cancellation(3600)

    def on(event: Event) -> None:
        if isinstance(event, StepLines) and not struck:
            struck.append(time.monotonic())
            cancellation.cancel(Reason.TIME_LIMIT)

    story = site.run(accept(site, FAILING / "slow" / "slow.cwl"), cancellation=cancellation, on=on)
    assert story.outcome.diagnosis
    assert story.outcome.diagnosis.code == "job.time-limit"
    assert "3600 s" in story.outcome.diagnosis.cause
    check_stopped(site, story, Status.FAILED, struck[0])


def check_stopped(site: Site, story: Story, status: Status, stopped: float) -> None:
    """Pods and all else gone, logs kept, the record right."""
    wait_until_gone(site, story.job.id, 15 - (time.monotonic() - stopped))
    assert story.outcome.status is status
    assert "sleeping" in story.log
    assert "sleeping" in story.job.paths.step_log("sleep").read_text()
    assert json.loads((story.job.paths.record / "job.json").read_text())["status"] == status


def test_a_job_is_cancelled_by_its_id_and_its_pods_are_gone_in_fifteen_seconds(site: Site) -> None:
    engine = open_engine("calrissian", site.configuration)
    begun: list[float] = []

    def on(event: Event) -> None:
        if isinstance(event, StepLines) and not begun:
            begun.append(time.monotonic())
            engine.cancel(load_handle(site, story_job.id))

    story_job = accept(site, FAILING / "slow" / "slow.cwl")
    check_stopped(site, site.run(story_job, on=on), Status.DISMISSED, begun[0])
