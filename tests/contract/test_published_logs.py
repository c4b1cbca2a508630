"""Logs, usage report and results document beside the results in object storage: a real store, the local engine."""

import json
import shutil
from pathlib import Path

import pytest

from tests.servers import S3Server
from tests.site import Site
from tests.values import EXAMPLES, FAILING
from zoo_runner.execution.job_log import JobLog
from zoo_runner.execution.publish import publish_logs
from zoo_runner.model.events import EngineLine
from zoo_runner.model.job import Outcome, Status
from zoo_runner.model.masking import Masker

ECHO = EXAMPLES / "echo" / "echo.cwl"


@pytest.fixture
def stored(site: Site, s3: S3Server) -> Site:
    (s3.folder / "published").mkdir(exist_ok=True)
    options = s3.options
    return site.having(
        AWS_ENDPOINT_URL=str(options.endpoint),
        AWS_ACCESS_KEY_ID=str(options.access_key_id),
        AWS_SECRET_ACCESS_KEY=str(options.secret_access_key),
        AWS_REGION=options.region,
    )


def find_published(s3: S3Server, prefix: str, job_id: str) -> dict[str, str]:
    folder = s3.folder / "published" / prefix / "logs" / job_id
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_job_that_succeeded_leaves_its_logs_beside_its_results(stored: Site, s3: S3Server) -> None:
    job = stored.accept(ECHO, None, destination="s3://published/well")
    story = stored.run(job)
    assert story.outcome.status is Status.SUCCESSFUL
    assert story.outcome.published == f"s3://published/well/logs/{job.id}"
    found = find_published(s3, "well", job.id)
    assert {"job.log", "usage.json", "results.json", "node_stage_out.log"} <= set(found)
    assert story.outcome.results
    assert json.loads(found["results.json"]) == story.outcome.results.document
    assert "SUCCESSFUL" in found["job.log"]
    steps = json.loads(found["usage.json"])["steps"]
    assert steps
    assert all(f"{step['step']}.log" in found for step in steps)


def test_a_job_that_failed_leaves_its_logs_with_the_reason(stored: Site, s3: S3Server) -> None:
    job = stored.accept(FAILING / "tool-exit-code" / "tool-exit-code.cwl", None, destination="s3://published/failed")
    story = stored.run(job)
    assert story.outcome.status is Status.FAILED
    assert story.outcome.published == f"s3://published/failed/logs/{job.id}"
    found = find_published(s3, "failed", job.id)
    assert "results.json" not in found
    assert "FAILED at execute" in found["job.log"]


def test_no_secret_is_published(stored: Site, s3: S3Server) -> None:
    site = stored.having(SOME_TOKEN="Hello", STAGEOUT_AWS_SECRET_ACCESS_KEY=str(s3.options.secret_access_key))
    job = site.accept(ECHO, None, destination="s3://published/masked")
    assert site.run(job).outcome.status is Status.SUCCESSFUL
    texts = find_published(s3, "masked", job.id)
    assert any("*****" in text for text in texts.values())
    assert not any("Hello" in text or str(s3.options.secret_access_key) in text for text in texts.values())


def test_results_in_a_folder_have_no_second_copy_of_the_logs(site: Site) -> None:
    story = site.run(site.accept(ECHO, None))
    assert story.outcome.status is Status.SUCCESSFUL
    assert story.outcome.published is None
    assert not (site.results / "logs").exists()


def test_the_command_says_where_the_logs_are(stored: Site) -> None:
    words = ("run", ECHO, "-o", "s3://published/reported", "--job-id", "reported", "--format", "json")
    reported = json.loads(stored.command(*words).stdout)
    assert reported["publishedLogs"] == "s3://published/reported/logs/reported"
    record = json.loads((stored.state / "reported" / "job.json").read_text())
    assert record["outcome"]["published"] == reported["publishedLogs"]


def test_a_store_that_goes_away_fails_no_job(stored: Site, s3: S3Server, tmp_path: Path) -> None:
    """The results are there; where logs belong, something else is in the way."""
    job = stored.accept(ECHO, None, destination="s3://published/blocked", job_id="blocked")
    (s3.folder / "published" / "blocked").mkdir()
    (s3.folder / "published" / "blocked" / "logs").write_text("no folder")
    story = stored.run(job)
    assert story.outcome.status is Status.SUCCESSFUL
    assert story.outcome.published is None
    assert [e.severity for e in story.events if isinstance(e, EngineLine) and "logs" in e.text] == ["warning"]


def test_the_story_is_published_where_a_dismissal_has_emptied_the_public_folder(stored: Site, s3: S3Server) -> None:
    job = stored.accept(ECHO, None, destination="s3://published/emptied")
    stored.run(job)
    shutil.rmtree(job.paths.temp)
    shutil.rmtree(s3.folder / "published" / "emptied" / "logs")
    with JobLog(job.paths, Masker()) as log:
        publish_logs(log, job.destination, stored.workspace.storage, Outcome(Status.FAILED), lambda _: None)
    assert "begins: " in find_published(s3, "emptied", job.id)["job.log"]
