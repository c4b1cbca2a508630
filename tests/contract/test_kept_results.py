"""Results that could not be stored are kept, and published later."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.site import Site
from zoo_runner.cli.main import cli
from zoo_runner.config.server import load_server_settings
from zoo_runner.engines import open_engine
from zoo_runner.execution import kept_results
from zoo_runner.execution.context import open_context
from zoo_runner.execution.download import download_results
from zoo_runner.model.cancellation import Cancellation, Reason
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.errors import EngineError, StageOutError
from zoo_runner.model.events import Event, StageStarted
from zoo_runner.model.job import Status
from zoo_runner.server.installation import open_context as open_server_context

pytestmark = pytest.mark.contract

# a step that spoils the destination of its own results
PACKAGE = """
cwlVersion: v1.2
$graph:
  - class: Workflow
    id: spoils
    inputs: {destination: string}
    outputs: {folder: {type: Directory, outputSource: write/folder}}
    steps:
      write: {run: "#write", in: {destination: destination}, out: [folder]}
  - class: CommandLineTool
    id: write
    baseCommand: [sh, -c, 'mkdir out; echo work > out/a.txt; rm -rf "$0"; echo file > "$0"']
    inputs: {destination: {type: string, inputBinding: {position: 1}}}
    outputs: {folder: {type: Directory, outputBinding: {glob: out}}}
"""


@pytest.fixture
def site(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """An installation with a job `kept` whose results could not be stored."""
    site = Site(tmp_path, tmp_path_factory.getbasetemp() / "cache")
    package = tmp_path / "spoils.cwl"
    package.write_text(PACKAGE)
    story = site.run(site.accept(package, None, f"destination={site.results}", job_id="kept"))
    assert story.outcome.exit_code == StageOutError.exit_code
    return site


def publish(site: Site, *words: str) -> Result:
    return CliRunner().invoke(cli, ["publish", "kept", "-q", *words], env=site.environ, standalone_mode=False)


def find_scratch(site: Site) -> Path:
    return site.folder / "scratch" / "kept"


def read_texts(folder: Path) -> list[str]:
    return [path.read_text() for path in folder.rglob("a.txt")]


def test_results_are_kept_too_where_the_time_limit_passes_while_they_are_stored(
    tmp_path: Path, package_cache: Path
) -> None:
    site, cancellation = Site(tmp_path, package_cache), Cancellation(3600)

    def stop(event: Event) -> None:
        if isinstance(event, StageStarted) and event.stage is Stage.STAGE_OUT:
            cancellation.cancel(Reason.TIME_LIMIT)

    outputs = {"out": {"type": "File", "outputBinding": {"glob": "a.txt"}}}
    tool = {"cwlVersion": "v1.2", "class": "CommandLineTool", "id": "main", "inputs": {}, "outputs": outputs}
    package = tmp_path / "late.cwl"
    package.write_text(json.dumps({**tool, "baseCommand": ["sh", "-c", "echo work > a.txt"]}))
    outcome = site.run(site.accept(package, job_id="kept"), cancellation=cancellation, on=stop).outcome
    assert outcome.diagnosis
    assert (outcome.diagnosis.code, outcome.diagnosis.stage) == ("job.time-limit", Stage.STAGE_OUT)
    assert "zoo-runner publish kept" in outcome.diagnosis.remedy
    assert publish(site).exit_code == 0
    assert read_texts(site.results) == ["work\n"]


def test_results_stay_kept_where_the_message_says_until_they_can_be_published(site: Site) -> None:
    outcome = site.load_job("kept").outcome
    assert outcome and outcome.diagnosis and outcome.diagnosis.stage is Stage.STAGE_OUT
    assert str(find_scratch(site) / "outputs") in outcome.diagnosis.remedy
    assert "zoo-runner publish kept" in outcome.diagnosis.remedy
    assert isinstance(publish(site).exception, StageOutError)
    assert read_texts(find_scratch(site) / "outputs") == ["work\n"]
    site.results.unlink()
    assert json.loads(publish(site, "--format", "json").stdout)["status"] == "successful"
    assert read_texts(site.results) == ["work\n"]
    assert site.load_job("kept").status is Status.SUCCESSFUL
    assert not find_scratch(site).exists()


def test_kept_results_can_be_published_to_another_destination_and_only_once(site: Site) -> None:
    elsewhere = site.folder / "elsewhere"
    assert publish(site, "-o", str(elsewhere)).exit_code == 0
    assert read_texts(elsewhere) == ["work\n"]
    job = site.load_job("kept")
    assert job.outcome and job.outcome.results
    assert download_results(job, job.outcome.results, site.workspace.storage, site.folder / "here") > 0
    assert read_texts(site.folder / "here") == ["work\n"]
    again = publish(site).exception
    assert isinstance(again, EngineError) and again.diagnosis.code == "job.nothing-kept"


def test_nothing_is_kept_where_nobody_could_publish_it(tmp_path: Path, package_cache: Path) -> None:
    """As in a server, whose jobs are in a database."""
    site = Site(tmp_path, package_cache)
    package = tmp_path / "spoils.cwl"
    package.write_text(PACKAGE)
    stores: Any = SimpleNamespace(jobs=None, events=None, secrets=None, step_tokens=None)
    settings = load_server_settings(site.environ)
    engine = open_server_context(stores, settings, site.configuration).find_engine("local", site.workspace)
    job = site.accept(package, None, f"destination={site.results}", job_id="lost")
    story = site.run(job, engine)
    assert story.outcome.exit_code == StageOutError.exit_code
    assert not (site.folder / "scratch" / "lost").exists()


def test_kept_results_that_gc_removed_are_gone_and_that_is_said(site: Site) -> None:
    engine = open_engine("local", site.configuration)
    engine.remove_leftovers(engine.find_leftovers(set()))
    done = publish(site).exception
    assert isinstance(done, EngineError) and done.diagnosis.code == "job.nothing-kept"


def test_kept_results_go_with_a_job_that_is_to_leave_nothing(site: Site) -> None:
    context = open_context(site.configuration)
    kept_results.forget_kept(context, context.store.get("kept"))
    assert not find_scratch(site).exists()
    done = publish(site).exception
    assert isinstance(done, EngineError) and done.diagnosis.code == "job.nothing-kept"
