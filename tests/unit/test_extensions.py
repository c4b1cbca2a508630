"""cwltool's extensions to CWL: accepted as requirements, kept as hints, and what is secret by them."""

from pathlib import Path
from typing import Any

import pytest

from tests.values import FAILING, PACKAGES, settings_in, small_package
from zoo_runner.package.extensions import SECRETS, find_secret_inputs, make_extensions_hints
from zoo_runner.package.loading import load_package


def test_a_requirement_that_is_an_extension_becomes_a_hint_wherever_it_stands() -> None:
    extension, plain = {"class": SECRETS, "secrets": ["a"]}, {"class": "NetworkAccess"}
    node: dict[str, Any] = {"steps": [{"run": {"requirements": [extension, plain], "hints": [plain]}}]}
    make_extensions_hints(node)
    assert node["steps"][0]["run"] == {"requirements": [plain], "hints": [plain, extension]}


def test_an_input_that_goes_to_a_secret_one_is_secret(tmp_path: Path) -> None:
    package = load_package(str(PACKAGES / "features" / "secrets" / "secrets.cwl#secrets"), settings_in(tmp_path))
    assert find_secret_inputs(package) == {"password"}


@pytest.mark.parametrize("secrets", [None, 5, "password", {}])
def test_a_hint_that_names_nothing_makes_nothing_secret(secrets: Any) -> None:
    assert find_secret_inputs(small_package(hints=[{"class": SECRETS, "secrets": secrets}])) == frozenset()


def test_a_package_that_asks_for_a_gpu_is_taken(tmp_path: Path) -> None:
    package = load_package(str(FAILING / "no-gpu" / "no-gpu.cwl"), settings_in(tmp_path))
    (hint,) = [hint for hint in package.processes["tool"]["hints"] if "CUDA" in hint["class"]]
    assert hint["cudaVersionMin"] == "12.0"
