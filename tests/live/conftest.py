"""What the tests on a cluster start from.

A module that needs something else overrides `secret` or `cluster_settings` with a fixture of its own.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cluster import find_argo, find_kubeconfig, join_cluster, kubectl, list_jobs, serve_pods
from tests.live.hera_site import Hera, HeraSite, make_hera_site
from tests.live.zoo_kernel import ZOO_URL
from tests.servers import S3Server
from tests.site import Site
from tests.values import EXAMPLES
from tests.waiting import wait_for
from tests.zoo_client import User, make_user


@pytest.fixture(scope="session")
def started_jobs() -> Iterator[set[str]]:
    """Ids of the jobs that the tests started; at the end of the session nothing of them is left on the cluster."""
    started: set[str] = set()
    yield started
    # Kubernetes may take a while to collect what the last job owned
    with suppress(AssertionError):
        wait_for(lambda: not list_left(started))
    assert list_left(started) == [], "objects of jobs that have ended are left on the cluster"


def list_left(started: set[str]) -> list[str]:
    """Objects of the jobs on the cluster."""
    anywhere = Site(Path(), Path(), {"KUBECONFIG": find_kubeconfig()})
    labels = {f"job-{job}" for job in started}
    selector = "app.kubernetes.io/managed-by=zoo-runner"
    listed = kubectl(anywhere, "get", "all,pvc,configmap,secret", "-A", "-l", selector, "-o", "json")
    return [
        f"{item['kind']} {item['metadata']['namespace']}/{item['metadata']['name']}"
        for item in json.loads(listed)["items"]
        if item["metadata"]["labels"].get("zoo-runner/job") in labels
    ]


@pytest.fixture
def hera_site(tmp_path: Path) -> HeraSite:
    """Somebody who uses the toolkit for Hera on the real Argo Workflows."""
    find_argo()
    return make_hera_site(tmp_path)


@pytest.fixture
def hera(hera_site: HeraSite) -> Hera:
    """The commands `zoo-runner hera`."""
    return hera_site.run


@pytest.fixture(scope="module")
def secret() -> str:
    """The key of the results store."""
    return "some-secret-key"


@pytest.fixture(scope="module")
def cluster_settings() -> Mapping[str, str]:
    """What an installation sets besides, such as a workspace of its own."""
    return {}


@pytest.fixture(scope="module")
def s3(secret: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A results store that pods reach."""
    find_kubeconfig()
    with serve_pods(tmp_path_factory.mktemp("pods-s3"), secret) as server:
        yield server


@pytest.fixture
def site(tmp_path: Path, s3: S3Server, cluster_settings: Mapping[str, str], started_jobs: set[str]) -> Iterator[Site]:
    """An installation that runs its jobs on the cluster."""
    joined = join_cluster(Site(tmp_path, tmp_path / "cache"), find_kubeconfig(), s3).having(**cluster_settings)
    yield joined
    started_jobs |= list_jobs(joined)


@pytest.fixture(scope="module")
def user() -> Iterator[User]:
    """A user of the running ZOO kernel."""
    with make_user(ZOO_URL, "zra") as made:
        yield made


@pytest.fixture(scope="module")
def other() -> Iterator[User]:
    """Another user of the running ZOO kernel."""
    with make_user(ZOO_URL, "zrb") as made:
        yield made


@pytest.fixture(scope="module")
def echo(user: User) -> str:
    """The process `echo`, which the user has deployed."""
    assert user.deploy(EXAMPLES / "echo" / "echo.cwl").code == 201
    return "echo"
