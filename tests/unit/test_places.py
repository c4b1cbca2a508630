"""Where each step of a package runs, by the package and the settings."""

from typing import Any

import pytest

from tests.values import small_package
from zoo_runner.config.configuration import load_configuration
from zoo_runner.config.service import load_service_configuration
from zoo_runner.config.settings import load_settings
from zoo_runner.engines.local.places import StepPlace, find_trusted, place_steps
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
    assert found == StepPlace(found.step, kind, image, required)


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


def test_the_default_image_is_a_setting() -> None:
    assert place(PLAIN, "auto", "isolated", ZOO_RUNNER_DEFAULT_IMAGE="mine:2").image == "mine:2"


def test_the_steps_that_run_on_the_host_are_known() -> None:
    places = [StepPlace("a", "host"), StepPlace("b", "container", "x"), StepPlace("c", "sandbox")]
    assert find_trusted(places, "podman") == ["a"]
    assert find_trusted(places, None) == ["a", "b"]


@pytest.mark.parametrize(
    ("environ", "door", "isolation"),
    [
        ({}, load_configuration, "trusted"),
        ({}, load_service_configuration, "isolated"),
        ({"ZOO_RUNNER_ISOLATION": ""}, load_service_configuration, "isolated"),
        ({"ZOO_RUNNER_ISOLATION": "trusted"}, load_service_configuration, "trusted"),
        ({"ZOO_RUNNER_ISOLATION": "isolated"}, load_configuration, "isolated"),
    ],
)
def test_a_service_is_isolated_unless_its_operator_says_otherwise(environ: Any, door: Any, isolation: str) -> None:
    assert door({"HOME": "/nowhere", **environ}).settings.isolation == isolation
