"""The quota of a workspace as limits of its namespace, on a real cluster: kept current, and a job runs within them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.cluster import WORKSPACE, kubectl
from tests.site import Site
from tests.values import EXAMPLES
from zoo_runner.engines.calrissian.engine import CalrissianEngine
from zoo_runner.engines.kubernetes.client import connect
from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.names import build_names
from zoo_runner.engines.kubernetes.namespace import (
    QUOTA,
    build_tenant,
    create_tenant,
    mark_content,
    remove_former_quotas,
)
from zoo_runner.model.job import Status
from zoo_runner.model.workspace import Quota

OWN_WORKSPACE = f"{WORKSPACE}-quota"
NAMESPACE = f"ws-{OWN_WORKSPACE}"


@pytest.fixture(scope="module")
def cluster_settings() -> dict[str, str]:
    return {"ZOO_RUNNER_WORKSPACE": OWN_WORKSPACE}


@pytest.fixture
def limited(site: Site) -> Iterator[Site]:
    yield site
    kubectl(site, "delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false")


def build_pod(cpu: str | None) -> dict[str, Any]:
    resources = {"requests": {"cpu": cpu}} if cpu else {}
    image = "docker.io/library/debian:bookworm-slim"
    container = {
        "name": "main",
        "image": image,
        "resources": resources,
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    confined = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    meta = {"generateName": "quota-", "namespace": NAMESPACE}
    spec = {"containers": [container], "securityContext": confined, "restartPolicy": "Never"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def test_a_namespace_has_the_quota_of_its_workspace_as_it_is_now_and_a_job_runs_within_it(limited: Site) -> None:
    settings, cluster = limited.configuration.kubernetes, connect(limited.configuration.kubernetes)
    names = build_names("quota", settings, limited.workspace)
    quota = Quota(cores=1.5, memory_mib=2048)

    def read() -> tuple[dict[str, str], str]:
        found = json.loads(kubectl(limited, "get", "resourcequota", QUOTA, "-n", NAMESPACE, "-o", "json"))
        return found["spec"]["hard"], found["metadata"]["resourceVersion"]

    for given in (Quota(cores=3, memory_mib=4096), quota):
        create_tenant(cluster, mark_content(build_tenant(names, settings, given)))
    hard, _ = read()
    assert hard == {"requests.cpu": "3", "requests.memory": "4Gi"}
    kubectl(
        limited,
        "wait",
        f"quota/{QUOTA}",
        "-n",
        NAMESPACE,
        "--for=jsonpath={.status.hard.requests\\.cpu}=3",
        "--timeout=60s",
    )
    with pytest.raises(ApiError, match="exceeded quota"):
        cluster.create(build_pod("4"))
    made = cluster.create(build_pod(None))
    assert made["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "1m", "memory": "16Mi"}
    kubectl(limited, "delete", "pod", made["metadata"]["name"], "-n", NAMESPACE, "--wait=false")
    # all that the quota leaves goes to the step, and the job pod has room beside it
    configuration = replace(limited.configuration, workspace=replace(limited.workspace, quota=quota))
    job = limited.accept(EXAMPLES / "echo" / "echo.cwl", None, destination="s3://results/quota")
    story = limited.run(job, CalrissianEngine(configuration))
    assert story.outcome.status is Status.SUCCESSFUL, story.log
    assert read()[0] == hard
    # the next job after the quota was taken back has no limits any more
    tenant = mark_content(build_tenant(names, settings))
    create_tenant(cluster, tenant)
    remove_former_quotas(cluster, tenant)
    left = kubectl(limited, "get", "resourcequotas,limitranges", "-n", NAMESPACE, "-o", "name")
    assert QUOTA not in left
