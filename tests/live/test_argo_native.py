"""The engine argo-native on a real Argo Workflows: one pod for each step, failures with their codes, nothing left.

That it gives what the local engine gives is in test_engines_agree.
"""

import json
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import NAMESPACE, argo, find_argo, find_kubeconfig, join_cluster, kubectl, list_jobs
from tests.live.test_argo import ECHO, HOSTILE, accept, once
from tests.live.test_calrissian import wait_until_gone
from tests.live.test_kept_volumes import DESTINATION, Store, ensure_kept, publish
from tests.live.test_lost_callers import read_log
from tests.servers import S3Server
from tests.site import Site, Story, load_handle
from tests.steps import WAITS, write_package
from tests.values import EXAMPLES, FAILING, PACKAGES
from tests.waiting import wait_for
from zoo_runner.engines import open_engine
from zoo_runner.execution.context import open_context
from zoo_runner.execution.kept_results import remove_with_results
from zoo_runner.execution.retry import Changes, draft_retry
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.events import Event, StepLines
from zoo_runner.model.job import Status
from zoo_runner.package.loading import load_package

# whatever would be a way out of a slot: exits with 1 where one is open
CONFINED = """
for place in /job/run/slots /job/run/finished /job/run/inputs /job/run /job; do
  if touch "$place/there"; then echo "wrote $place" >&2; exit 1; fi
done
if [ -e /var/run/secrets/kubernetes.io ] || [ -e /bundle ]; then echo "a token or the bundle" >&2; exit 1; fi
if env | grep -E 'AWS_|SECRET|TOKEN'; then echo "credentials" >&2; exit 1; fi
echo confined
"""


@pytest.fixture
def site(tmp_path: Path, s3: S3Server) -> Site:
    find_argo()
    joined = join_cluster(Site(tmp_path, tmp_path / "cache"), find_kubeconfig(), s3)
    return joined.having(ZOO_RUNNER_ENGINE="argo-native")


def read_text(story: Story, s3: S3Server) -> str:
    assert story.outcome.results, story.outcome.diagnosis
    href: str = story.outcome.results.document["text"]["href"]
    return (s3.folder / href.removeprefix("s3://")).read_text()


def list_pods(site: Site, job_id: str) -> list[str]:
    pods = kubectl(site, "get", "pods", "-n", NAMESPACE, "-l", f"zoo-runner/job=job-{job_id}", "-o", "json")
    return [pod["metadata"]["annotations"]["zoo-runner/node"] for pod in json.loads(pods)["items"]]


def find_step(site: Site, job_id: str, node: str = "step-work") -> str:
    pods = kubectl(site, "get", "pods", "-n", NAMESPACE, "-l", f"zoo-runner/job=job-{job_id}", "-o", "name").split()
    return [one for one in pods if node in one][-1]


def delete_step(site: Site, job_id: str) -> None:
    kubectl(site, "delete", find_step(site, job_id), "-n", NAMESPACE, "--grace-period=1", "--wait=false")


def let_tool_go(site: Site, job_id: str, node: str = "step-work") -> None:
    words = (
        "exec",
        find_step(site, job_id, node),
        "-c",
        "tool",
        "-n",
        NAMESPACE,
        "--",
        "sh",
        "-c",
        "echo go > /var/tmp/go",
    )
    kubectl(site, *words)


def remove_kept(site: Site, job_id: str) -> None:
    """Remove what is kept of a failed job: its volume, and nothing that is secret or runs."""
    selector = f"zoo-runner/job=job-{job_id}"
    left = kubectl(site, "get", "secret,pvc", "-n", NAMESPACE, "-l", selector, "-o", "name").split()
    assert left == [f"persistentvolumeclaim/job-{job_id}-work"]
    remove_with_results(open_engine("argo-native", site.configuration), load_handle(site, job_id))
    wait_until_gone(site, job_id)


def write_three(folder: Path, third: str) -> Path:
    """A package of three steps, of which each adds its name to the file of the one before."""
    path = write_package(folder, "")
    document = json.loads(path.read_text())
    flow, tool = document["$graph"]
    tools: list[Any] = []
    steps: dict[str, Any] = {}
    for name, script in {"first": "echo first", "second": "cat $0; echo second", "third": third}.items():
        inputs = {"x": {"type": "File?", "inputBinding": {}}}
        tools.append({**tool, "id": name, "baseCommand": ["sh", "-c", script], "inputs": inputs})
        before = {"x": f"{list(steps)[-1]}/text"} if steps else {}
        steps[name] = {"run": f"#{name}", "in": before, "out": ["text"]}
    flow["outputs"]["text"]["outputSource"] = "third/text"
    path.write_text(json.dumps({**document, "$graph": [{**flow, "steps": steps}, *tools]}))
    return path


