"""The argo engine on a real Argo Workflows: equal results, nothing lost, nothing left, failures with their codes."""

import hashlib
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.cluster import ENVIRON, NAMESPACE, applied, argo, find_argo, find_kubeconfig, join_cluster, kubectl
from tests.live.node_trees import ShownInOnePod, keep_tree
from tests.live.test_calrissian import wait_until_gone
from tests.live.test_engines_agree import PODMAN, run
from tests.live.test_lost_callers import read_log
from tests.servers import S3Server, make_certificate, serve_below
from tests.site import Site
from tests.steps import WAITS, let_go, write_package
from tests.values import EXAMPLES, FAILING, ROOT
from tests.waiting import wait_for
from zoo_runner.engines.argo.server import read_server_version
from zoo_runner.engines.kubernetes.client import connect
from zoo_runner.engines.kubernetes.names import build_names
from zoo_runner.engines.kubernetes.namespace import prepare_tenant
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError
from zoo_runner.model.events import EngineLine, Event, StepLines
from zoo_runner.model.job import Status

ECHO = EXAMPLES / "echo" / "echo.cwl"
SETTINGS = {"ZOO_RUNNER_ENGINE": "argo"}
CASES = ("echo/inputs.yml", "water/inputs.yml", "features/scatter/inputs.yml", "packages/graph/inputs.yml")
HOSTILE = "{{workflow.name}} '\" ${HOME} \\ ü✓ {{=1+1}}"


@pytest.fixture(autouse=True)
def _argo() -> None:
    find_argo()


@pytest.fixture
def site(tmp_path: Path, s3: S3Server) -> Site:
    return join_cluster(Site(tmp_path, tmp_path / "cache"), find_kubeconfig(), s3).having(**SETTINGS)


def accept(site: Site, package: Path, *words: str) -> JobSpec:
    return site.accept(package, None, *words, destination="s3://results/argo")


def select_step(job: JobSpec) -> str:
    return f"zoo-runner/job=job-{job.id},zoo-runner/role=step"


def once(kind: type[Event], act: Callable[[], None]) -> Callable[[Event], None]:
    """Act at the first event of a kind, beside what reports it."""
    begun: list[threading.Thread] = []

    def on(event: Event) -> None:
        if isinstance(event, kind) and not begun:
            begun.append(threading.Thread(target=act))
            begun[0].start()

    return on


@pytest.mark.parametrize("case", CASES)
def test_an_example_gives_what_the_local_engine_gives(case: str, site: Site, s3: S3Server) -> None:
    local = site.having(ZOO_RUNNER_ENGINE="local", ZOO_RUNNER_CONTAINERS="podman", **PODMAN)
    engine = ShownInOnePod(site)
    with ThreadPoolExecutor(2) as pool:
        theirs = pool.submit(run, local, s3, case)
        ours = run(site, s3, case, engine)
    assert ours["files"]
    assert ours == theirs.result()
    if case == CASES[0]:
        keep_tree("echo on argo", engine.tree)


def test_text_that_argo_would_replace_arrives_as_it_is(site: Site, s3: S3Server) -> None:
    story = site.run(accept(site, ECHO, f"message={HOSTILE}"))
    assert story.outcome.status is Status.SUCCESSFUL, story.outcome.diagnosis
    assert story.outcome.results
    href = story.outcome.results.document["text"]["href"]
    assert (s3.folder / href.removeprefix("s3://")).read_text() == f"{HOSTILE}\n"


