"""kill -9 of the caller at exact points of its talk with the cluster; coming back finishes the job, nothing twice.

`make test-long` kills at all of the points, CI at a few.
"""

import json
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from tests.cluster import NAMESPACE, find_kubeconfig, join_cluster, kubectl
from tests.features import FEATURES
from tests.live.relay import Point, relaying
from tests.live.test_calrissian import wait_until_gone
from tests.servers import S3Server
from tests.site import Site
from tests.values import EXAMPLES
from zoo_runner.execution.growing_log import GrowingLog
from zoo_runner.model.ids import new_job_id

ECHO = EXAMPLES / "echo" / "echo.cwl"
# the caller of a one-step job makes fourteen requests, the last three to remove it, and reads fourteen lines of log
ALL_POINTS = [
    *(Point("before-request", number) for number in (*range(1, 14, 2), 14)),
    *(Point("after-request", number) for number in range(1, 15)),
    *(Point("log-line", number) for number in range(1, 11, 2)),
]
# the last request of a submission: everything is there, and the handle is not stored yet
SUBMITTED = Point("after-request", 5)
SECRETS = FEATURES / "secrets" / "secrets.cwl"
IN_CI = [Point("after-request", 3), Point("after-request", 8), Point("log-line", 5), Point("before-request", 13)]


def kill_caller(tmp_path: Path, s3: S3Server, point: Point, package: Path, *inputs: str) -> tuple[Site, str]:
    """Run a job and kill its caller at a point; the site and the id of the job."""
    # never the id of an earlier run: its events stay in the namespace for an hour
    job_id = f"killed-{new_job_id()}"
    kubeconfig = find_kubeconfig()
    site = join_cluster(Site(tmp_path, tmp_path / "cache"), kubeconfig, s3)
    callers: list[subprocess.Popen[str]] = []
    started = threading.Event()

    def kill() -> None:
        started.wait()
        callers[0].send_signal(signal.SIGKILL)

    with relaying(kubeconfig, point, kill) as (url, relay):
        watched = site.having(ZOO_RUNNER_KUBERNETES_URL=url)
        words = ("--engine", "calrissian", "-o", f"s3://results/{job_id}", "--job-id", job_id, "--quiet")
        with watched.started("run", package, *words, *inputs) as process:
            callers.append(process)
            started.set()
            code = process.wait()
    assert relay.killed.is_set(), f"the job was over after {relay.requests} requests and {relay.lines} lines"
    assert code == -signal.SIGKILL
    return site, job_id


def kill_and_come_back(tmp_path: Path, s3: S3Server, point: Point) -> None:
    site, job_id = kill_caller(tmp_path, s3, point, ECHO)
    log = GrowingLog(Path(site.load_job(job_id).log))
    followed = b"".join(iter(log.read, b""))
    done = site.command("reattach", job_id, "--quiet")
    assert done.returncode == 0, done.stderr
    assert f"collection s3://results/{job_id}" in done.stdout
    record = site.load_job(job_id)
    assert record.outcome
    assert record.outcome.results
    assert (record.status, set(record.outcome.results.document)) == ("successful", {"text"})
    job_log = Path(record.log).read_text()
    assert job_log.count("[write] begins:") == 1
    # whoever follows the log goes on where it was, and no line comes twice
    assert (followed + b"".join(iter(log.read, b""))).decode() == job_log
    texts = [text for text in (line.partition(" ")[2] for line in job_log.splitlines()) if not text.startswith("[job]")]
    assert len(set(texts)) == len(texts)
    assert count_pods(site, job_id) == {"the job": 1, "write": 1}
    wait_until_gone(site, job_id)


def count_pods(site: Site, job_id: str) -> dict[str, int]:
    """How many pods of the job there ever were: each got its place once."""
    words = ("get", "events", "-n", NAMESPACE, "-o", "json", "--field-selector", "reason=Scheduled")
    names = {item["involvedObject"]["name"] for item in json.loads(kubectl(site, *words))["items"]}
    own = [name.removeprefix(f"job-{job_id}-") for name in names if name.startswith(f"job-{job_id}-")]
    steps = sum(name.startswith("write-") for name in own)
    return {"the job": len(own) - steps, "write": steps}


@pytest.mark.parametrize("point", IN_CI, ids=str)
def test_who_was_killed_comes_back_and_nothing_runs_twice(point: Point, tmp_path: Path, s3: S3Server) -> None:
    kill_and_come_back(tmp_path, s3, point)


def test_of_a_job_with_secrets_whose_caller_was_killed_before_it_stored_the_handle_nothing_is_left(
    tmp_path: Path, s3: S3Server
) -> None:
    inputs = ("-i", "password=canary-of-the-killed", "-i", "user=ada")
    site, job_id = kill_caller(tmp_path, s3, SUBMITTED, SECRETS, *inputs)
    selector = ("-n", NAMESPACE, "-l", f"zoo-runner/job=job-{job_id}", "-o", "name")
    assert f"job.batch/job-{job_id}" in kubectl(site, "get", "job,secret", *selector)
    assert site.load_job(job_id).handle is None
    done = site.command("reattach", job_id, "--quiet")
    assert (done.returncode, "job.secrets-lost" in done.stderr) == (7, True), done.stderr
    wait_until_gone(site, job_id)


@pytest.mark.long
@pytest.mark.parametrize("point", ALL_POINTS, ids=str)
def test_at_any_point(point: Point, tmp_path: Path, s3: S3Server) -> None:
    kill_and_come_back(tmp_path, s3, point)