def test_a_failed_job_continues_with_an_edited_package_and_its_first_steps_have_no_pod(
    site: Site, tmp_path: Path, s3: S3Server, started_jobs: set[str]
) -> None:
    job = accept(site, write_three(tmp_path, "exit 3"))
    failed, first = site.run(job).outcome.diagnosis, job.id
    assert failed
    assert (failed.code, failed.step) == ("step.exit-code", "third")
    assert f"zoo-runner retry {first}" in failed.remedy
    edited = write_three(tmp_path, f"{WAITS}; cat $0; echo third")
    context = open_context(site.configuration)
    changes = Changes(load_package(str(edited), site.settings), memory=["third=64Mi"])
    draft = draft_retry(context, context.store.get(first), changes, site.workspace)
    nodes: list[str] = []

    def look() -> None:
        nodes.extend(list_pods(site, draft.id))
        let_tool_go(site, draft.id, "step-third")

    story = site.run(draft, on=once(StepLines, look))
    assert read_text(story, s3) == "first\nsecond\nthird\n"
    assert sorted(nodes) == ["stage-in", "step-third"]
    assert [(one.step, one.job) for one in story.outcome.reused] == [("first", first), ("second", first)]
    # its volume went over to the job that continued it, and with that
    for job_id in (first, draft.id):
        wait_until_gone(site, job_id)
    again = site.command("retry", first)
    assert again.returncode == 7
    assert "job.nothing-kept" in again.stderr
    started_jobs |= list_jobs(site)


def test_each_step_is_a_pod_and_nothing_is_left(site: Site, tmp_path: Path) -> None:
    job = accept(site, write_package(tmp_path, WAITS))
    nodes: list[str] = []
    closed: list[str] = []

    def look() -> None:
        nodes.extend(list_pods(site, job.id))
        label = f"zoo-runner/job=job-{job.id},zoo-runner/network=api"
        closed.extend(kubectl(site, "get", "pods", "-n", NAMESPACE, "-l", label, "-o", "name").split())
        let_tool_go(site, job.id)

    story = site.having(ZOO_RUNNER_ISOLATION="isolated").run(job, on=once(StepLines, look))
    assert story.outcome.status is Status.SUCCESSFUL, story.outcome.diagnosis
    # the network plug-in of dev/cluster enforces no policy: it is there, with the addresses of the cluster
    (name,) = closed
    assert "step-work" in name
    words = ("get", "networkpolicy", "zoo-runner-reporting-steps", "-n", NAMESPACE, "-o", "json")
    spec = json.loads(kubectl(site, *words))["spec"]
    assert spec["podSelector"]["matchLabels"]["zoo-runner/network"] == "api"
    service = kubectl(site, "get", "service", "kubernetes", "-n", "default", "-o", "jsonpath={.spec.clusterIP}")
    assert f"{service}/32" in [one["to"][0]["ipBlock"]["cidr"] for one in spec["egress"]]
    assert len(spec["egress"]) >= 2
    assert sorted(nodes) == ["stage-in", "step-work"]
    assert story.outcome.usage[0].step == "work"
    assert story.outcome.usage[0].peak_memory_mib
    wait_until_gone(site, job.id)


def test_text_that_argo_would_replace_arrives_as_it_is(site: Site, s3: S3Server) -> None:
    assert read_text(site.run(accept(site, ECHO, f"message={HOSTILE}")), s3) == f"{HOSTILE}\n"


def test_a_tool_reaches_neither_credentials_nor_the_folders_of_others(site: Site, tmp_path: Path, s3: S3Server) -> None:
    story = site.run(accept(site, write_package(tmp_path, CONFINED)))
    assert read_text(story, s3) == "confined\n"


FAILURES: dict[str, tuple[str, dict[str, Any], str | None, Level]] = {
    "exit code": ("echo sorry >&2; exit 3", {}, "step.exit-code", Level.USER),
    "memory": (
        "head -c 200m /dev/zero | tail > /dev/null",
        {"ramMin": 64, "ramMax": 64},
        "step.out-of-memory",
        Level.USER,
    ),
    "image": ("true", {"image": "docker.io/library/never:there"}, "image.not-found", Level.USER),
    "shell": ("true", {"image": "docker.io/library/pause:dev"}, "image.no-shell", Level.USER),
    "size": ("true", {"ramMin": 4_000_000, "ramMax": 4_000_000}, None, Level.USER),
}


@pytest.mark.parametrize("what", FAILURES)
def test_a_step_that_fails_is_reported_with_its_code_and_its_name(what: str, site: Site, tmp_path: Path) -> None:
    script, asks, code, level = FAILURES[what]
    roomy = site.having(DEFAULT_MAX_RAM="8Ti")
    job = accept(roomy, write_package(tmp_path, script, **asks))
    diagnosis = roomy.run(job).outcome.diagnosis
    assert diagnosis
    assert (diagnosis.step, diagnosis.level) == ("work", level), diagnosis
    assert diagnosis.code == (code or "cluster.unschedulable")
    remove_kept(site, job.id)


