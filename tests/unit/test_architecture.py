"""Rules that no linter keeps: how long a module may be, how it may be called."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("zoo_runner", "zoo_staging", "stagein", "stageout", "demo", "bench", "requirements")
MOST_LINES = 300
VAGUE = {"utils", "util", "helpers", "helper", "common", "base", "misc", "tools"}
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_has_at_most_300_lines(module: Path) -> None:
    lines = len(module.read_text().splitlines())
    assert lines <= MOST_LINES


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [path for path in MODULES if path.stem.strip("_") in VAGUE] == []


@pytest.mark.parametrize("package", ["zoo_runner", "zoo_staging", "stagein", "stageout"])
def test_a_package_tells_type_checkers_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").exists()
