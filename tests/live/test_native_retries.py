"""Retries on a real Argo Workflows: a tag that has moved is run again, and a server continues its own jobs."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import ENVIRON, find_kubeconfig, list_jobs
from tests.live.test_argo import accept
from tests.live.test_argo_native import read_text, site, write_three  # noqa: F401 a fixture
from tests.require import require
from tests.servers import S3Server
from tests.serving import serving
from tests.site import Site, Story
from tests.values import ROOT
from zoo_runner.execution.context import open_context
from zoo_runner.execution.retry import Changes, draft_retry
from zoo_runner.package.loading import load_package

_LONGEST = 400.0
MOVING = "docker.io/zoo-runner/moving:latest"


@pytest.fixture
def push(tmp_path: Path) -> Callable[[str], None]:
    """Push an image with some content under the name that moves; the registry is that of the development cluster."""
    require("zoo-runner/cluster" in find_kubeconfig(), "only the development cluster has this registry")

    def push(content: str) -> None:
        folder = tmp_path / "image"
        folder.mkdir(exist_ok=True)
        (folder / "content").write_text(content)
        (folder / "Dockerfile").write_text("FROM docker.io/library/busybox:latest\nCOPY content /content\n")
        environ = {**ENVIRON, "CONTAINERS_CONF": str(ROOT / "dev" / "images" / "containers.conf")}
        for words in (
            ("build", "-q", "--pull=never", "--isolation", "chroot", "-t", MOVING, str(folder)),
            ("push", "-q", "--tls-verify=false", MOVING, MOVING.replace("docker.io", "127.0.0.1:5000")),
        ):
            subprocess.run(["podman", *words], env=environ, check=True, capture_output=True)

    return push


def write_moving(folder: Path, third: str) -> Path:
    """The package of three steps, whose first one has the image that moves."""
    path = write_three(folder, third)
    document = json.loads(path.read_text())
    first = next(one for one in document["$graph"] if one["id"] == "first")
    first["requirements"] = [
        {**one, "dockerPull": MOVING} if "dockerPull" in one else one for one in first["requirements"]
    ]
    first["baseCommand"] = ["sh", "-c", "cat /content"]
    path.write_text(json.dumps(document))
    return path


def test_a_step_is_run_again_only_where_its_tag_has_moved(
    site: Site,  # noqa: F811 the fixture
    tmp_path: Path,
    s3: S3Server,
    push: Callable[[str], None],
) -> None:
    def retry(job_id: str, third: str) -> Any:
        changes = Changes(load_package(str(write_moving(tmp_path, third)), site.settings))
        return draft_retry(context, context.store.get(job_id), changes, site.workspace)

    push("before\n")
    job = accept(site, write_moving(tmp_path, "exit 3"))
    assert site.run(job).outcome.diagnosis
    context = open_context(site.configuration)
    # nothing has moved yet: both are reused, and the third fails again
    again = retry(job.id, "exit 4")
    story = site.run(again)
    assert [one.step for one in story.outcome.reused] == ["first", "second"]
    push("after\n")
    last = site.run(retry(again.id, "cat $0; echo third"))
    assert read_text(last, s3) == "after\nsecond\nthird\n"
    assert last.outcome.reused == ()


def test_a_server_continues_a_failed_job(site: Site, tmp_path: Path, s3: S3Server) -> None:  # noqa: F811 the fixture
    folder = tmp_path / "server"
    folder.mkdir()
    served = site.having(ZOO_RUNNER_STATE=str(folder / "state"), STAGEOUT_OUTPUT="s3://results/served")
    # what is right about the last step has too little memory
    edited = "cat $0; head -c 200m /dev/zero | tail > /dev/null && echo third"
    with serving(served.environ, folder) as server:
        process = server.deploy(write_three(tmp_path, "exit 3"))
        failed = server.wait(server.execute(process, {}), seconds=_LONGEST)
        assert failed["status"] == "failed", failed
        unit = json.loads(write_three(tmp_path, edited).read_text())
        changes = {"memory": {"third": "512Mi"}, "package": {"unit": unit}}
        answer = server.request("POST", f"/jobs/{failed['jobID']}/retry", changes)
        assert answer.status == 201, answer.body
        job = answer.json["jobID"]
        assert answer.headers["location"].endswith(f"/jobs/{job}")
        assert server.wait(job, seconds=_LONGEST)["status"] == "successful", (folder / "server.log").read_text()
        log = server.request("GET", f"/jobs/{job}/logs/job.log").body.decode()
        assert "first" in log
        gone = server.request("POST", f"/jobs/{failed['jobID']}/retry", {})
        assert gone.json["diagnosis"]["code"] == "job.nothing-kept"
    (text,) = (s3.folder / "results" / "served").rglob("out.txt")
    assert text.read_text().split() == ["first", "second", "third"]


def retry_by_command(installation: Site, job_id: str, *words: str) -> tuple[str, list[str]]:
    """Continue a failed job by the command; return where the file is that it gives, and which steps were reused."""
    done = installation.command("retry", job_id, *words, "--format", "json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    return said["results"]["text"]["href"].removeprefix("s3://"), [one["step"] for one in said["reused"]]


def test_a_command_continues_a_failed_job_with_another_input(
    site: Site,  # noqa: F811 the fixture
    tmp_path: Path,
    s3: S3Server,
    started_jobs: set[str],
) -> None:
    path = write_three(tmp_path, "[ $1 = good ] || exit 5; cat $0; echo $1")
    document = json.loads(path.read_text())
    flow, *_, third = document["$graph"]
    third["inputs"]["word"] = {"type": "string", "inputBinding": {"position": 2}}
    flow["inputs"], flow["steps"]["third"]["in"]["word"] = {"word": "string"}, "word"
    path.write_text(json.dumps(document))
    job = accept(site, path, "word=bad")
    ensure_third_failed(site.run(job), "step.exit-code")
    href, reused = retry_by_command(site, job.id, "-i", "word=good")
    assert reused == ["first", "second"]
    assert (s3.folder / href).read_text() == "first\nsecond\ngood\n"
    started_jobs |= list_jobs(site)


def ensure_third_failed(story: Story, code: str) -> None:
    failed = story.outcome.diagnosis
    assert failed
    assert (failed.code, failed.step) == (code, "third")


def test_a_command_continues_a_job_whose_step_had_too_little_memory(
    site: Site,  # noqa: F811 the fixture
    tmp_path: Path,
    s3: S3Server,
    started_jobs: set[str],
) -> None:
    job = accept(site, write_three(tmp_path, "head -c 200m /dev/zero | tail > /dev/null && cat $0 && echo third"))
    ensure_third_failed(site.run(job), "step.out-of-memory")
    href, reused = retry_by_command(site, job.id, "--memory", "third=512Mi")
    assert reused == ["first", "second"]
    assert (s3.folder / href).read_text() == "first\nsecond\nthird\n"
    started_jobs |= list_jobs(site)
