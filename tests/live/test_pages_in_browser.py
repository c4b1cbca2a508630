"""The pages in a real browser: a job followed live, forms, no barriers, nothing that a browser complains about.

With UPDATE_DOCS=1 the pictures in docs/images are taken anew.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.chromium import PYTHON, find_axe
from tests.servers import serve_files
from tests.serving import serving
from tests.site import Site
from tests.values import ROOT

JOURNEY = "tests.live.use_browser"
PACKAGES = ROOT / "tests" / "data" / "pages"
IMAGES = ROOT / "docs" / "images"
# what a browser prints about the page that is not there, which is looked at too, and about a network that others add to
# this machine meanwhile
EXPECTED = re.compile(r"the server responded with a status of|net::ERR_NETWORK_CHANGED")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    axe = find_axe()
    folder = tmp_path_factory.mktemp("pages")
    with serve_files(ROOT / "examples" / "data") as web:
        yield from _visit(folder, axe, web.url)


def _visit(folder: Path, script: Path, web: str) -> Iterator[dict[str, Any]]:
    site = Site(folder, folder / "cache").having(
        ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"),
        ZOO_RUNNER_LINK_SECRET="only-for-tests-0123456789abcdef0123",
        ZOO_RUNNER_CATALOGS=f"{web}/catalog.json",
        STAGEIN_PRIVATE_HOSTS="127.0.0.1",
    )
    pictures = [str(IMAGES)] if os.environ.get("UPDATE_DOCS") else []  # noqa: TID251 what a person asks of this run
    with serving(site.environ, folder) as server:
        for package in ("scene.cwl", "survey.cwl", "patient.cwl", "stations.cwl"):
            server.deploy(PACKAGES / package)
        command = [str(PYTHON), "-m", JOURNEY, server.url, str(script), *pictures]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
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
    assert failed["at the end"] is True


def test_a_log_has_the_colours_that_its_program_printed_and_other_places_have_none(seen: dict[str, Any]) -> None:
    failed = seen["fail"]
    assert (failed["coloured"], failed["ink"]) == (["ValueError"], "rgb(179, 38, 30)")
    assert "ValueError: part 2" in failed["evidence"]
    assert "[1;31m" not in failed["cause"] + failed["evidence"]


def test_what_does_not_fit_is_shown_beside_its_field(seen: dict[str, Any]) -> None:
    (label,) = seen["light"]["refused"]["wrong"]
    assert label.startswith("Most clouds")
    assert seen["light"]["refused"]["kept"] == "many"


def test_results_and_jobs_are_shown_on_maps(seen: dict[str, Any]) -> None:
    found = {name: value for name, value in seen["survey"].items() if name != "address"}
    assert found.pop("items") >= 1
    assert found == {"pictures": 1, "vectors": 1, "land": True, "chart": 1, "leads to a job": True}


def test_a_form_is_filled_in_by_a_map_by_files_and_by_json_and_checked_meanwhile(seen: dict[str, Any]) -> None:
    assert seen["fill in"] == {"drawn": True, "wrong": 1, "sent": True, "pasted": ["savi", "7"]}


def test_a_limit_is_raised_from_the_page_of_a_job(seen: dict[str, Any]) -> None:
    assert seen["raise"]["suggested"] == "60"


def test_a_job_that_was_not_started_shows_what_it_will_run(seen: dict[str, Any]) -> None:
    assert (seen["plan"]["steps"], seen["plan"]["after"]) == (["compute", "join"], ["the inputs", "compute"])


def test_jobs_are_chosen_compared_and_removed_and_failures_counted(seen: dict[str, Any]) -> None:
    found = seen["choose"]
    assert {"status", "code"} <= set(found["differ"])
    assert (found["count"], found["listed"]) == (3, 1)
    assert "step.time-limit" in found["cause"]


def test_a_result_is_shared_and_used_as_input(seen: dict[str, Any]) -> None:
    found = {name: value for name, value in seen["pass on"].items() if name != "uses"}
    assert found == {"copies": True, "opened": 200, "changed": 403, "filled": 1}


def test_presets_are_kept_and_scenes_found_in_a_catalog(seen: dict[str, Any]) -> None:
    assert seen["preset"] == {"filled": ["evi", "11"], "left": 0}
    assert seen["search"].pop("filled") is True
    assert seen["search"]["shapes"] == seen["search"]["rows"] > 0


def test_jobs_are_narrowed_and_the_theme_is_kept(seen: dict[str, Any]) -> None:
    assert (seen["narrow"], seen["switch"]) == ({"statuses": ["failed"]}, {"switched": True})


def test_a_package_is_corrected_by_what_is_shown_beside_its_line_without_scripts(seen: dict[str, Any]) -> None:
    found = seen["correct"]
    assert found["wrong"] == ["5", "baseComand: [echo, something]"]
    assert found["level"].endswith("Error:")
    assert (found["kept"], found["reached"], found["begins"]) == (True, True, True)


def test_members_and_items_are_filled_in_and_checked_without_another_page(seen: dict[str, Any]) -> None:
    found = {name: value for name, value in seen["members"].items() if name != "address"}
    assert found == {
        "focused": "/stations/1/name",
        "wrong": ["/stations/1/height"],
        "kept": ["Elbe", "Müritz"],
        "same page": True,
        "stations": [{"name": "Müritz", "height": 62.5, "kind": "lake"}],
        "has a scene": True,
        "method": {"distance": 12},
        "grid": 10,
    }


def test_every_page_is_read_without_scripts_and_shows_the_calls_of_its_actions(seen: dict[str, Any]) -> None:
    pages = seen["plain"]["pages"]
    assert {name: one["dead"] for name, one in pages.items() if one["dead"]} == {}
    assert [name for name, one in pages.items() if not one["calls"]] == []
    assert [name for name, one in pages.items() if one["words"] < 20] == []


def test_members_are_filled_in_sent_and_corrected_without_scripts(seen: dict[str, Any]) -> None:
    found = seen["plain"]["filled in"]
    assert len(found["checked"]) == len(found["refused"]) == 1
    assert found["refused"][0].startswith("Distance")
    assert (found["left"], found["shown"]) == (["Oder"], True)


def test_jobs_are_narrowed_and_compared_without_scripts(seen: dict[str, Any]) -> None:
    narrowed = seen["plain"]["narrowed"]
    assert narrowed["failed"] == ["failed"]
    assert narrowed["of a process"] >= 2
    assert narrowed["empty"] == "No job fits."
    assert seen["plain"]["chosen"] == {"compared": True, "failed": ["failed"]}


def test_nothing_that_others_have_written_is_run(seen: dict[str, Any]) -> None:
    found = seen["evil"]
    assert (found["deployed"], found["dialogs"], found["strange"]) == (201, [], [])
    assert {"processes.html", "evil.html", "results", "form", "execution"} <= set(found["shown"])
    # a policy that had something to refuse would say so
    assert [error for error in found["errors"] if not EXPECTED.search(error)] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_has_a_barrier_or_is_too_wide(seen: dict[str, Any], theme: str) -> None:
    assert (seen[theme]["barriers"], seen[theme]["too wide"]) == ({}, [])


def test_the_browser_complains_about_nothing(seen: dict[str, Any]) -> None:
    errors = [*seen["errors"], *seen["light"]["errors"], *seen["dark"]["errors"]]
    assert [error for error in errors if not EXPECTED.search(error)] == []
