"""What attacks share: an installation, and a host with canaries."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.hostile import Host, listening
from tests.site import Site
from zoo_runner.engines.local.sandbox import Sandbox, find_sandbox
from zoo_runner.model.errors import EngineError


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


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    """A sandbox; why there is none fails where tests have to run, and skips elsewhere."""
    try:
        return find_sandbox((), has_network=False, path=os.defpath)
    except EngineError as error:
        if os.environ.get("CI") == "true":  # noqa: TID251
            raise
        pytest.skip(f"no sandbox: {error}")
