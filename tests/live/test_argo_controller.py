"""The argo engine with a controller that is killed and started again, and with one that keeps nodes in a database."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from tests.argo import controlling, ensure_namespace, serving
from tests.cluster import WORKSPACE, applied, find_argo, kubectl
from tests.live.diagnosis_table import ARGO_PAGE, keep_row
from tests.live.test_argo import once
from tests.live.test_calrissian import wait_until_gone
from tests.live.test_calrissian_mishaps import Once
from tests.live.test_lost_callers import read_log
from tests.postgres import find_postgres
from tests.site import Site
from tests.steps import DEBIAN, WAITS, let_go, write_package
from tests.waiting import wait_for
from zoo_runner.engines.argo.judgement import State
from zoo_runner.engines.argo.workflow import INSTANCE_LABEL
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.execution.diagnose import find_judgements
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.events import EngineLine, Event, StepLines, StepStarted
from zoo_runner.model.ids import new_job_id
from zoo_runner.model.job import Status

# each needs a controller of its own, or stops one
pytestmark = pytest.mark.long
OWN_WORKSPACE = f"{WORKSPACE}-controller"
NAMESPACE = f"ws-{OWN_WORKSPACE}"
INSTANCE = f"zoo-runner-{OWN_WORKSPACE}"


@pytest.fixture(scope="module")
def cluster_settings() -> dict[str, str]:
    find_argo()
    return {"ZOO_RUNNER_WORKSPACE": OWN_WORKSPACE, "ZOO_RUNNER_ENGINE": "argo", "ARGO_INSTANCE_ID": INSTANCE}


@pytest.fixture(autouse=True)
def _namespace(site: Site) -> None:
    ensure_namespace(site, NAMESPACE)


def accept(site: Site, package: Path, *words: str) -> JobSpec:
    return site.accept(package, None, *words, destination="s3://results/controller")


def list_pods(site: Site, job: JobSpec, role: str) -> list[str]:
    label = f"zoo-runner/job=job-{job.id},zoo-runner/role={role}"
    return kubectl(site, "get", "pods", "-n", NAMESPACE, "-l", label, "-o", "name").split()


def test_a_cap_on_jobs_holds_while_the_controller_is_killed_and_started_again(site: Site, tmp_path: Path) -> None:
    limits = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "limits", "namespace": NAMESPACE},
        "data": {"jobs": "1"},
    }
    capped = site.having(ZOO_RUNNER_ARGO_SEMAPHORE="limits/jobs")
    first, second = accept(capped, write_package(tmp_path, WAITS)), accept(capped, write_package(tmp_path, "true"))
    begun, waits = threading.Event(), threading.Event()

    def hear(event: Event) -> None:
        if isinstance(event, EngineLine) and "lock" in event.text:
            waits.set()

    with controlling(site, NAMESPACE, INSTANCE) as controller, applied(site, limits), ThreadPoolExecutor(2) as pool:
        one = pool.submit(capped.run, first, None, None, once(StepLines, begun.set))
        assert begun.wait(90)
        controller.kill()
        other = pool.submit(capped.run, second, None, None, hear)
        controller.start()
        assert waits.wait(60)
        assert list_pods(site, second, "job") == []
        (step,) = list_pods(site, first, "step")
        let_go(site, NAMESPACE, step)
        outcomes = [one.result().outcome, other.result().outcome]
    assert [outcome.status for outcome in outcomes] == [Status.SUCCESSFUL] * 2, outcomes


def test_a_job_goes_on_while_the_controller_is_away(site: Site, tmp_path: Path) -> None:
    job = accept(site, write_package(tmp_path, WAITS))
    with controlling(site, NAMESPACE, INSTANCE) as controller:

        def kill() -> None:
            controller.kill()
            (step,) = list_pods(site, job, "step")
            let_go(site, NAMESPACE, step)

        story = site.run(job, on=Once(StepLines, kill))
        assert story.outcome.status is Status.SUCCESSFUL, story.log
        assert story.engine_errors == []


def test_a_job_whose_pod_is_lost_is_started_again_and_one_that_fails_is_not(site: Site, tmp_path: Path) -> None:
    lost, failing = accept(site, write_package(tmp_path, "sleep 3")), tmp_path / "failing"
    failing.mkdir()
    failed = accept(site, write_package(failing, "exit 3"))
    pods: set[str] = set()

    def lose() -> None:
        pods.update(list_pods(site, lost, "job"))
        kubectl(site, "delete", *pods, "-n", NAMESPACE, "--force", "--grace-period=0")

    def note(_: Event) -> None:
        pods.update(list_pods(site, failed, "job"))

    with controlling(site, NAMESPACE, INSTANCE):
        story = site.run(lost, on=Once(StepStarted, lose))
        assert story.outcome.status is Status.SUCCESSFUL, story.log
        pods.clear()
        assert site.run(failed, on=note).outcome.diagnosis.code == "step.exit-code"  # type: ignore[union-attr]
    assert len(pods) == 1


def test_argo_itself_deletes_a_job_whose_caller_was_lost(site: Site, tmp_path: Path) -> None:
    """`ttlStrategy`: the Workflow owns everything, volume and Secret included."""
    soon, job_id = site.having(ZOO_RUNNER_KEPT_HOURS="0.002"), new_job_id()
    package = write_package(tmp_path, "echo begun >&2")
    with controlling(site, NAMESPACE, INSTANCE):
        with soon.started("run", package, "-o", "s3://results/lost", "--job-id", job_id) as process:
            wait_for(lambda: "[work] begun" in read_log(site, job_id))
            process.kill()
            process.wait()
        wait_until_gone(site, job_id)


@pytest.fixture
def database(site: Site) -> Iterator[dict[str, str]]:
    """What a controller needs to keep nodes and ended workflows in a database of its own."""
    url, name = find_postgres(), f"argo_{OWN_WORKSPACE.replace('-', '_')}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}"')
        info = connection.info
        host, port = info.host, info.port
        login = {"user": info.user, "password": info.password or "none"}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "database", "namespace": NAMESPACE},
        "stringData": login,
    }
    persistence = {
        "archive": True,
        "nodeStatusOffLoad": True,
        "postgresql": {
            "host": host,
            "port": port,
            "database": name,
            "tableName": "argo_workflows",
            "userNameSecret": {"name": "database", "key": "user"},
            "passwordSecret": {"name": "database", "key": "password"},
        },
    }
    with applied(site, secret):
        yield {"persistence": json.dumps(persistence)}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def test_jobs_run_and_fail_alike_where_nodes_and_ended_workflows_are_in_a_database(
    site: Site, tmp_path: Path, database: dict[str, str]
) -> None:
    good, bad = accept(site, write_package(tmp_path, WAITS)), tmp_path / "bad"
    bad.mkdir()
    failing = accept(site, write_package(bad, "exit 3"))
    nodes: list[dict[str, object]] = []

    def look() -> None:
        workflow = json.loads(kubectl(site, "get", "workflow", f"job-{good.id}", "-n", NAMESPACE, "-o", "json"))
        nodes.append(workflow["status"])
        (judgement,) = find_judgements(site.configuration, good.id)
        assert (judgement.state, judgement.diagnoses) == (State.RUNNING, ())
        (step,) = list_pods(site, good, "step")
        let_go(site, NAMESPACE, step)

    with controlling(site, NAMESPACE, INSTANCE, database, ALWAYS_OFFLOAD_NODE_STATUS="true"):
        story = site.run(good, on=Once(StepLines, look))
        assert story.outcome.status is Status.SUCCESSFUL, story.log
        diagnosis = site.run(failing).outcome.diagnosis
    assert diagnosis
    assert diagnosis.code == "step.exit-code"
    # nothing but the version of what the database has
    assert "nodes" not in nodes[0]
    assert nodes[0]["offloadNodeStatusVersion"]


def test_an_executor_image_that_does_not_exist_is_the_operators(site: Site, tmp_path: Path) -> None:
    missing = "docker.io/zoo-runner/argoexec:never"
    with controlling(site, NAMESPACE, INSTANCE, executor=missing):
        found = site.run(accept(site, write_package(tmp_path, "true"))).outcome.diagnosis
    assert found
    assert (found.code, found.level) == ("engine.executor-image", Level.ENGINE)
    keep_row("executor image missing", found, ARGO_PAGE)


def test_an_executor_that_runs_out_of_memory_is_the_operators(site: Site, tmp_path: Path) -> None:
    little = {"limits": {"memory": "8Mi"}, "requests": {"memory": "8Mi"}}
    with controlling(site, NAMESPACE, INSTANCE, {"executor": json.dumps({"resources": little})}):
        found = site.run(accept(site, write_package(tmp_path, "true"))).outcome.diagnosis
    assert found
    assert (found.code, found.level) == ("engine.executor-memory", Level.ENGINE)
    keep_row("executor out of memory", found, ARGO_PAGE)


def test_an_archived_workflow_is_diagnosed_through_the_argo_server(site: Site, database: dict[str, str]) -> None:
    name, main = "archived", {"image": DEBIAN, "command": ["sh", "-c", "exit 3"]}
    workflow = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {INSTANCE_LABEL: INSTANCE}},
        "spec": {"entrypoint": "main", "templates": [{"name": "main", "container": main}]},
    }
    archived = "jsonpath={.metadata.labels.workflows\\.argoproj\\.io/workflow-archiving-status}"
    path = site.folder / "archived.json"
    path.write_text(json.dumps(workflow))
    with controlling(site, NAMESPACE, INSTANCE, database), serving(site, NAMESPACE) as url:
        kubectl(site, "create", "-f", str(path))
        look = ("get", "workflow", name, "-n", NAMESPACE, "-o", archived)
        wait_for(lambda: kubectl(site, *look) == "Archived")
        kubectl(site, "delete", "workflow", name, "-n", NAMESPACE)
        # its pods go with it, a little later
        wait_for(lambda: next(find_judgements(site.configuration, name)).state is State.NOT_FOUND)
        token = kubectl(site, "create", "token", "argo-user", "-n", "argo").strip()
        with applied(site, *build_reader()):
            (there,) = find_judgements(site.having(ARGO_SERVER=url, ARGO_TOKEN=token).configuration, name)
    assert (there.state, [one.code for one in there.diagnoses]) == (State.FAILED, ["step.exit-code"])


def build_reader() -> list[dict[str, object]]:
    """Build the permission of the account argo-user to read workflows of the namespace."""
    group, meta = "rbac.authorization.k8s.io", {"name": "reader", "namespace": NAMESPACE}
    rule = {"apiGroups": ["argoproj.io"], "resources": ["workflows"], "verbs": ["get", "list", "watch"]}
    return [
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": meta, "rules": [rule]},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "reader"},
            "subjects": [{"kind": "ServiceAccount", "name": "argo-user", "namespace": "argo"}],
        },
    ]
