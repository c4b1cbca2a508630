"""Where each step of a package runs, by the package and the settings."""

from dataclasses import replace
from typing import Any

import pytest

from tests.values import small_package
from zoo_runner.config.configuration import load_configuration
from zoo_runner.config.service import load_service_configuration
from zoo_runner.config.settings import load_settings
from zoo_runner.engines.local.places import StepPlace, find_trusted, find_unnamed, may_use_network, place_steps
from zoo_runner.model.errors import EngineError
from zoo_runner.model.package import Package

DOCKER = {"class": "DockerRequirement", "dockerPull": "r:1"}
REQUIRED, HINTED, PLAIN = small_package(requirements=[DOCKER]), small_package(hints=[DOCKER]), small_package()
DEFAULT = "docker.io/library/debian:bookworm-slim"


def place(package: Package, containers: str, isolation: str, **more: str) -> StepPlace:
    settings = load_settings({"ZOO_RUNNER_CONTAINERS": containers, "ZOO_RUNNER_ISOLATION": isolation, **more})
    [only] = place_steps(package, settings)
    return only


@pytest.mark.parametrize(
    ("package", "containers", "isolation", "kind", "image", "required"),
    [
        (REQUIRED, "auto", "trusted", "container", "r:1", True),
        (REQUIRED, "none", "trusted", "container", "r:1", True),
        (HINTED, "podman", "trusted", "container", "r:1", False),
        (HINTED, "none", "trusted", "host", "", False),
        (PLAIN, "podman", "trusted", "host", "", False),
        (PLAIN, "sandbox", "trusted", "sandbox", "", True),
        (REQUIRED, "auto", "isolated", "container", "r:1", True),
        (HINTED, "auto", "isolated", "container", "r:1", True),
        (PLAIN, "docker", "isolated", "container", DEFAULT, True),
        (HINTED, "sandbox", "isolated", "sandbox", "", True),
        (PLAIN, "sandbox", "isolated", "sandbox", "", True),
    ],
)
def test_a_step_has_the_place_that_package_and_settings_say(
    package: Package, containers: str, isolation: str, kind: Any, image: str, required: bool
) -> None:
    found = place(package, containers, isolation)
    assert found == StepPlace(found.step, kind, image, required, is_default=image == DEFAULT)


@pytest.mark.parametrize(
    ("package", "containers", "isolation"),
    [
        (HINTED, "none", "isolated"),
        (PLAIN, "none", "isolated"),
        (REQUIRED, "sandbox", "isolated"),
        (REQUIRED, "sandbox", "trusted"),
    ],
)
def test_a_step_without_a_place_is_refused_by_name(package: Package, containers: str, isolation: str) -> None:
    with pytest.raises(EngineError) as caught:
        place(package, containers, isolation)
    diagnosis = caught.value.diagnosis
    assert diagnosis.code == "isolation.refused"
    assert diagnosis.step
    assert repr(diagnosis.step) in diagnosis.cause
    assert "ZOO_RUNNER_CONTAINERS" in diagnosis.remedy


@pytest.mark.parametrize("isolation", ["trusted", "isolated"])
@pytest.mark.parametrize("member", ["dockerFile", "dockerLoad", "dockerImport"])
@pytest.mark.parametrize("part", ["requirements", "hints"])
@pytest.mark.parametrize("value", ["FROM scratch", ""])
def test_no_image_is_built_or_loaded_on_this_machine(member: str, part: str, isolation: str, value: str) -> None:
    docker = {**DOCKER, "dockerImageId": "docker.io/library/debian:bookworm-slim", member: value}
    with pytest.raises(EngineError) as caught:
        place(small_package(**{part: [docker]}), "auto", isolation)
    diagnosis = caught.value.diagnosis
    assert diagnosis.code == "package.unsupported"
    assert repr(diagnosis.step) in diagnosis.cause
    assert member in diagnosis.cause
    assert "dockerPull" in diagnosis.remedy


def test_a_hint_to_build_an_image_is_passed_over_where_containers_are_off() -> None:
    hinted = small_package(hints=[{"class": "DockerRequirement", "dockerFile": "FROM scratch"}])
    assert place(hinted, "none", "trusted").kind == "host"
    assert place(hinted, "sandbox", "isolated").kind == "sandbox"


