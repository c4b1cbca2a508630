"""What a site may have set up before us, or wrongly, and how a job fares there."""

import base64
import json
import os
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import applied, kubectl
from tests.live.test_calrissian import list_objects
from tests.live.test_calrissian_settings import read_output
from tests.servers import S3Server
from tests.site import Site, Story
from tests.steps import write_package
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import RunnerError
from zoo_runner.model.ids import new_job_id
from zoo_runner.model.job import Status

DESTINATION = "s3://results/sites"


def run(site: Site, package: Path) -> Story:
    return site.run(site.accept(package, None, destination=DESTINATION))


def test_a_strict_namespace_that_somebody_else_made_is_adopted_and_stays_theirs(
    site: Site, s3: S3Server, tmp_path: Path
) -> None:
    """The strictest of the Pod Security Standards, by which clusters guard namespaces of users."""
    # never the one of an earlier run, which may still be going
    workspace = f"theirs-{uuid.uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted", "team": "theirs"}
    name = f"ws-{workspace}"
    with applied(site, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}):
        story = run(site.having(ZOO_RUNNER_WORKSPACE=workspace), write_package(tmp_path, "id -u"))
        found = json.loads(kubectl(site, "get", "namespace", name, "-o", "json"))
    assert story.outcome.status is Status.SUCCESSFUL, story.log
    assert read_output(story, s3) == "1000\n"
    assert labels.items() <= found["metadata"]["labels"].items()
    assert "app.kubernetes.io/managed-by" not in found["metadata"]["labels"]
    assert "deletionTimestamp" not in found["metadata"]


def test_an_image_that_is_no_job_image_is_reported_as_such(site: Site, tmp_path: Path) -> None:
    """As where `CALRISSIAN_IMAGE` still names what an older runner took."""
    image = "docker.io/library/debian:bookworm-slim"
    stock = site.having(ZOO_RUNNER_JOB_IMAGE="", CALRISSIAN_IMAGE=image)
    diagnosis = run(stock, write_package(tmp_path, "true")).outcome.diagnosis
    assert diagnosis
    assert diagnosis.code == "engine.no-result"
    assert image in diagnosis.remedy
    assert "CALRISSIAN_IMAGE" in diagnosis.remedy
    assert diagnosis.level is Level.ENGINE


@pytest.mark.parametrize(
    ("setting", "value", "asks", "reported"),
    [
        ("DEFAULT_MAX_RAM", "1000", {"ramMin": 4000, "ramMax": 4000}, "4000 MiB of memory"),
        ("DEFAULT_MAX_CORES", "500m", {"coresMin": 1}, "1 cores"),
    ],
)
def test_a_step_that_asks_for_more_than_a_job_gets_is_refused_before_anything_is_made(
    setting: str, value: str, asks: dict[str, Any], reported: str, site: Site, tmp_path: Path
) -> None:
    bounded, job_id = site.having(**{setting: value}), new_job_id()
    package = write_package(tmp_path, "true", **asks)
    with pytest.raises(RunnerError) as refused:
        bounded.run(bounded.accept(package, None, destination=DESTINATION, job_id=job_id))
    found = refused.value.diagnosis
    assert (found.code, reported in found.cause, setting in found.remedy) == ("resources.limit", True, True)
    assert list_objects(site, job_id) == []


def test_a_block_store_that_is_not_there_is_reported_at_once(site: Site, tmp_path: Path) -> None:
    lacking = site.having(POD_VOLUMES='[{"claim": "not-there", "path": "/data"}]')
    diagnosis = run(lacking, write_package(tmp_path, "true")).outcome.diagnosis
    assert diagnosis
    assert (diagnosis.code, "'not-there'" in diagnosis.cause) == ("cluster.volume", True)


def test_a_tool_that_failed_is_reported_although_its_output_is_missing_too(site: Site, tmp_path: Path) -> None:
    package = write_package(tmp_path, "echo cannot read band 9 >&2; exit 3")
    document = json.loads(package.read_text())
    document["$graph"][1]["outputs"] = {"text": {"type": "File", "outputBinding": {"glob": "missing.tif"}}}
    package.write_text(json.dumps(document))
    diagnosis = run(site, package).outcome.diagnosis
    assert diagnosis
    assert diagnosis.code == "step.exit-code"
    assert all(fact in diagnosis.cause for fact in ("step 'work'", "exit code 3: cannot read band 9"))


def test_a_step_may_be_given_thousands_of_names(site: Site, s3: S3Server, tmp_path: Path) -> None:
    package = write_package(tmp_path, 'echo "$#"; exit 0')
    document = json.loads(package.read_text())
    flow, tool = document["$graph"]
    flow["inputs"] = {"names": "string[]"}
    flow["steps"]["work"]["in"] = {"names": "names"}
    tool["inputs"] = {"names": {"type": "string[]", "inputBinding": {"position": 1}}}
    tool["baseCommand"] = [*tool["baseCommand"], "count"]
    package.write_text(json.dumps(document))
    inputs = tmp_path / "inputs.json"
    inputs.write_text(json.dumps({"names": [f"/scenes/of/a/year/{number:06}.tif" for number in range(5000)]}))
    story = site.run(site.accept(package, inputs, destination=DESTINATION))
    assert story.outcome.status is Status.SUCCESSFUL, story.log[-2000:]
    assert read_output(story, s3) == "5000\n"


def test_a_package_and_parameters_of_five_mebibytes_are_run(site: Site, s3: S3Server, tmp_path: Path) -> None:
    """What does not compress: as text, neither fits into an object of Kubernetes."""
    package = write_package(tmp_path, "echo ran")
    document = json.loads(package.read_text())
    document["$graph"][1]["doc"] = base64.b64encode(os.urandom(5 * 2**20)).decode()
    document["$graph"][0]["inputs"] = {"names": "string[]"}
    package.write_text(json.dumps(document))
    inputs = tmp_path / "inputs.json"
    inputs.write_text(json.dumps({"names": [base64.b64encode(os.urandom(192)).decode() for _ in range(5 * 2**12)]}))
    assert inputs.stat().st_size > 5 * 2**20
    story = site.run(site.accept(package, inputs, destination=DESTINATION))
    assert story.outcome.status is Status.SUCCESSFUL, story.log
    assert read_output(story, s3) == "ran\n"