@pytest.mark.parametrize("engine", ["argo", "argo-native"])
def test_five_mebibytes_of_such_text_reach_a_step_as_they_are(
    engine: str, site: Site, s3: S3Server, tmp_path: Path
) -> None:
    text = f"{HOSTILE}\n" * (5 * 2**20 // len(f"{HOSTILE}\n".encode()) + 1)
    package = write_package(tmp_path, "sha256sum < $0")
    document = json.loads(package.read_text())
    document["$graph"][0]["inputs"] = {"x": "File"}
    document["$graph"][0]["steps"]["work"]["in"] = {"x": "x"}
    document["$graph"][1]["inputs"] = {"x": {"type": "File", "inputBinding": {}}}
    package.write_text(json.dumps(document))
    order = tmp_path / "job.json"
    order.write_text(json.dumps({"x": {"class": "File", "basename": "x.txt", "contents": text}}))
    chosen = site.having(ZOO_RUNNER_ENGINE=engine)
    story = chosen.run(chosen.accept(package, order, destination="s3://results/argo"))
    assert story.outcome.status is Status.SUCCESSFUL, story.outcome.diagnosis
    assert story.outcome.results
    digest = hashlib.sha256(text.encode()).hexdigest()
    href = story.outcome.results.document["text"]["href"]
    assert len(text.encode()) > 5 * 2**20
    assert (s3.folder / href.removeprefix("s3://")).read_text().split()[0] == digest


@pytest.mark.parametrize("place", ["s3", "this machine"])
@pytest.mark.parametrize("engine", ["argo", "calrissian"])
def test_the_default_of_a_tool_reaches_its_step_with_its_secondary_files(
    engine: str, place: str, site: Site, s3: S3Server, tmp_path: Path
) -> None:
    folder = s3.folder / "results" / f"package-for-{engine}" if place == "s3" else tmp_path / "beside"
    folder.mkdir(parents=True)
    for name in ("a.txt", "a.txt.idx"):
        (folder / name).write_text(f"{name} of {place}\n")
    package = write_package(tmp_path, 'cat "$0" "$0.idx"')
    document = json.loads(package.read_text())
    location = f"s3://results/{folder.name}/a.txt" if place == "s3" else "beside/a.txt"
    default = {"class": "File", "location": location}
    entry = {"type": "File", "default": default, "secondaryFiles": [".idx"], "inputBinding": {}}
    document["$graph"][1]["inputs"] = {"x": entry}
    package.write_text(json.dumps(document))
    story = site.having(ZOO_RUNNER_ENGINE=engine).run(accept(site, package))
    assert story.outcome.status is Status.SUCCESSFUL, story.outcome.diagnosis
    assert story.outcome.results
    href = story.outcome.results.document["text"]["href"]
    text = (s3.folder / href.removeprefix("s3://")).read_text()
    assert text == f"a.txt of {place}\na.txt.idx of {place}\n"


def test_the_nodes_are_those_that_a_person_looks_for_and_nothing_is_left(site: Site, tmp_path: Path) -> None:
    job = accept(site, write_package(tmp_path, WAITS))
    nodes: set[str] = set()

    def look() -> None:
        workflow = json.loads(kubectl(site, "get", "workflow", f"job-{job.id}", "-n", NAMESPACE, "-o", "json"))
        nodes.update(node["displayName"] for node in workflow["status"]["nodes"].values())
        pods = kubectl(site, "get", "pods", "-n", NAMESPACE, "-l", select_step(job), "-o", "name")
        let_go(site, NAMESPACE, pods.strip())

    story = site.run(job, on=once(StepLines, look))
    assert story.outcome.status is Status.SUCCESSFUL, story.outcome.diagnosis
    assert {"stage-in", "cwl", "run", "stage-out"} <= nodes
    assert story.outcome.usage[0].step == "work"
    wait_until_gone(site, job.id)
    assert kubectl(site, "get", "workflows", "-n", NAMESPACE, "-l", f"zoo-runner/job=job-{job.id}", "-o", "name") == ""


def test_a_job_is_cancelled_from_another_process_and_its_pods_go(site: Site) -> None:
    job = accept(site, FAILING / "slow" / "slow.cwl")

    def cancel() -> None:
        done = site.command("cancel", job.id)
        assert done.returncode == 0, done.stderr

    story = site.run(job, on=once(StepLines, cancel))
    assert story.outcome.status is Status.DISMISSED, story.outcome.diagnosis
    wait_until_gone(site, job.id)


def test_a_job_whose_caller_was_killed_is_followed_by_another_process(site: Site, tmp_path: Path) -> None:
    package, job_id = write_package(tmp_path, WAITS), f"killed-{int(time.time())}"
    words = ("run", package, "-o", "s3://results/killed", "--job-id", job_id)
    with site.started(*words) as process:
        wait_for(lambda: "[work] begun" in read_log(site, job_id))
        process.send_signal(signal.SIGKILL)
        process.wait()
    pods = kubectl(site, "get", "pods", "-n", NAMESPACE, "-l", f"zoo-runner/job=job-{job_id}", "-o", "name").split()
    assert len(pods) == 2
    (step,) = [pod for pod in pods if "work" in pod]
    let_go(site, NAMESPACE, step)
    done = site.command("reattach", job_id)
    assert done.returncode == 0, done.stderr
    assert "s3://results/killed" in done.stdout
    wait_until_gone(site, job_id)


def test_a_plan_is_what_argo_lint_accepts(site: Site, tmp_path: Path) -> None:
    printed = site.command("plan", "--format", "yaml", ECHO, "-i", f"message={HOSTILE}", "-o", "s3://results/plan")
    assert printed.returncode == 0, printed.stderr
    assert "workflow.name" not in printed.stdout
    plan = tmp_path / "plan.yaml"
    plan.write_text(printed.stdout)
    argo(site, "lint", "--offline", plan)


def test_a_cap_on_jobs_makes_the_next_one_wait_for_its_turn(site: Site, tmp_path: Path) -> None:
    limit = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "limits", "namespace": NAMESPACE},
        "data": {"jobs": "1"},
    }
    capped = site.having(ZOO_RUNNER_ARGO_SEMAPHORE="limits/jobs")
    first, second = (accept(capped, write_package(tmp_path, WAITS)), accept(capped, ECHO))
    waiting = threading.Event()

    def hear(event: Event) -> None:
        if isinstance(event, EngineLine) and "lock" in event.text:
            waiting.set()

    with applied(site, limit), ThreadPoolExecutor(2) as pool:
        begun = threading.Event()
        one = pool.submit(capped.run, first, None, None, once(StepLines, begun.set))
        assert begun.wait(60)
        other = pool.submit(capped.run, second, None, None, hear)
        assert waiting.wait(30)
        pods = kubectl(site, "get", "pods", "-n", NAMESPACE, "-l", select_step(first), "-o", "name")
        let_go(site, NAMESPACE, pods.strip())
        assert one.result().outcome.status is Status.SUCCESSFUL
        assert other.result().outcome.status is Status.SUCCESSFUL