@pytest.mark.long
def test_a_step_whose_pod_was_deleted_is_started_again(site: Site, tmp_path: Path) -> None:
    job = accept(site, write_package(tmp_path, WAITS))
    begun: list[str] = []

    def act(event: Event) -> None:
        if isinstance(event, StepLines):
            begun.append(event.step)
            (delete_step if len(begun) == 1 else let_tool_go)(site, job.id)

    story = site.run(job, on=lambda event: threading.Thread(target=act, args=(event,)).start())
    assert story.outcome.status is Status.SUCCESSFUL, story.outcome.diagnosis
    assert begun == ["work", "work"]


def test_the_logs_of_a_failed_job_are_published(site: Site, s3: S3Server, tmp_path: Path) -> None:
    job = accept(site, write_package(tmp_path, "echo sorry >&2; exit 3"))
    site.run(job)
    (log,) = s3.folder.rglob(f"logs/{job.id}/job.log")
    assert "[work] sorry" in log.read_text()
    remove_kept(site, job.id)


@pytest.mark.long
def test_a_job_is_cancelled_from_another_process_and_its_pods_go(site: Site) -> None:
    job = accept(site, FAILING / "slow" / "slow.cwl")

    def cancel() -> None:
        site.command("cancel", job.id)

    story = site.run(job, on=once(StepLines, cancel))
    assert story.outcome.status is Status.DISMISSED, story.outcome.diagnosis
    wait_until_gone(site, job.id)


def test_a_job_over_its_time_limit_is_stopped_and_its_pods_go(site: Site, tmp_path: Path) -> None:
    limited = site.having(ZOO_RUNNER_TIME_LIMIT="20")
    job = accept(limited, write_package(tmp_path, "echo begun >&2; sleep 300"))
    diagnosis = limited.run(job).outcome.diagnosis
    assert diagnosis
    assert (diagnosis.code, diagnosis.level) == ("job.time-limit", Level.USER), diagnosis
    remove_kept(site, job.id)


@pytest.mark.long
def test_a_job_whose_caller_was_killed_is_followed_by_another_process(site: Site, tmp_path: Path) -> None:
    package, job_id = write_package(tmp_path, WAITS), f"native-{int(time.time())}"
    words = ("run", package, "-o", "s3://results/killed", "--job-id", job_id)
    with site.started(*words) as process:
        wait_for(lambda: "[work] begun" in read_log(site, job_id), 120)
        process.send_signal(signal.SIGKILL)
        process.wait()
    let_tool_go(site, job_id)
    done = site.command("reattach", job_id)
    assert done.returncode == 0, done.stderr
    assert "s3://results/killed" in done.stdout
    assert read_log(site, job_id).count("[work] begun") == 1
    wait_until_gone(site, job_id)


def test_a_package_that_needs_one_pod_gets_it_and_the_job_log_says_why(site: Site) -> None:
    folder = PACKAGES / "features" / "expression-entry"
    job = site.accept(
        f"{folder / folder.name}.cwl#{folder.name}", folder / "inputs.yml", destination="s3://results/one"
    )
    engine = open_engine("argo-native", site.configuration)
    (reason,) = engine.plan(job).submission["onePodBecause"]
    story = site.run(job, engine)
    assert story.outcome.status is Status.SUCCESSFUL, story.outcome.diagnosis
    assert reason in story.log


def test_a_plan_is_what_argo_lint_accepts(site: Site, tmp_path: Path) -> None:
    package = EXAMPLES / "features" / "scatter" / "scatter.cwl"
    words = ("plan", "--format", "yaml", f"{package}#scatter", package.with_name("inputs.yml"), "-o", "s3://results/p")
    printed = site.command(*words)
    assert printed.returncode == 0, printed.stderr
    plan = tmp_path / "plan.yaml"
    plan.write_text(printed.stdout)
    argo(site, "lint", "--offline", plan)


@pytest.mark.long
def test_results_that_cannot_be_stored_wait_and_are_published(tmp_path: Path, started_jobs: set[str]) -> None:
    find_argo()
    (tmp_path / "s3").mkdir()
    store = Store(tmp_path / "s3")
    joined = join_cluster(Site(tmp_path, tmp_path / "cache"), find_kubeconfig(), store.server)
    site = joined.having(ZOO_RUNNER_ENGINE="argo-native")
    job = site.accept(write_package(tmp_path, f"{WAITS}; echo work"), None, destination=DESTINATION)

    def spoil() -> None:
        store.stop()
        let_tool_go(site, job.id)

    try:
        story = site.run(job, on=once(StepLines, spoil))
        ensure_kept(site, story)
        again = site.having(AWS_ENDPOINT_URL=str(store.start_again().options.endpoint))
        code, said = publish(again, job.id)
        assert code == 0, said
        assert store.read() != []
        wait_until_gone(site, job.id)
    finally:
        store.stop()
    started_jobs |= list_jobs(site)
