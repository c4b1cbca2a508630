"""Private images of a real registry on one machine: pulled by a real podman with the credentials of one workspace."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from tests.live.test_containers import CONTAINERS_CONF, run_podman, why_not
from tests.registry import PASSWORD, Registry, serve_registry_at
from tests.require import require
from tests.serving import CWL, Server, serving
from tests.site import Site
from tests.steps import DEBIAN, write_package

PREFIX = "/catalogs/user/catalogs"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    why = why_not()
    require(why is None, why or "")
    (tmp_path / "registry").mkdir()
    with serve_registry_at("127.0.0.1", tmp_path / "registry", DEBIAN) as running:
        try:
            yield running
        finally:
            run_podman("rmi", running.image)


@pytest.fixture
def site(tmp_path: Path, registry: Registry) -> Site:
    keys, registries = tmp_path / "keys", tmp_path / "registries.conf"
    keys.write_text(Fernet.generate_key().decode())
    registries.write_text(f'[[registry]]\nlocation = "{registry.address}"\ninsecure = true\n')
    folder = tmp_path / "site"
    folder.mkdir()
    return Site(folder, tmp_path / "cache").having(
        ZOO_RUNNER_WORKSPACE_PREFIX=PREFIX,
        ZOO_RUNNER_ENCRYPTION_KEYS_FILE=str(keys),
        ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"),
        ZOO_RUNNER_CONTAINERS="podman",
        ZOO_RUNNER_ISOLATION="isolated",
        CONTAINERS_CONF=str(CONTAINERS_CONF),
        CONTAINERS_REGISTRIES_CONF=str(registries),
        HOME=str(Path.home()),
    )


def run(server: Server, workspace: str) -> tuple[str, str]:
    """Run the package in a workspace; return the status of the job, and the code of its failure."""
    base = f"{PREFIX}/{workspace}"
    found = server.wait(server.execute("flow", {}, base), base=base)
    return found["status"], found.get("diagnosis", {}).get("code", "")


def put_credentials(server: Server, workspace: str, configuration: Any) -> None:
    path = f"{PREFIX}/{workspace}/secrets/REGISTRY_CREDENTIALS"
    assert server.request("PUT", path, {"value": json.dumps(configuration)}).status == 204


def test_an_image_is_pulled_with_the_credentials_of_its_workspace_and_is_for_no_other(
    site: Site, registry: Registry, tmp_path: Path
) -> None:
    package = write_package(tmp_path, "echo pulled", registry.image).read_bytes()
    with serving(site.environ, site.folder) as server:
        for workspace in ("alpha", "beta"):
            answer = server.request("POST", f"{PREFIX}/{workspace}/processes?w=flow", package, {"Content-Type": CWL})
            assert answer.status == 201, answer.body
        assert run(server, "alpha") == ("failed", "image.forbidden")
        put_credentials(server, "alpha", {"auths": {registry.address: {"auth": "d3Jvbmc6d3Jvbmc="}}})
        assert run(server, "alpha") == ("failed", "image.forbidden")
        put_credentials(server, "alpha", registry.docker_config)
        assert run(server, "alpha") == ("successful", "")
        # it is on this machine now, and whoever has no credentials of its own does not get it
        assert run_podman("image", "exists", registry.image).returncode == 0
        assert run(server, "beta") == ("failed", "image.forbidden")
    auth = registry.docker_config["auths"][registry.address]["auth"]  # type: ignore[index]
    kept = [path.read_bytes() for path in site.folder.rglob("*") if path.is_file()]
    assert not any(canary.encode() in text for text in kept for canary in (PASSWORD, auth))
