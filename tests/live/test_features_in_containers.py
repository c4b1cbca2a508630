"""The same packages in real containers, where podman answers and has the image that they name."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.features import FEATURES, WORKING, run_package, show
from zoo_runner.model.events import EngineLine

IMAGE = "docker.io/library/debian:bookworm-slim"
CONTAINERS = {
    "ZOO_RUNNER_CONTAINERS": "podman",
    **{name: value for name, value in os.environ.items() if name.startswith("CONTAINERS_")},  # noqa: TID251 podman reads it
}


@pytest.fixture(scope="module", autouse=True)
def image() -> str:
    """The image, or the reason why this tier cannot run: a failure in CI, where it has to."""
    words = ["podman", "run", "--rm", "--net=none", "--pull=never", IMAGE, "true"]
    try:
        why = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60).stderr
    except FileNotFoundError as error:
        why = str(error)
    if why:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"podman cannot run {IMAGE}: {why}")  # noqa: TID251
    return IMAGE


# isolated, each is shown below; not isolated, test_engines_agree.py shows it
@pytest.mark.long
@pytest.mark.parametrize("name", WORKING)
def test_a_package_gives_the_same_in_containers(name: str, tmp_path: Path) -> None:
    done = run_package(name, tmp_path, **CONTAINERS)
    assert done.diagnosis is None
    assert show(done.document) == json.loads((FEATURES / name / "expected.json").read_text())


@pytest.mark.parametrize("name", WORKING)
def test_a_package_gives_the_same_in_isolated_mode(name: str, tmp_path: Path) -> None:
    done = run_package(name, tmp_path, **CONTAINERS, ZOO_RUNNER_ISOLATION="isolated")
    assert done.diagnosis is None
    assert done.complaints == []
    assert [event.text for event in done.events if isinstance(event, EngineLine) and "you trust" in event.text] == []
    assert show(done.document) == json.loads((FEATURES / name / "expected.json").read_text())


def test_a_container_out_of_memory_is_reported_with_its_limit(tmp_path: Path) -> None:
    done = run_package("failing/memory", tmp_path, **CONTAINERS)
    assert done.diagnosis is not None
    assert done.diagnosis.code == "step.out-of-memory"
    assert done.diagnosis.step == "greedy"
    assert "32 MiB" in done.diagnosis.cause
    assert "ramMin" in done.diagnosis.remedy


def test_a_container_that_ignores_its_time_limit_is_killed(tmp_path: Path) -> None:
    done = run_package("failing/time-limit", tmp_path, **CONTAINERS)
    assert done.diagnosis is not None
    assert done.diagnosis.code == "step.time-limit"
    assert all(fact in done.diagnosis.cause for fact in ("step 'deaf'", " 1 s"))
    assert done.steps["deaf"].ended - done.steps["deaf"].started < 30


def test_what_a_container_used_is_measured(tmp_path: Path) -> None:
    done = run_package("used", tmp_path, **CONTAINERS)
    assert done.diagnosis is None
    step = done.steps["fill"]
    assert step.cpu_seconds is not None
    assert step.cpu_seconds > 0
    assert step.peak_memory_mib is not None
    assert 200 < step.peak_memory_mib < 400