NAMES = (
    *("debian", "debian:12", "docker.io/library/debian:bookworm-slim", "localhost/mine:1", "localhost:5000/a/b"),
    *("registry.example.org:443/team/tool_x/sub-1.2:V1.0-rc_3", "node/docker:24", "docker:24", "a__b", "a--b"),
    *(f"quay.io/x/y@sha256:{'0f' * 32}", f"quay.io/x/y:1@sha256:{'0f' * 32}", "registry:5000/x"),
)
NO_NAMES = (
    *("docker-archive:/etc/passwd", "oci:/tmp/x", "oci:x", "oci:5000/x", "dir:/", "dir:latest", "tarball:x"),
    *("docker-daemon:x", "docker-daemon:x:1", "containers-storage:x", "containers-storage:[/x]y", "sif:x", "ostree:x"),
    *("oci-archive:x.tar", "atomic:x", "docker://debian", "https://example.org/x", "-v", "--all", "--tls-verify=false"),
    *(
        "/etc/passwd",
        "./x",
        "../x",
        "a/../b",
        "a//b",
        "a:b:c",
        "a@sha256:0f",
        "Debian",
        "a b",
        "a\n",
        "a\nb",
        "",
        "a;b",
    ),
    *("$(inputs.x)", "a:", "a/", "é", "a,b", "registry:99999999/x"),
)


@pytest.mark.parametrize("name", NAMES)
def test_an_image_in_a_registry_has_a_valid_name(name: str) -> None:
    assert place(small_package(hints=[{**DOCKER, "dockerPull": name}]), "auto", "trusted").image == name
    assert place(PLAIN, "auto", "isolated", ZOO_RUNNER_DEFAULT_IMAGE=name).image == name


@pytest.mark.parametrize("name", NO_NAMES)
@pytest.mark.parametrize("member", ["dockerPull", "dockerImageId"])
@pytest.mark.parametrize("isolation", ["trusted", "isolated"])
def test_no_name_of_an_image_opens_files_or_is_an_option(name: str, member: str, isolation: str) -> None:
    docker = {"class": "DockerRequirement", member: name}
    with pytest.raises(EngineError) as caught:
        place(small_package(hints=[docker]), "auto", isolation)
    assert caught.value.diagnosis.code == "image.invalid"
    assert repr(name) in caught.value.diagnosis.cause
    assert repr(caught.value.diagnosis.step) in caught.value.diagnosis.cause


def test_the_default_image_has_to_have_a_valid_name_too() -> None:
    with pytest.raises(EngineError) as caught:
        place(PLAIN, "auto", "isolated", ZOO_RUNNER_DEFAULT_IMAGE="oci:/tmp/x")
    assert caught.value.diagnosis.code == "image.invalid"
    assert "ZOO_RUNNER_DEFAULT_IMAGE" in caught.value.diagnosis.remedy


@pytest.mark.parametrize(
    ("version", "isolation", "network", "may"),
    [
        ("v1.2", "isolated", "asked", True),
        ("v1.1", "isolated", "asked", True),
        ("v1.0", "isolated", "asked", False),
        ("v1.2", "isolated", "none", False),
        ("v1.0", "trusted", "none", True),
        ("v1.2", "trusted", "none", True),
    ],
)
def test_isolated_steps_have_the_network_where_package_and_settings_say_so(
    version: str, isolation: str, network: str, may: bool
) -> None:
    settings = load_settings({"ZOO_RUNNER_ISOLATION": isolation, "ZOO_RUNNER_SANDBOX_NETWORK": network})
    package = small_package()
    package = replace(package, document={**package.document, "cwlVersion": version})
    assert may_use_network(package, settings) == may


def test_the_steps_that_name_no_image_are_known() -> None:
    places = [StepPlace("a", "container", "x", is_default=True), StepPlace("b", "container", "x")]
    assert find_unnamed(places) == ["a"]


def test_the_default_image_is_a_setting() -> None:
    assert place(PLAIN, "auto", "isolated", ZOO_RUNNER_DEFAULT_IMAGE="mine:2").image == "mine:2"


def test_the_steps_that_run_on_the_host_are_known() -> None:
    places = [StepPlace("a", "host"), StepPlace("b", "container", "x"), StepPlace("c", "sandbox")]
    assert find_trusted(places, "podman") == ["a"]
    assert find_trusted(places, None) == ["a", "b"]


@pytest.mark.parametrize(
    ("environ", "load", "isolation"),
    [
        ({}, load_configuration, "trusted"),
        ({}, load_service_configuration, "isolated"),
        ({"ZOO_RUNNER_ISOLATION": ""}, load_service_configuration, "isolated"),
        ({"ZOO_RUNNER_ISOLATION": "trusted"}, load_service_configuration, "trusted"),
        ({"ZOO_RUNNER_ISOLATION": "isolated"}, load_configuration, "isolated"),
    ],
)
def test_a_service_is_isolated_unless_its_operator_says_otherwise(environ: Any, load: Any, isolation: str) -> None:
    assert load({"HOME": "/nowhere", **environ}).settings.isolation == isolation
