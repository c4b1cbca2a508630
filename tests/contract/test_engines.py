"""One contract for every engine: a further one joins by a driver and one line in DRIVERS."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import pytest

from tests.cluster import find_argo, join_cluster
from tests.contract.conftest import CANARY
from tests.site import Site, Story, load_handle
from tests.values import EXAMPLES, FAILING
from tests.waiting import wait_for
from zoo_runner.engines import ENGINES, open_engine
from zoo_runner.engines.fake import FakeEngine
from zoo_runner.engines.protocol import Engine, Handle, JobSpec
from zoo_runner.execution.context import open_context
from zoo_runner.execution.execute import execute
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.errors import DismissedError, EngineError, SettingsError, ToolError
from zoo_runner.model.events import Event, Report, StageStarted, StepStarted
from zoo_runner.model.job import Results, Status


class Driver(Protocol):
    """What the contract needs to know of an engine: how it is opened, and jobs that end in each way."""

    @property
    def engine(self) -> Engine: ...

    def make_good(self) -> JobSpec: ...

    def make_failing(self) -> JobSpec: ...

    def make_endless(self) -> JobSpec: ...

    def cancel_from_elsewhere(self, job_id: str) -> None: ...


class FakeDriver:
    def __init__(self, site: Site) -> None:
        self.engine = FakeEngine(site.configuration)
        self._site = site

    def make_good(self) -> JobSpec:
        self.engine.document = {"text": "hello"}
        return self._site.accept(EXAMPLES / "echo" / "echo.cwl", EXAMPLES / "echo" / "inputs.yml")

    def make_failing(self) -> JobSpec:
        self.engine.failure = ToolError("step 'run': exit code 3", "Read the log.", step="run", code="step.exit-code")
        return self.make_good()

    def make_endless(self) -> JobSpec:
        self.engine.waits = True
        return self.make_good()

    def cancel_from_elsewhere(self, job_id: str) -> None:
        self.engine.cancel(load_handle(self._site, job_id))


class LocalDriver:
    def __init__(self, site: Site) -> None:
        self.engine = open_engine("local", site.configuration)
        self._site = site

    def make_good(self) -> JobSpec:
        return self._site.accept(EXAMPLES / "echo" / "echo.cwl", EXAMPLES / "echo" / "inputs.yml")

    def make_failing(self) -> JobSpec:
        return self._site.accept(FAILING / "tool-exit-code" / "tool-exit-code.cwl")

    def make_endless(self) -> JobSpec:
        return self._site.accept(FAILING / "slow" / "slow.cwl")

    def cancel_from_elsewhere(self, job_id: str) -> None:
        done = self._site.command("cancel", job_id)
        assert done.returncode == 0, done.stderr


class CalrissianDriver(LocalDriver):
    """The same jobs on a cluster, where results go to object storage."""

    name = "calrissian"

    def __init__(self, site: Site) -> None:
        self.engine = open_engine(self.name, site.configuration)
        self._site = site

    def _accept(self, package: Path, job_file: Path | None = None) -> JobSpec:
        return self._site.accept(package, job_file, destination="s3://results/contract")

    def make_good(self) -> JobSpec:
        return self._accept(EXAMPLES / "echo" / "echo.cwl", EXAMPLES / "echo" / "inputs.yml")

    def make_failing(self) -> JobSpec:
        return self._accept(FAILING / "tool-exit-code" / "tool-exit-code.cwl")

    def make_endless(self) -> JobSpec:
        return self._accept(FAILING / "slow" / "slow.cwl")


class ArgoDriver(CalrissianDriver):
    """The same jobs as Workflows of Argo."""

    name = "argo"


class NativeDriver(CalrissianDriver):
    """The same jobs as Workflows with one pod for each step."""

    name = "argo-native"


DRIVERS: dict[str, Callable[[Site], Driver]] = {
    "fake": FakeDriver,
    "local": LocalDriver,
    "calrissian": CalrissianDriver,
    "argo": ArgoDriver,
    "argo-native": NativeDriver,
}


@pytest.fixture
def canary_site(site: Site) -> Site:
    return site.having(AWS_SECRET_ACCESS_KEY=CANARY)


def open_driver(request: pytest.FixtureRequest, site: Site) -> Driver:
    make: Callable[[Site], Driver] = DRIVERS[request.param]
    if request.param not in ("calrissian", "argo", "argo-native"):
        return make(site)
    if request.param != "calrissian":
        find_argo()
    cluster = request.getfixturevalue("kubeconfig"), request.getfixturevalue("pods_s3")
    return make(join_cluster(site, *cluster))


@pytest.fixture(params=list(DRIVERS))
def driver(request: pytest.FixtureRequest, canary_site: Site) -> Driver:
    return open_driver(request, canary_site)


@dataclass(frozen=True)
class Ended:
    """Two jobs of an engine that were executed to their end, in an installation that has no others."""

    site: Site
    driver: Driver
    good: Story
    failed: Story


@pytest.fixture(scope="module", params=list(DRIVERS))
def ended(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, package_cache: Path) -> Ended:
    site = Site(tmp_path_factory.mktemp("ended"), package_cache).having(AWS_SECRET_ACCESS_KEY=CANARY)
    driver = open_driver(request, site)
    good = site.run(driver.make_good(), driver.engine)
    return Ended(site, driver, good, site.run(driver.make_failing(), driver.engine))


@dataclass(frozen=True)
class Removed:
    """A job that was submitted twice, followed to its end, and removed; `begun` was reported before it was followed."""

    driver: Driver
    job: JobSpec
    handles: tuple[Handle, Handle]
    begun: tuple[Event, ...]
    results: Results


@pytest.fixture(scope="module", params=list(DRIVERS))
def removed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, package_cache: Path) -> Removed:
    site = Site(tmp_path_factory.mktemp("removed"), package_cache).having(AWS_SECRET_ACCESS_KEY=CANARY)
    driver, events = open_driver(request, site), list[Event]()
    job = driver.make_good()
    handle = submit(driver, job, events.append)
    begun, again = tuple(events), submit(driver, job)
    results = driver.engine.follow(handle, events.append, Cancellation()).result()
    driver.engine.remove(handle)
    return Removed(driver, job, (handle, again), begun, results)


def list_files(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def test_every_engine_of_the_table_keeps_this_contract() -> None:
    assert set(DRIVERS) >= {"fake", "local"}
    assert set(DRIVERS) <= {*ENGINES, "fake"}


def test_an_unknown_engine_is_refused_with_those_that_exist(site: Site) -> None:
    with pytest.raises(SettingsError, match="'abacus'") as caught:
        open_engine("abacus", site.configuration)
    assert ", ".join(ENGINES) in caught.value.diagnosis.remedy


@pytest.mark.parametrize("name", ["fake", "fake-waiting"])
def test_no_setting_chooses_a_double(site: Site, name: str) -> None:
    done = site.having(ZOO_RUNNER_ENGINE=name).command("run", EXAMPLES / "echo" / "echo.cwl", "-i", "message=x")
    assert done.returncode == 2
    assert repr(name) in done.stderr
    assert "code: settings.invalid" in done.stderr


def test_a_plan_is_pure_and_holds_no_secret(driver: Driver, canary_site: Site) -> None:
    job = driver.make_good()
    before = list_files(canary_site.folder)
    plan = driver.engine.plan(job)
    assert list_files(canary_site.folder) == before
    text = json.dumps(plan.describe())
    assert CANARY not in text
    assert json.loads(text)["engine"] == driver.engine.name
    assert driver.engine.plan(job) == plan


def test_a_good_job_ends_with_a_results_document_and_a_collection(ended: Ended) -> None:
    story = ended.good
    assert story.outcome.status is Status.SUCCESSFUL
    assert story.outcome.exit_code == 0
    assert story.outcome.diagnosis is None
    assert story.outcome.results is not None
    assert set(story.outcome.results.document) == {"text"}
    assert story.outcome.results.collection["type"] == "Collection"
    assert story.outcome.results.collection_href
    assert story.engine_errors == []
    assert any(isinstance(event, StageStarted) and event.stage is Stage.EXECUTE for event in story.events)


def test_a_failing_job_ends_with_the_reason_and_not_with_an_exception(ended: Ended) -> None:
    outcome = ended.failed.outcome
    assert outcome.status is Status.FAILED
    assert outcome.exit_code == ToolError.exit_code
    assert outcome.diagnosis is not None
    assert (outcome.diagnosis.code, outcome.diagnosis.step) == ("step.exit-code", "run")
    assert all(fact in outcome.diagnosis.cause for fact in ("step 'run'", "exit code 3"))


def run_and_cancel(driver: Driver, site: Site, job: JobSpec) -> Story:
    reported: list[bool] = []

    def cancel_once(event: object) -> None:
        begun = isinstance(event, StepStarted) or driver.engine.name == "fake"
        if begun and not reported:
            reported.append(True)
            driver.cancel_from_elsewhere(job.id)

    return site.run(job, driver.engine, on=cancel_once)


def test_a_job_is_cancelled_from_elsewhere_by_its_id(driver: Driver, canary_site: Site) -> None:
    story = run_and_cancel(driver, canary_site, driver.make_endless())
    assert story.outcome.status is Status.DISMISSED
    assert story.outcome.exit_code == 10
    assert story.outcome.diagnosis is not None
    assert story.outcome.diagnosis.code == "job.dismissed"
    assert "job.dismissed" in story.log


def test_a_job_that_takes_too_long_is_stopped(driver: Driver, canary_site: Site) -> None:
    outcome = canary_site.run(driver.make_endless(), driver.engine, Cancellation(3)).outcome
    assert outcome.status is Status.FAILED
    assert outcome.exit_code == 9
    assert outcome.diagnosis is not None
    assert outcome.diagnosis.code == "job.time-limit"
    assert " 3 s" in outcome.diagnosis.cause


def test_a_job_that_was_cancelled_before_it_began_does_nothing(driver: Driver, canary_site: Site) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    story = canary_site.run(driver.make_good(), driver.engine, cancellation)
    assert story.outcome.status is Status.DISMISSED
    assert not canary_site.results.exists()


def test_who_comes_after_the_end_gets_the_same_results(ended: Ended) -> None:
    again = execute(open_context(ended.site.configuration, ended.driver.engine), ended.good.job.id)
    assert again.results == ended.good.outcome.results
    assert again.status is Status.SUCCESSFUL


def submit(driver: Driver, job: JobSpec, report: Report = lambda _: None) -> Handle:
    plan = driver.engine.plan(job)
    driver.engine.submit(plan, report, Cancellation())
    return plan.handle


def test_a_job_is_submitted_once_however_often_it_is_tried_and_nothing_of_it_runs_yet(removed: Removed) -> None:
    handle, again = removed.handles
    assert json.loads(json.dumps(asdict(handle))) == asdict(handle)
    assert CANARY not in json.dumps(asdict(handle))
    assert (handle.engine, handle.job_id) == (removed.driver.engine.name, removed.job.id)
    assert not any(isinstance(event, StepStarted) for event in removed.begun)
    assert again == handle
    assert set(removed.results.document) == {"text"}


def test_what_ended_is_removed_and_stopping_or_removing_it_again_is_no_error(removed: Removed) -> None:
    driver, (handle, _) = removed.driver, removed.handles
    driver.engine.remove(handle)
    driver.engine.cancel(handle)
    with pytest.raises(EngineError) as caught:
        driver.engine.follow(handle, lambda _: None, Cancellation()).result()
    assert caught.value.diagnosis.code == "job.lost"
    wait_until_gone(driver, handle)


def test_a_job_whose_results_were_stored_has_kept_none_to_publish(removed: Removed) -> None:
    with pytest.raises(EngineError) as caught:
        removed.driver.engine.publish(removed.handles[0], removed.job, lambda _: None, Cancellation())
    assert caught.value.diagnosis.code == "job.nothing-kept"


def test_a_job_that_is_cancelled_before_it_is_followed_never_runs(driver: Driver) -> None:
    handle, events = submit(driver, driver.make_endless()), list[Event]()
    driver.engine.cancel(handle)
    with pytest.raises(DismissedError):
        driver.engine.follow(handle, events.append, Cancellation()).result()
    driver.engine.remove(handle)
    assert not any(isinstance(event, StepStarted) for event in events)


def test_what_a_lost_process_leaves_is_found_and_removed(driver: Driver) -> None:
    handle = submit(driver, driver.make_good())
    mine = [left for left in driver.engine.find_leftovers([]) if handle.job_id in left.job]
    assert mine
    assert not [left for left in driver.engine.find_leftovers([handle.job_id]) if handle.job_id in left.job]
    driver.engine.remove_leftovers(mine)
    driver.engine.remove(handle)
    wait_until_gone(driver, handle)


def wait_until_gone(driver: Driver, handle: Handle) -> None:
    wait_for(lambda: not any(handle.job_id in left.job for left in driver.engine.find_leftovers([])))


def test_logs_record_and_plan_are_kept_however_a_job_ends(ended: Ended) -> None:
    for story in (ended.good, ended.failed):
        paths = story.job.paths
        assert paths.job_log.exists()
        assert json.loads(paths.plan.read_text())["job"] == story.job.id
        assert json.loads(paths.usage.read_text())["job"] == story.job.id
        record = json.loads((paths.record / "job.json").read_text())
        assert record["status"] == story.outcome.status
        assert not paths.scratch.exists()


def test_no_secret_of_the_client_is_in_any_file_that_is_left(ended: Ended) -> None:
    files = [path for path in list_files(ended.site.folder) if path.is_file()]
    assert len(files) > 4
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []
