"""Images of a registry that wants a password: refused without, pulled with what the settings give."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import WORKSPACE, find_kubeconfig, kubectl
from tests.live.diagnosis_table import keep_row
from tests.registry import PASSWORD, Registry, serve_registry
from tests.serving import CWL, serving
from tests.site import Site, Story
from tests.steps import write_package
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.events import Event, StepStarted
from zoo_runner.model.job import Status

OWN_WORKSPACE = f"{WORKSPACE}-registry"
NAMESPACE = f"ws-{OWN_WORKSPACE}"


@pytest.fixture(scope="module")
def cluster_settings() -> dict[str, str]:
    return {"ZOO_RUNNER_WORKSPACE": OWN_WORKSPACE}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    find_kubeconfig()
    with serve_registry(tmp_path_factory.mktemp("registry"), "docker.io/library/busybox:latest") as server:
        yield server


def run(site: Site, package: Path, seen: list[str] | None = None) -> Story:
    def look(event: Event) -> None:
        if isinstance(event, StepStarted) and seen is not None:
            seen.append(kubectl(site, "get", "secrets", "-n", NAMESPACE, "-o", "json"))

    return site.run(site.accept(package, None, destination="s3://results/registry"), on=look)


def test_an_image_that_the_registry_does_not_give_away(site: Site, registry: Registry, tmp_path: Path) -> None:
    story = run(site, write_package(tmp_path, "true", registry.image))
    found = story.outcome.diagnosis
    assert found
    keep_row("image refused", found)
    assert (found.code, found.step, registry.image in found.cause) == ("image.forbidden", "work", True)
    assert (found.level, found.step) == (Level.USER, "work")
    assert "ZOO_RUNNER_PULL_CREDENTIALS" in found.remedy


def test_credentials_of_the_settings_become_a_secret_of_the_job(site: Site, registry: Registry, tmp_path: Path) -> None:
    seen: list[str] = []
    given = site.having(ZOO_RUNNER_PULL_CREDENTIALS=json.dumps(registry.docker_config))
    story = run(given, write_package(tmp_path, "echo pulled", registry.image), seen)
    assert story.outcome.status is Status.SUCCESSFUL, story.log
    (secret,) = [item for item in json.loads(seen[0])["items"] if item["type"] == "kubernetes.io/dockerconfigjson"]
    assert secret["metadata"]["name"] == f"job-{story.job.id}-pull-0"
    assert secret["metadata"]["ownerReferences"][0]["name"] == f"job-{story.job.id}"
    auth = registry.docker_config["auths"][registry.address]["auth"]  # type: ignore[index]
    kept = [path.read_text(errors="replace") for path in site.folder.rglob("*") if path.is_file()]
    assert not any(canary in text for text in kept for canary in (PASSWORD, auth))


def test_a_dry_run_asks_the_nodes_for_images_and_leaves_nothing(site: Site, registry: Registry, tmp_path: Path) -> None:
    package = write_package(tmp_path, "true", registry.image).read_bytes()
    absent = package.replace(registry.image.encode(), b"docker.io/library/never:there")
    served = site.having(ZOO_RUNNER_ENGINE="calrissian", STAGEOUT_OUTPUT="s3://results/registry")
    login = served.having(ZOO_RUNNER_PULL_CREDENTIALS=json.dumps(registry.docker_config))
    found = []
    # without the login too a node shows what it has from another test
    for one, document in ((login, package), (login, absent)):
        with serving(one.environ, tmp_path) as server:
            answer = server.request("POST", "/processes?dryRun=true", document, {"Content-Type": CWL})
            problems = [problem for problem in answer.json["problems"] if problem["level"] == "error"]
            found.append((answer.json["valid"], [problem["code"] for problem in problems]))
    assert found == [(True, []), (False, ["image.not-found"])]
    left = json.loads(kubectl(site, "get", "jobs,pods,secrets", "-n", NAMESPACE, "-o", "json"))["items"]
    assert [item["metadata"]["name"] for item in left if "dry-run" in item["metadata"]["name"]] == []


def test_a_secret_that_is_there_already_is_named(site: Site, registry: Registry, tmp_path: Path) -> None:
    package = write_package(tmp_path, "echo pulled", registry.image)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(registry.docker_config))
    run(site, package)  # makes the namespace
    kubectl(site, "delete", "secret", "there", "-n", NAMESPACE, "--ignore-not-found")
    words = ("create", "secret", "generic", "there", "-n", NAMESPACE, f"--from-file=.dockerconfigjson={config}")
    kubectl(site, *words, "--type=kubernetes.io/dockerconfigjson")
    try:
        wrong = {"auths": {registry.address: {"auth": "d3Jvbmc6d3Jvbmc="}}}
        both = site.having(IMAGE_PULL_SECRETS="there", ZOO_RUNNER_PULL_CREDENTIALS=json.dumps([wrong]))
        story = run(both, package)
    finally:
        kubectl(site, "delete", "secret", "there", "-n", NAMESPACE)
    assert story.outcome.status is Status.SUCCESSFUL, story.log
