"""Nodes that are drained, and pods of jobs that are lost nevertheless: no job is, for real."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import steps
from tests.cluster import WORKSPACE, find_argo, kubectl
from tests.live.test_calrissian_diagnosis import having, write_package
from tests.live.test_calrissian_mishaps import DISK_LIMIT, select_pods
from tests.servers import S3Server
from tests.site import Site, Story
from tests.steps import BEGINS_ANEW, DEBIAN, WAITS, let_go
from tests.waiting import wait_for
from zoo_runner.execution.log_notes import read_attempts
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.events import EngineLine, Event, StageStarted, StepLines, StepStarted
from zoo_runner.model.ids import new_job_id
from zoo_runner.model.job import Status

# of its own: with other settings the runner makes what is in a namespace anew, as other tests do not expect
OWN_WORKSPACE = f"{WORKSPACE}-drained"
NAMESPACE = f"ws-{OWN_WORKSPACE}"
BUDGET = "zoo-runner-jobs"


@pytest.fixture(scope="module")
def cluster_settings() -> dict[str, str]:
    return {"ZOO_RUNNER_WORKSPACE": OWN_WORKSPACE}


def run(site: Site, package: Path, on: Callable[[Event], None], job_id: str) -> Story:
    return site.run(site.accept(package, None, destination=f"s3://results/{job_id}", job_id=job_id), on=on)


def evict(site: Site, pod: str, folder: Path) -> str:
    """Ask for an eviction as `kubectl drain` does; return what refused it."""
    wanted = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": NAMESPACE}}
    path = folder / "eviction.json"
    path.write_text(json.dumps(wanted))
    place = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}/eviction"
    command = ["kubectl", f"--kubeconfig={site.environ['KUBECONFIG']}", "create", "--raw", place, "-f", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def find_guarded(site: Site, job_id: str, role: str) -> str:
    """Return the pod of a job, once the API says that it runs: a budget keeps no pod that is pending."""

    def find_running() -> list[str]:
        return steps.find_pods(site, NAMESPACE, select_pods(job_id, role), phases={"Running"})

    wait_for(find_running)
    (pod,) = find_running()
    return pod


def find_pods(site: Site, job_id: str, role: str) -> list[str]:
    """The pods of a job that have not ended."""
    return steps.find_pods(site, NAMESPACE, select_pods(job_id, role))


class AtEachBeginning:
    """Does something each time that the step `WAITS`: the first of `acts` the first time, the last one ever after."""

    def __init__(self, *acts: Callable[[], object]) -> None:
        self.acts, self.begun = acts, 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, StepLines) and "begun" in event.lines:
            self.begun += 1
            self.acts[min(self.begun, len(self.acts)) - 1]()


def let_run(site: Site, job_id: str) -> None:
    for pod in find_pods(site, job_id, "step"):
        let_go(site, NAMESPACE, pod)


def delete_pod(site: Site, job_id: str, *words: str) -> None:
    kubectl(site, "delete", "pods", "-n", NAMESPACE, "-l", select_pods(job_id, "job"), *words)


def check_runs_again(site: Site, s3: S3Server, folder: Path, lose: Callable[[str], object]) -> None:
    """Run a job that loses its own pod while its step runs: it runs in another one, and has its results once."""
    job_id = new_job_id()
    on = AtEachBeginning(lambda: lose(job_id), lambda: let_run(site, job_id))
    story = run(site, write_package(folder, f"{WAITS}; echo hello"), on, job_id)
    assert story.outcome.status is Status.SUCCESSFUL, story.log
    assert on.begun == 2, "once in each pod"
    assert [path.read_text() for path in (s3.folder / "results" / job_id).rglob("out.txt")] == ["hello\n"]
    warnings = list_warnings(story)
    (lost,) = [text for text in warnings if "may start another" in text]
    (again,) = [text for text in warnings if "from its beginning" in text]
    assert warnings.index(lost) < warnings.index(again)
    reason = lost.partition("; Kubernetes may")[0]
    assert again.endswith(f"because {reason}")
    check_published(s3, story, again, starts=2)


def check_published(s3: S3Server, story: Story, again: str, starts: int) -> None:
    """The published logs have the parts of all pods, in order, and the line that says where the last begins and why."""
    folder = s3.folder / "results" / story.job.id / "logs" / story.job.id
    assert story.outcome.published == f"s3://results/{story.job.id}/logs/{story.job.id}"
    published = (folder / "job.log").read_text()
    begun = [place for place, line in enumerate(published.splitlines()) if line.endswith(" begun")]
    (place,) = [place for place, line in enumerate(published.splitlines()) if line.endswith(again)]
    assert len(begun) == starts
    assert begun[0] < place < begun[-1]
    (step,) = [path for path in folder.glob("*.log") if "begun" in path.read_text() and path.name != "job.log"]
    assert step.read_text().splitlines().count("begun") == starts
    assert "SUCCESSFUL" in published
    assert {"usage.json", "results.json"} <= {path.name for path in folder.iterdir()}


def list_warnings(story: Story) -> list[str]:
    return [event.text for event in story.events if isinstance(event, EngineLine) and event.severity == "warning"]


def test_a_drain_waits_for_a_job_that_runs(site: Site, tmp_path: Path) -> None:
    job_id, refused = new_job_id(), list[str]()

    def drain() -> None:
        for role in ("job", "step"):
            refused.append(evict(site, find_guarded(site, job_id, role), tmp_path))
        let_run(site, job_id)

    story = run(site, write_package(tmp_path, f"{WAITS}; echo hello"), AtEachBeginning(drain), job_id)
    assert story.outcome.status is Status.SUCCESSFUL, story.log
    assert list_warnings(story) == []
    # 429, TooManyRequests: `kubectl drain` asks again until the pods have ended
    assert ["disruption budget" in one for one in refused] == [True, True], refused
    assert find_pods(site, job_id, "job") == find_pods(site, job_id, "step") == []


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("--force", "--grace-period=0"), id="at once"),
        pytest.param(("--wait=false",), id="with its time to end"),
    ],
)
def test_a_job_whose_pod_is_deleted_runs_again(
    site: Site, s3: S3Server, tmp_path: Path, words: tuple[str, ...]
) -> None:
    check_runs_again(site, s3, tmp_path, lambda job_id: delete_pod(site, job_id, *words))


def write_two_steps(folder: Path) -> Path:
    """A workflow whose first step has two jobs of the same inputs, and whose last one waits."""

    def build(name: str, script: str, inputs: dict[str, str]) -> dict[str, Any]:
        return {
            "class": "CommandLineTool",
            "id": name,
            "requirements": [
                {"class": "DockerRequirement", "dockerPull": DEBIAN},
                {"class": "ResourceRequirement", "coresMin": 0.1, "coresMax": 1, "ramMin": 32, "ramMax": 64},
            ],
            "baseCommand": ["sh", "-c", script, "sh"],
            "inputs": {one: {"type": kind, "inputBinding": {}} for one, kind in inputs.items()},
            "stdout": "out.txt",
            "outputs": {"text": "stdout"},
        }

    flow = {
        "class": "Workflow",
        "id": "flow",
        "requirements": [{"class": "ScatterFeatureRequirement"}],
        "inputs": {"data": "File", "words": "string[]"},
        "outputs": {"text": {"type": "File", "outputSource": "last/text"}},
        "steps": {
            "first": {
                "run": "#first_tool",
                "scatter": "word",
                "in": {"data": "data", "word": "words"},
                "out": ["text"],
            },
            "last": {"run": "#last_tool", "in": {"texts": "first/text"}, "out": ["text"]},
        },
    }
    tools = [
        build("first_tool", 'cat "$1"; date +%s%N', {"data": "File", "word": "string"}),
        build("last_tool", f'{WAITS}; cat "$@"', {"texts": "File[]"}),
    ]
    package = folder / "two.cwl"
    package.write_text(json.dumps({"cwlVersion": "v1.2", "$graph": [flow, *tools]}))
    return package


@pytest.mark.parametrize("engine", ["calrissian", "argo"])
def test_steps_that_had_ended_are_not_run_again_in_the_pod_that_replaces_a_lost_one(
    site: Site, s3: S3Server, tmp_path: Path, engine: str
) -> None:
    if engine == "argo":
        find_argo()
    site, job_id, data = site.having(ZOO_RUNNER_ENGINE=engine), new_job_id(), tmp_path / "data.txt"
    data.write_text("given\n")
    inputs = tmp_path / "inputs.json"
    inputs.write_text(json.dumps({"data": {"class": "File", "path": str(data)}, "words": ["same", "same"]}))
    on = AtEachBeginning(lambda: delete_pod(site, job_id, "--force", "--grace-period=0"), lambda: let_run(site, job_id))
    job = site.accept(write_two_steps(tmp_path), inputs, destination=f"s3://results/{job_id}", job_id=job_id)
    story = site.run(job, on=on)
    assert story.outcome.status is Status.SUCCESSFUL, story.log
    started = [event.step for event in story.events if isinstance(event, StepStarted)]
    assert [len([one for one in started if one.startswith(name)]) for name in ("first", "last")] == [2, on.begun]
    assert on.begun >= 2
    reported = [event.text for event in story.events if isinstance(event, EngineLine) and "not run again" in event.text]
    assert len(reported) == 2 * (on.begun - 1)
    (result,) = (s3.folder / "results" / job_id).rglob("out.txt")
    lines = result.read_text().splitlines()
    assert (lines[0], lines[2], len({lines[1], lines[3]})) == ("given", "given", 2), lines


def test_a_pod_that_is_lost_while_results_are_stored_runs_no_step_again(
    site: Site, s3: S3Server, tmp_path: Path
) -> None:
    job_id, lost = new_job_id(), list[str]()

    def lose(event: Event) -> None:
        if isinstance(event, StageStarted) and event.stage is Stage.STAGE_OUT and not lost:
            lost.append(job_id)
            delete_pod(site, job_id, "--force", "--grace-period=0")

    # what takes some seconds to store
    package = write_package(tmp_path, "head -c 600000000 /dev/urandom", ramMax=512)
    story = run(site, package, lose, job_id)
    assert story.outcome.status is Status.SUCCESSFUL, story.log
    assert lost
    assert len([event for event in story.events if isinstance(event, StepStarted)]) == 1
    assert [event for event in story.events if isinstance(event, EngineLine) and "none is run" in event.text]
    assert [path.stat().st_size for path in (s3.folder / "results" / job_id).rglob("out.txt")] == [600_000_000]


@pytest.fixture
def without_budget(site: Site) -> Site:
    """A site as on a cluster where nobody may create a budget."""
    kubectl(site, "delete", "poddisruptionbudget", BUDGET, "-n", NAMESPACE, "--ignore-not-found")
    return site.having(ZOO_RUNNER_DISRUPTION_BUDGET="false")


def test_a_job_whose_pod_is_drained_without_a_budget_runs_again(
    without_budget: Site, s3: S3Server, tmp_path: Path
) -> None:
    def drain(job_id: str) -> None:
        (pod,) = find_pods(without_budget, job_id, "job")
        assert evict(without_budget, pod, tmp_path) == ""

    check_runs_again(without_budget, s3, tmp_path, drain)


def test_a_step_that_is_drained_without_a_budget_is_started_again(without_budget: Site, tmp_path: Path) -> None:
    job_id = new_job_id()

    def drain() -> None:
        (pod,) = find_pods(without_budget, job_id, "step")
        assert evict(without_budget, pod, tmp_path) == ""

    on = AtEachBeginning(drain, lambda: let_run(without_budget, job_id))
    # the first attempt outlasts the grace that an eviction gives; what succeeds within it is not run twice
    story = run(without_budget, write_package(tmp_path, BEGINS_ANEW), on, job_id)
    assert story.outcome.status is Status.SUCCESSFUL, story.log
    assert any("starting it again" in warnings for warnings in list_warnings(story))
    steps = [event.step for event in story.events if isinstance(event, StepStarted)]
    assert len(steps) == 2
    # the second attempt has its part of the log
    log = story.job.paths.step_log(steps[0])
    (place,) = read_attempts(log)
    parts = log.read_bytes()[:place].decode(), log.read_bytes()[place:].decode()
    assert [part.count("$ ") for part in parts] == [1, 1]


def test_a_job_whose_pod_filled_its_node_runs_again(site: Site, s3: S3Server, tmp_path: Path) -> None:
    """The pod that the kubelet has evicted stays as an object, and would keep the pods of its steps."""
    assert run(site, write_package(tmp_path, "true"), lambda _: None, new_job_id()).outcome.status is Status.SUCCESSFUL
    limit = {**DISK_LIMIT, "metadata": {"name": "zoo-runner-tests-disk", "namespace": NAMESPACE}}

    def fill(job_id: str) -> None:
        (pod,) = find_pods(site, job_id, "job")
        kubectl(site, "exec", pod, "-n", NAMESPACE, "--", "sh", "-c", "head -c 60000000 /dev/zero > /var/tmp/filling")

    with having(site, limit, tmp_path):
        check_runs_again(site, s3, tmp_path, fill)


def test_a_job_whose_pods_are_lost_again_and_again_has_failed(site: Site, tmp_path: Path) -> None:
    site, job_id = site.having(ZOO_RUNNER_STEP_RETRIES="1"), new_job_id()

    def delete() -> None:
        delete_pod(site, job_id, "--force", "--grace-period=0")

    story = run(site, write_package(tmp_path, WAITS), AtEachBeginning(delete, delete), job_id)
    assert story.outcome.status is Status.FAILED
    assert story.outcome.diagnosis
    assert story.outcome.diagnosis.code == "cluster.pod-lost"


def test_a_drain_waits_for_a_workflow_and_a_lost_pod_of_it_is_replaced(
    site: Site, s3: S3Server, tmp_path: Path
) -> None:
    find_argo()
    site, job_id = site.having(ZOO_RUNNER_ENGINE="argo"), new_job_id()

    def lose() -> None:
        assert "disruption budget" in evict(site, find_guarded(site, job_id, "job"), tmp_path)
        delete_pod(site, job_id, "--force", "--grace-period=0")

    on = AtEachBeginning(lose, lambda: let_run(site, job_id))
    story = run(site, write_package(tmp_path, f"{WAITS}; echo hello"), on, job_id)
    assert story.outcome.status is Status.SUCCESSFUL, story.log
    # the pod that was lost may have begun the step once more before it was gone, which the next one waits for
    assert on.begun >= 2
    assert [path.read_text() for path in (s3.folder / "results" / job_id).rglob("out.txt")] == ["hello\n"]
    (again,) = [text for text in list_warnings(story) if "from its beginning" in text]
    assert " because " in again
    check_published(s3, story, again, starts=on.begun)
