"""What attacks share: an installation, and a host with canaries."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.hostile import Host, listening
from tests.site import Site


@pytest.fixture(scope="session")
def package_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packages")


@pytest.fixture
def site(tmp_path: Path, package_cache: Path) -> Site:
    (tmp_path / "site").mkdir()
    return Site(tmp_path / "site", package_cache)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    planted = Host(tmp_path / "host")
    planted.plant()
    with listening(planted) as heard:
        yield heard
