"""Each way to fail, as a user meets it: exit code, stage, level, the value that caused it, the remedy, the log."""

import json
import os
import re
from pathlib import Path

import pytest

from tests.contract.failures import FAILURES, Failure
from tests.contract.scenes import Scene, build_item, cover_places, lacks_podman
from tests.servers import FileServer, S3Server
from tests.site import Site, wait_until_none_is_left
from tests.values import EXAMPLES, PACKAGES, ROOT
from zoo_runner.jobs.models import Status

DOCUMENT = ROOT / "docs" / "failures.md"
WORKING = [*sorted(path.parent for path in EXAMPLES.rglob("inputs.yml")), PACKAGES / "graph", PACKAGES / "multi"]


@pytest.fixture
def scene(site: Site, web: FileServer, s3: S3Server) -> Scene:
    s3.put("results", "item.json", json.dumps(build_item()).encode())
    return Scene(site, web, s3)


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.name.replace(" ", "-"))
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
    assert re.search(failure.cause, diagnosis["cause"]), diagnosis["cause"]
    assert re.search(failure.remedy, diagnosis["remedy"]), diagnosis["remedy"]
    assert "Traceback" not in done.stderr + done.stdout
    assert f"error: {diagnosis['cause']}" in done.stderr
    assert f"what to do: {diagnosis['remedy']}" in done.stderr
    logs = list(scene.site.temp.glob("*_error.log"))
    assert len(logs) == failure.is_job
    for log in logs:
        story = log.read_text()
        assert diagnosis["cause"] in story
        assert diagnosis["log"] == str(log)
        assert "Traceback" not in story
        record = json.loads((scene.site.state / document["jobID"] / "record.json").read_text())
        assert record["exit_code"] == failure.exit_code
    assert list(scene.site.folder.glob("scratch/*")) == []
    assert wait_until_none_is_left(scene.site.folder)
    told = cover_places(f"{diagnosis['cause']}", scene)
    assert told in DOCUMENT.read_text(), "run `python -m tests.contract.failures_table` and look at what changed"


@pytest.mark.parametrize("folder", WORKING, ids=lambda folder: folder.name)
def test_a_working_package_raises_no_false_alarm(folder: Path, site: Site) -> None:
    package = folder / f"{folder.name}.cwl"
    story = site.run(site.accept(package, folder / "inputs.yml"))
    assert story.outcome.diagnosis is None
    assert story.outcome.status is Status.SUCCESSFUL
    assert story.engine_errors == []
    assert "WHAT TO DO" not in story.log
