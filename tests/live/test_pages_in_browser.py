"""The pages in a real browser: a job followed live, forms, no barriers, nothing that a browser complains about.

With UPDATE_DOCS=1 the pictures in docs/images are taken anew.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.require import require
from tests.serving import serving
from tests.site import Site
from tests.values import ROOT

PYTHON = ROOT / ".venv-clients" / "bin" / "python"
JOURNEY = ROOT / "tests" / "live" / "use_browser.py"
PACKAGES = ROOT / "tests" / "data" / "pages"
IMAGES = ROOT / "docs" / "images"
# what a browser prints about the page that is not there, which is looked at too
EXPECTED = "the server responded with a status of"


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    require(PYTHON.exists(), "needs Playwright: make clients")
    require(bool(shutil.which("chromium")), "needs Chromium: sh dev/packages.sh browser")
    axe = subprocess.run(
        [sys.executable, str(ROOT / "dev/npm.py"), "axe"], stdout=subprocess.PIPE, text=True, check=False
    )
    require(axe.returncode == 0, "needs axe-core, which could not be installed; its messages are above")
    folder = tmp_path_factory.mktemp("pages")
    site = Site(folder, folder / "cache").having(ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"))
    pictures = [str(IMAGES)] if os.environ.get("UPDATE_DOCS") else []  # noqa: TID251 what a person asks of this run
    with serving(site.environ, folder) as server:
        for package in ("scene.cwl", "survey.cwl"):
            server.deploy(PACKAGES / package)
        script = Path(axe.stdout.split("\n")[0]) / "axe-core" / "axe.min.js"
        command = [str(PYTHON), str(JOURNEY), server.url, str(script), *pictures]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        yield json.loads(done.stdout)


def test_a_job_is_followed_on_one_page_without_losing_the_place(seen: dict[str, Any]) -> None:
    run = {name: value for name, value in seen["run"].items() if name != "address"}
    assert run.pop("bars") == 4
    assert run.pop("first stop") == "Skip to content"
    assert run == {"same page": True, "log grew": True, "log stayed": True, "focus stayed": True}


def test_inputs_are_edited_and_the_failure_is_explained_with_its_log(seen: dict[str, Any]) -> None:
    failed = seen["fail"]
    assert (failed["kept"], failed["log"], failed["failed bars"]) == ("ndvi", "join.log", 1)
    assert "ValueError" in failed["cause"]


def test_what_does_not_fit_is_shown_beside_its_field(seen: dict[str, Any]) -> None:
    (label,) = seen["refused"]["wrong"]
    assert label.startswith("Most clouds")
    assert seen["refused"]["kept"] == "many"


def test_results_and_jobs_are_shown_on_maps(seen: dict[str, Any]) -> None:
    found = {name: value for name, value in seen["survey"].items() if name != "address"}
    assert found.pop("items") >= 1
    assert found == {"pictures": 1, "vectors": 1, "land": True, "chart": 1, "leads to a job": True}


def test_a_form_is_filled_in_by_a_map_by_files_and_by_json_and_checked_meanwhile(seen: dict[str, Any]) -> None:
    assert seen["fill in"] == {"drawn": True, "wrong": 1, "sent": True, "pasted": ["savi", "7"]}


def test_jobs_are_narrowed_and_the_theme_is_kept(seen: dict[str, Any]) -> None:
    assert (seen["narrow"], seen["switch"]) == ({"statuses": ["failed"]}, {"switched": True})


def test_pages_can_be_read_without_scripts(seen: dict[str, Any]) -> None:
    assert seen["plain"] == {"log": True, "bars": True}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_has_a_barrier_or_is_too_wide(seen: dict[str, Any], theme: str) -> None:
    assert (seen[theme]["barriers"], seen[theme]["too wide"]) == ({}, [])


def test_the_browser_complains_about_nothing(seen: dict[str, Any]) -> None:
    errors = [*seen["errors"], *seen["light"]["errors"], *seen["dark"]["errors"]]
    assert [error for error in errors if EXPECTED not in error] == []
