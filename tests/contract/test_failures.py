"""Each way to fail, as a user meets it: exit code, stage, level, code, the value that caused it, the log."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.contract.failures import FAILURES, Failure
from tests.contract.reported import REPORTED
from tests.contract.scenes import ECHO, Scene, build_item, lacks_podman, shown_message
from tests.servers import FileServer, S3Server
from tests.site import Site, wait_until_none_is_left
from tests.values import EXAMPLES, PACKAGES, ROOT
from zoo_runner.model.job import Status

DOCUMENT = ROOT / "docs" / "failures.md"
WRITE_ANEW = "run `python -m tests.contract.failures_table` and look at what changed"
WORKING = [*sorted(path.parent for path in EXAMPLES.rglob("inputs.yml")), PACKAGES / "graph", PACKAGES / "multi"]


@pytest.fixture
def scene(site: Site, web: FileServer, s3: S3Server) -> Scene:
    s3.put("results", "item.json", json.dumps(build_item()).encode())
    return Scene(site, web, s3)


@pytest.mark.parametrize("failure", [*FAILURES, *REPORTED], ids=lambda failure: failure.name.replace(" ", "-"))
def test_a_failure_says_what_happened_and_whose_move_is_next(failure: Failure, scene: Scene) -> None:
    if failure.needs == "root" and os.geteuid():
        pytest.skip("only root can mount a disk")
    if failure.needs == "podman" and (lacks := lacks_podman()):
        pytest.skip(lacks)
    done = failure.cause_it(scene)
    assert done.returncode == failure.exit_code, done.stderr
    document = json.loads(done.stdout)
    diagnosis = document["diagnosis"]
    assert (diagnosis["stage"], diagnosis["level"]) == (failure.stage, failure.level)
    assert diagnosis["code"] == failure.code
    assert [fact for fact in failure.facts if fact not in diagnosis["cause"]] == [], diagnosis["cause"]
    assert failure.advice in diagnosis["remedy"]
    assert "Traceback" not in "".join(without_evidence(done.stderr))
    assert f"error: {diagnosis['cause']}" in done.stderr
    assert f"  code: {failure.code}, " in done.stderr
    assert f"what to do: {diagnosis['remedy']}" in done.stderr
    _check_logs(failure, scene, document)
    _check_what_is_left(scene, diagnosis["remedy"])
    _check_page(failure, shown_message(done, scene))


def _check_logs(failure: Failure, scene: Scene, document: dict[str, Any]) -> None:
    """The job log ends with the diagnosis, and the record has it."""
    logs, diagnosis = list(scene.site.temp.glob("*_error.log")), document["diagnosis"]
    assert len(logs) == failure.is_job
    for log in logs:
        story = log.read_text()
        assert diagnosis["cause"] in story
        assert diagnosis["log"] == str(log)
        ours = [line for line in story.splitlines() if "[tool] " not in line and "[job]   | " not in line]
        assert "Traceback" not in "".join(ours)
        assert failure.code in story
        record = json.loads((scene.site.state / document["jobID"] / "job.json").read_text())
        assert record["outcome"]["exit_code"] == failure.exit_code


def _check_page(failure: Failure, message: str) -> None:
    """The page of failures has the failure as it is."""
    page = DOCUMENT.read_text()
    row = f"| `{failure.code}` | {failure.exit_code} | {failure.stage} | {failure.level} |"
    assert f"| [{failure.name}](#{failure.name.lower().replace(' ', '-')}) {row}" in page, WRITE_ANEW
    about, _, rest = page.partition(f"\n## {failure.name}\n")[2].partition("```text\n")
    assert failure.report in about, WRITE_ANEW
    assert without_evidence(rest.partition("\n```\n")[0]) == without_evidence(message), WRITE_ANEW


def _check_what_is_left(scene: Scene, remedy: str) -> None:
    """Results that could not be stored are kept, and nothing else is."""
    kept = {path.name for path in scene.site.folder.glob("scratch/*/*")}
    assert kept == ({"outputs"} if "zoo-runner publish" in remedy else set())
    assert wait_until_none_is_left(scene.site.folder)


def without_evidence(message: str) -> list[str]:
    """The lines of a message that are ours; evidence is what engines say, in words that differ by their version."""
    return [line for line in message.splitlines() if not line.startswith("  | ")]


@pytest.mark.parametrize("destination", ["ftp://example.org/x", "s3:///x", "s3://[bucket/x", "file://server/x"])
def test_what_is_no_destination_is_refused_before_a_job_is_made(destination: str, scene: Scene) -> None:
    done = scene.run(*ECHO, "-o", destination, "--job-id", "once")
    assert (done.returncode, json.loads(done.stdout)["diagnosis"]["level"]) == (8, "user")
    assert not scene.site.temp.exists()
    assert not scene.site.state.exists()


def test_a_job_that_fails_or_is_stopped_leaves_no_folder_of_results(scene: Scene) -> None:
    assert scene.run_failing("tool-exit-code").returncode == 6
    assert scene.run_failing("slow", "--time-limit", "1").returncode == 9
    assert not scene.site.results.exists()


@pytest.mark.parametrize("folder", WORKING, ids=lambda folder: folder.name)
def test_a_working_package_raises_no_false_alarm(folder: Path, site: Site) -> None:
    package = folder / f"{folder.name}.cwl"
    story = site.run(site.accept(package, folder / "inputs.yml"))
    assert story.outcome.diagnosis is None
    assert story.outcome.status is Status.SUCCESSFUL
    assert story.engine_errors == []
    assert "WHAT TO DO" not in story.log
