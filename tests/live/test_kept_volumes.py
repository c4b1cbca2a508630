"""Results that cannot be stored wait on the volume of the job for `zoo-runner publish`, until their time is over."""

import base64
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cluster import NAMESPACE, find_argo, find_kubeconfig, join_cluster, kubectl, list_jobs, serve_pods
from tests.live.test_calrissian import wait_until_gone
from tests.servers import S3Server
from tests.site import Site, Story
from tests.steps import WAITS, let_go, write_package
from zoo_runner.engines import open_engine
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.errors import EngineError, StageOutError
from zoo_runner.model.events import Event, StepLines
from zoo_runner.model.job import Status

DESTINATION = "s3://results/kept"
SECRET = "canary-of-kept-volumes"
ENGINES = ("calrissian", "argo")


class Store:
    """A results store whose server can be stopped and started again, then with another address."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self.server = self._start(folder)

    def stop(self) -> None:
        """Stop the server; what it has stays."""
        self._stack.close()

    def start_again(self) -> S3Server:
        """Serve the same folder."""
        moved = self.folder / "results"
        moved.rename(self.folder / "moved")
        self.server = self._start(self.folder)
        shutil.rmtree(self.folder / "results")
        (self.folder / "moved").rename(moved)
        return self.server

    def read(self) -> list[str]:
        """The texts of the results."""
        return [path.read_text() for path in self.folder.rglob("out.txt")]

    def _start(self, folder: Path) -> S3Server:
        return self._stack.enter_context(serve_pods(folder, SECRET))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    find_kubeconfig()
    (tmp_path / "s3").mkdir()
    store = Store(tmp_path / "s3")
    yield store
    store.stop()


@pytest.fixture(params=ENGINES)
def site(request: pytest.FixtureRequest, tmp_path: Path, store: Store, started_jobs: set[str]) -> Iterator[Site]:
    """An installation whose results store can be spoilt while a job runs."""
    if request.param == "argo":
        find_argo()
    joined = join_cluster(Site(tmp_path, tmp_path / "cache"), find_kubeconfig(), store.server)
    joined = joined.having(ZOO_RUNNER_ENGINE=request.param)
    yield joined
    started_jobs |= list_jobs(joined)


def run(site: Site, spoil: Callable[[], object], namespace: str = NAMESPACE) -> Story:
    """Run a job whose destination is spoilt while its step runs."""
    job = site.accept(write_package(site.folder, f"{WAITS}; echo work"), None, destination=DESTINATION)
    place = namespace or f"job-{job.id}"
    threads: list[threading.Thread] = []

    def go_on() -> None:
        spoil()
        selector = f"zoo-runner/job=job-{job.id},zoo-runner/role=step"
        let_go(site, place, kubectl(site, "get", "pods", "-n", place, "-l", selector, "-o", "name").strip())

    def on(event: Event) -> None:
        if isinstance(event, StepLines) and not threads:
            threads.append(threading.Thread(target=go_on))
            threads[0].start()

    story = site.run(job, on=on)
    threads[0].join()
    return story


def ensure_kept(site: Site, story: Story, namespace: str = NAMESPACE) -> None:
    """Check what the message says, and that nothing secret and nothing that runs is left."""
    found = story.outcome.diagnosis
    assert found and found.stage is Stage.STAGE_OUT, found
    assert f"zoo-runner publish {story.job.id}" in found.remedy
    assert f"job-{story.job.id}-work" in found.remedy
    assert namespace in found.remedy
    selector = f"zoo-runner/job=job-{story.job.id}"
    kubectl(site, "wait", "--for=delete", "pod", "-n", namespace, "-l", selector, "--timeout=30s")
    left = kubectl(site, "get", "secret,pvc", "-n", namespace, "-l", selector, "-o", "name").split()
    assert left == [f"persistentvolumeclaim/job-{story.job.id}-work"]
    everything = kubectl(site, "get", "all,pvc,configmap,secret", "-n", namespace, "-l", selector, "-o", "json")
    for form in (SECRET, base64.b64encode(SECRET.encode()).decode().rstrip("=")):
        assert form not in everything


def publish(site: Site, job_id: str, *words: str) -> "tuple[int, str]":
    done = site.command("publish", job_id, "-q", *words)
    return done.returncode, done.stdout + done.stderr


def test_results_wait_for_a_server_that_was_down_and_are_published_with_new_settings(site: Site, store: Store) -> None:
    story = run(site, store.stop)
    assert story.outcome.exit_code == StageOutError.exit_code
    ensure_kept(site, story)
    assert store.read() == []
    code, said = publish(site, story.job.id)
    assert code == StageOutError.exit_code, said
    again = site.having(AWS_ENDPOINT_URL=str(store.start_again().options.endpoint))
    code, said = publish(again.having(AWS_SECRET_ACCESS_KEY="another"), story.job.id)
    assert code == StageOutError.exit_code, said
    assert SECRET not in said
    code, said = publish(again, story.job.id, "--format", "json")
    assert code == 0, said
    assert store.read() == ["work\n"]
    assert site.load_job(story.job.id).status is Status.SUCCESSFUL
    wait_until_gone(site, story.job.id)
    assert publish(again, story.job.id)[0] == EngineError.exit_code


def test_results_wait_for_a_bucket_that_is_gone_and_are_published_to_another(site: Site, store: Store) -> None:
    story = run(site, lambda: shutil.rmtree(store.folder / "results"))
    ensure_kept(site, story)
    assert "job-" + story.job.id in site.command("doctor").stdout
    (store.folder / "other").mkdir()
    code, said = publish(site, story.job.id, "-o", "s3://other/kept")
    assert code == 0, said
    assert store.read() == ["work\n"]
    assert site.load_job(story.job.id).destination == "s3://other/kept"
    wait_until_gone(site, story.job.id)


def test_the_cluster_removes_what_waits_when_its_time_is_over(site: Site, store: Store) -> None:
    story = run(site.having(ZOO_RUNNER_KEPT_HOURS="0.002"), lambda: shutil.rmtree(store.folder / "results"))
    assert story.outcome.diagnosis and "zoo-runner publish" in story.outcome.diagnosis.remedy
    wait_until_gone(site, story.job.id)
    code, said = publish(site, story.job.id, "--format", "json")
    assert code == EngineError.exit_code
    assert json.loads(said[: said.rindex("}") + 1])["diagnosis"]["code"] == "job.nothing-kept"


def test_gc_takes_what_waits_on_request_only(site: Site, store: Store) -> None:
    """Of this job alone: to this store, the jobs of others on the cluster are jobs that nobody knows."""
    story = run(site, lambda: shutil.rmtree(store.folder / "results"))
    engine = open_engine(site.settings.engine, site.configuration)
    found = [left for left in engine.find_leftovers(set()) if left.job == f"job-{story.job.id}"]
    assert "PersistentVolumeClaim" in {left.kind for left in found}
    assert all(left.active for left in found)
    engine.remove_leftovers(found)
    wait_until_gone(site, story.job.id)


def test_a_namespace_of_its_own_stays_until_the_results_are_published(site: Site, store: Store) -> None:
    own = site.having(ZOO_RUNNER_NAMESPACE_PER="job")
    story = run(own, lambda: shutil.rmtree(store.folder / "results"), "")
    ensure_kept(own, story, f"job-{story.job.id}")
    (store.folder / "results").mkdir()
    code, said = publish(own, story.job.id)
    assert code == 0, said
    assert store.read() == ["work\n"]
    kubectl(site, "wait", "--for=delete", f"namespace/job-{story.job.id}", "--timeout=30s")


def test_a_destination_that_is_refused_before_the_job_runs_keeps_nothing(site: Site, store: Store) -> None:
    shutil.rmtree(store.folder / "results")
    story = site.run(site.accept(write_package(site.folder, "echo work"), None, destination=DESTINATION))
    assert story.outcome.exit_code == StageOutError.exit_code
    assert story.outcome.diagnosis and "zoo-runner publish" not in story.outcome.diagnosis.remedy
    wait_until_gone(site, story.job.id)
