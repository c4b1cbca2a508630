"""`zoo-runner doctor --engine argo` on a real Argo Workflows: sound, and with what its Workflow finds missing."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.cluster import ENVIRON, WORKSPACE, applied, find_argo, kubectl
from tests.live.test_calrissian_diagnosis import having_no_rules
from tests.servers import S3Server
from tests.site import Site
from tests.steps import write_package
from zoo_runner.engines.argo.engine import ArgoEngine
from zoo_runner.engines.argo.native.engine import NativeEngine
from zoo_runner.engines.protocol import Check
from zoo_runner.model.diagnosis import Level
from zoo_runner.package.loading import load_package

OWN_WORKSPACE = f"{WORKSPACE}-argo-doctor"
NAMESPACE = f"ws-{OWN_WORKSPACE}"


@pytest.fixture(scope="module")
def cluster_settings() -> dict[str, str]:
    find_argo()
    return {"ZOO_RUNNER_WORKSPACE": OWN_WORKSPACE, "ZOO_RUNNER_ENGINE": "argo"}


def examine(site: Site, package: Path | None = None, engine: type[ArgoEngine] = ArgoEngine) -> dict[str, Check]:
    loaded = load_package(str(package), site.settings) if package else None
    return {check.about: check for check in engine(site.configuration).check("s3://results/doctor", loaded)}


def find_bad(site: Site, package: Path | None = None) -> Check:
    (bad,) = [check for check in examine(site, package).values() if not check.ok]
    assert bad.expected
    assert bad.level
    assert bad.remedy
    return bad


def test_a_sound_argo(site: Site) -> None:
    # which adds a row to those of the engine argo
    found = examine(site, engine=NativeEngine)
    assert [check.found for check in found.values() if not check.ok] == []
    assert {"permissions", "account", "volume", "images", "smoke test", "results store"} <= found.keys()
    assert {"Argo controller", "Argo executor", "API from a pod", "DNS from a pod"} <= found.keys()
    assert {"login", "nodes", "artifact repository", "network of steps"} <= found.keys()
    assert "image " in found["Argo executor"].found
    left = kubectl(site, "get", "workflows,pvc,secrets", "-n", NAMESPACE, "-o", "name", "-l", "zoo-runner/role=job")
    assert left == ""


def test_a_controller_of_another_instance_id(site: Site) -> None:
    bad = find_bad(site.having(ARGO_INSTANCE_ID="nobody"))
    assert bad.about == "Argo controller"
    assert "ARGO_INSTANCE_ID" in bad.remedy


def test_an_executor_that_may_not_report(site: Site) -> None:
    assert examine(site)["namespace"].ok
    with having_no_rules(site, "zoo-runner-argo", NAMESPACE):
        bad = find_bad(site)
    assert bad.about == "Argo executor"
    assert f"system:serviceaccount:{NAMESPACE}:zoo-runner-job lacks" in bad.found
    assert "deploy/argo/access.yaml" in bad.remedy


def test_the_images_and_sizes_of_the_steps_of_a_package(site: Site, tmp_path: Path) -> None:
    assert examine(site, write_package(tmp_path, "true"))["image"].ok
    missing = find_bad(site, write_package(tmp_path, "true", "docker.io/library/never:there"))
    assert (missing.about, missing.code, missing.level) == ("image", "image.not-found", Level.USER)
    large = find_bad(site, write_package(tmp_path, "true", coresMin=500, coresMax=500))
    assert (large.about, large.code, large.level) == ("nodes", "cluster.unschedulable", Level.USER)


def test_an_artifact_repository(site: Site, s3: S3Server) -> None:
    """It is written by a Workflow, as one of a scientist would."""
    options = s3.options
    keys = {"accessKey": str(options.access_key_id), "secretKey": str(options.secret_access_key)}
    meta = {"name": "artifacts", "namespace": NAMESPACE}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": keys}
    assert examine(site)["namespace"].ok
    with applied(site, secret, build_repository(str(options.endpoint), "results")):
        assert examine(site)["artifact repository"].found == "written"
    assert list((s3.folder / "results").rglob("probe*"))
    with applied(site, secret, build_repository(str(options.endpoint), "no-such-bucket")):
        bad = find_bad(site)
    assert bad.about == "artifact repository"


def build_repository(endpoint: str, bucket: str) -> Mapping[str, Any]:
    """Build the ConfigMap of a repository for all workflows of the namespace."""
    where = urlsplit(endpoint)
    s3 = {
        "endpoint": where.netloc,
        "insecure": where.scheme == "http",
        "bucket": bucket,
        "accessKeySecret": {"name": "artifacts", "key": "accessKey"},
        "secretKeySecret": {"name": "artifacts", "key": "secretKey"},
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "artifact-repositories",
            "namespace": NAMESPACE,
            "annotations": {"workflows.argoproj.io/default-artifact-repository": "own"},
        },
        "data": {"own": json.dumps({"s3": s3})},
    }


def test_a_token_for_the_argo_server_that_is_about_to_end(site: Site) -> None:
    token = kubectl(site, "create", "token", "argo-user", "-n", "argo", "--duration=10m").strip()
    server = ENVIRON.get("ARGO_SERVER", "http://127.0.0.1:2746")
    bad = find_bad(site.having(ARGO_SERVER=server, ARGO_TOKEN=token))
    assert (bad.about, bad.code) == ("Argo token", "engine.argo-login")
    assert token not in bad.found


def test_a_token_that_the_argo_server_refuses(site: Site) -> None:
    bad = find_bad(site.having(ARGO_SERVER=ENVIRON.get("ARGO_SERVER", "http://127.0.0.1:2746"), ARGO_TOKEN="no-token"))
    assert bad.about == "Argo server"
    assert "no-token" not in bad.found
