"""Commands that take up a job that has ended: run it again, download its results."""

import json
from pathlib import Path

import pystac
import pytest
from click.testing import CliRunner, Result

from tests.site import Site
from tests.values import EXAMPLES
from zoo_runner.cli.main import cli
from zoo_runner.model.errors import InputError, JobNotFoundError, StageInError

pytestmark = pytest.mark.contract

ECHO = EXAMPLES / "echo" / "echo.cwl"
SECRET = """
cwlVersion: v1.2
$namespaces: {cwltool: "http://commonwl.org/cwltool#"}
$graph:
  - class: Workflow
    id: hides
    hints: {"cwltool:Secrets": {secrets: [token]}}
    inputs: {token: string}
    outputs: {}
    steps: {}
"""


def invoke(site: Site, *words: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words], env=site.environ, standalone_mode=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """An installation with a job `good` that was successful."""
    site = Site(tmp_path_factory.mktemp("site"), tmp_path_factory.getbasetemp() / "cache")
    assert invoke(site, "run", ECHO, "-q", "--job-id", "good", "-o", site.folder / "good").exit_code == 0
    return site


def list_files(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def read_texts(folder: Path) -> list[str]:
    return [path.read_text() for path in folder.rglob("message.txt")]


def test_the_results_of_a_job_are_downloaded_with_links_that_hold(site: Site, tmp_path: Path) -> None:
    assert invoke(site, "results", "good", "--download", tmp_path).exit_code == 0
    assert list_files(tmp_path) == list_files(site.folder / "good") - {Path(".stageout.json")}
    collection = pystac.Collection.from_file(str(tmp_path / "collection.json"))
    assets = [asset for item in collection.get_items() for asset in item.assets.values()]
    hrefs = [Path(asset.get_absolute_href() or "") for asset in assets]
    assert [href.read_text() for href in hrefs] == ["Hello\n"]
    assert all(href.is_relative_to(tmp_path) for href in hrefs)


def test_results_that_another_job_has_replaced_are_not_taken_for_those_of_the_first(site: Site, tmp_path: Path) -> None:
    for job in ("replaced", "replacing"):
        invoke(site, "rerun", "good", "-q", "--job-id", job, "-o", tmp_path / "shared")
    caught = invoke(site, "results", "replaced", "--download", tmp_path / "here").exception
    assert isinstance(caught, StageInError) and caught.diagnosis.code == "source.not-found"
    assert not (tmp_path / "here").exists()


def test_a_job_is_run_again_as_a_new_one_with_changed_inputs(site: Site, tmp_path: Path) -> None:
    changed = invoke(
        site, "rerun", "good", "-i", "message=Again", "--job-id", "again", "-o", tmp_path / "a", "--format", "json"
    )
    assert json.loads(changed.stdout)["jobID"] == "again"
    assert read_texts(tmp_path / "a") == ["Again\n"]
    same = json.loads(invoke(site, "rerun", "good", "-q", "-o", tmp_path / "b", "--format", "json").stdout)
    assert read_texts(tmp_path / "b") == ["Hello\n"]
    assert same["jobID"] not in ("good", "again")


def test_a_job_is_not_run_again_with_an_input_that_its_package_does_not_have(site: Site) -> None:
    caught = invoke(site, "rerun", "good", "-i", "no-such=1").exception
    assert isinstance(caught, InputError) and caught.diagnosis.code == "inputs.unknown"


def test_a_secret_input_has_to_be_given_again(site: Site, tmp_path: Path) -> None:
    package = tmp_path / "hides.cwl"
    package.write_text(SECRET)
    invoke(site, "run", package, "-q", "-i", "token=canary", "--job-id", "hides", "-o", tmp_path / "a")
    caught = invoke(site, "rerun", "hides", "-o", tmp_path / "b").exception
    assert isinstance(caught, InputError) and caught.diagnosis.code == "inputs.missing"
    assert "-i token=" in caught.diagnosis.remedy


def test_a_job_that_does_not_exist_cannot_be_run_again(site: Site) -> None:
    assert isinstance(invoke(site, "rerun", "nobody").exception, JobNotFoundError)
