"""What the tests on a cluster start from, and the order of the live tier.

A module says what differs for it: `SECRET`, the key of its results store; `SETTINGS`, what its site sets besides.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import find_kubeconfig, join_cluster, serve_pods
from tests.servers import S3Server
from tests.site import Site


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What looks at what the others left comes last."""
    items.sort(key=lambda item: item.path.name == "test_nothing_is_left.py")


@pytest.fixture(scope="module")
def s3(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A results store that pods reach."""
    find_kubeconfig()
    secret = getattr(request.module, "SECRET", "some-secret-key")
    with serve_pods(tmp_path_factory.mktemp("pods-s3"), secret) as server:
        yield server


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path, s3: S3Server) -> Site:
    """An installation that runs its jobs on the cluster."""
    joined = join_cluster(Site(tmp_path, tmp_path / "cache"), find_kubeconfig(), s3)
    return joined.having(**getattr(request.module, "SETTINGS", {}))
