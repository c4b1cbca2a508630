"""What tests/conftest.py promises: a tier that cannot run is a failure under CI=true."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFTEST = ROOT / "tests" / "conftest.py"
MARKERS = "[pytest]\naddopts = --strict-markers\nmarkers =\n  unit\n  contract\n  live\n  needs_server\n  timeout\n"
TESTS = """
import pytest

def test_without_its_tool():
    pytest.skip("podman does not answer")

@pytest.mark.needs_server
def test_without_its_server():
    pytest.skip("ZOO_URL names no server")

@pytest.mark.xfail  # text of a made-up test file: an expected failure stays one, also in CI
def test_known_to_fail():
    raise ValueError

def test_of_its_tier(request):
    assert request.node.get_closest_marker("live")
    assert request.node.get_closest_marker("timeout").args == (900,)
"""
MODULE = 'import pytest\npytest.skip("rasterio is missing", allow_module_level=True)\n'


def run_tests(folder: Path, ci: str, *words: str) -> str:
    (folder / "tests" / "live").mkdir(parents=True)
    (folder / "pytest.ini").write_text(MARKERS)
    (folder / "tests" / "live" / "test_some.py").write_text(TESTS)
    (folder / "tests" / "live" / "test_other.py").write_text(MODULE)
    shutil.copy(CONFTEST, folder / "tests")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "--continue-on-collection-errors", "-p", "no:cacheprovider", *words],
        cwd=folder,
        env={**os.environ, "CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)},  # noqa: TID251 the tests' own environment, a little changed
        capture_output=True,
        text=True,
        check=False,
    ).stdout


@pytest.fixture(scope="module")
def outside_ci(tmp_path_factory: pytest.TempPathFactory) -> str:
    return run_tests(tmp_path_factory.mktemp("outside"), "")


@pytest.fixture(scope="module", params=[(), ("-p", "xdist", "--numprocesses", "2")], ids=["alone", "workers"])
def in_ci(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return run_tests(tmp_path_factory.mktemp("inside"), "true", *request.param)


def test_a_tier_that_cannot_run_is_skipped_where_somebody_looks(outside_ci: str) -> None:
    assert "1 passed, 3 skipped, 1 xfailed" in outside_ci


@pytest.mark.parametrize("reason", ["podman does not answer", "rasterio is missing"])
def test_in_ci_a_tier_that_cannot_run_fails_with_its_reason(in_ci: str, reason: str) -> None:
    assert in_ci.partition("short test summary")[0].count(f"under CI=true what cannot run fails: {reason}") == 1
    assert "1 failed, 1 passed, 1 skipped, 1 xfailed, 1 error" in in_ci


def test_in_ci_a_server_that_nobody_started_is_no_failure(in_ci: str) -> None:
    assert "FAILED tests/live/test_some.py::test_without_its_server" not in in_ci
    assert "ZOO_URL names no server" in in_ci