Failure = tuple[dict[str, str], str | None, Level]
FAILURES: dict[str, Failure] = {
    "job image": (
        {"ZOO_RUNNER_JOB_IMAGE": "docker.io/zoo-runner/none:1"},
        None,
        Level.ENGINE,
    ),
    "service account": (
        {"ZOO_RUNNER_SERVICE_ACCOUNT": "gone"},
        "cluster.service-account",
        Level.ENGINE,
    ),
    "instance id": ({"ARGO_INSTANCE_ID": "nobody"}, "engine.argo-controller", Level.ENGINE),
    "priority class": ({"POD_PRIORITY_CLASS": "gone"}, "cluster.priority-class", Level.ENGINE),
    "memory of the node": (
        {"ZOO_RUNNER_JOB_RAM_LIMIT": "24Mi", "ZOO_RUNNER_JOB_RAM": "24Mi"},
        "engine.memory",
        Level.ENGINE,
    ),
    "size of the machine": ({"ZOO_RUNNER_JOB_CPU": "900", "ZOO_RUNNER_JOB_CPU_LIMIT": "900"}, None, Level.ENGINE),
}


@pytest.mark.parametrize("what", FAILURES)
def test_a_failure_of_the_platform_is_reported_by_its_code(what: str, site: Site) -> None:
    settings, code, level = FAILURES[what]
    job = accept(site.having(**settings), ECHO)
    diagnosis = site.having(**settings).run(job).outcome.diagnosis
    assert diagnosis
    assert (code is None or diagnosis.code == code, diagnosis.level) == (True, level), diagnosis
    assert diagnosis.remedy
    wait_until_gone(site, job.id)


def test_a_step_that_fails_is_reported_as_on_every_engine(site: Site) -> None:
    diagnosis = site.run(accept(site, FAILING / "tool-exit-code" / "tool-exit-code.cwl")).outcome.diagnosis
    assert diagnosis
    assert (diagnosis.step, diagnosis.code) == ("run", "step.exit-code")


ARGO_SERVER = ENVIRON.get("ARGO_SERVER", "http://127.0.0.1:2746")
BASE_PATH = "/tools/argo"


@pytest.fixture
def served(site: Site) -> Iterator[Site]:
    """The same site, whose Workflows go through the Argo server: over TLS, with a CA of its own and a base path."""
    account = kubectl(site, "create", "token", "argo-user", "-n", "argo").strip()
    settings = site.configuration.kubernetes
    prepare_tenant(connect(settings), build_names("served", settings, site.workspace), settings)
    tls = make_certificate(site.folder)
    with serve_below(BASE_PATH, ARGO_SERVER, tls) as url:
        more = {"ARGO_SERVER": url, "ARGO_BASE_HREF": f"{BASE_PATH}/", "ARGO_CA_BUNDLE": str(tls[0])}
        yield site.having(ARGO_TOKEN=f"Bearer {account}", **more)


def test_a_job_goes_through_the_argo_server_with_a_token(served: Site) -> None:
    allow = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "argo-user", "namespace": NAMESPACE},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "zoo-runner-argo"},
        "subjects": [{"kind": "ServiceAccount", "name": "argo-user", "namespace": "argo"}],
    }
    roles = YAML(typ="safe", pure=True).load_all((ROOT / "deploy" / "argo" / "access.yaml").read_text())
    with applied(served, *roles, allow):
        job = accept(served, ECHO)
        story = served.run(job)
        assert story.outcome.status is Status.SUCCESSFUL, story.outcome.diagnosis
        wait_until_gone(served, job.id)


def test_a_token_that_the_argo_server_refuses_is_reported(served: Site) -> None:
    diagnosis = served.having(ARGO_TOKEN="not-a-token").run(accept(served, ECHO)).outcome.diagnosis
    assert diagnosis
    assert diagnosis.code == "engine.argo-login"
    assert "not-a-token" not in str(diagnosis)


@pytest.mark.parametrize(
    ("variable", "value"), [("ARGO_CA_BUNDLE", ""), ("ARGO_BASE_HREF", "")], ids=["certificate", "base path"]
)
def test_a_server_of_another_certificate_or_path_is_not_the_one_of_the_settings(
    variable: str, value: str, served: Site
) -> None:
    assert read_server_version(served.configuration.argo)
    with pytest.raises(EngineError) as found:
        read_server_version(served.having(**{variable: value}).configuration.argo)
    diagnosis = found.value.diagnosis
    assert (diagnosis.code, diagnosis.level) == ("engine.argo-unreachable", Level.PLATFORM)
    assert variable in diagnosis.remedy
