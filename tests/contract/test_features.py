"""CWL's features on the local engine: what each package of tests/data/packages/features yields, and how it fails."""

import json
import os
from pathlib import Path

import pytest

from tests.features import FEATURES, WORKING, run_package, show

FAILING = FEATURES / "failing"

FAILURES = {
    ("time-limit",): ("step.time-limit", "'deaf'", "1 s"),
    ("codes",): ("step.temporary-failure", "'leave'", "exit code 75: leaving with 75"),
    ("codes", "code=3"): ("step.exit-code", "'leave'", "exit code 3: leaving with 3"),
    ("codes", "code=0"): ("step.exit-code", "'leave'", "exit code 0: leaving with 0"),
    ("too-large-later",): ("resources.insufficient", "'huge'", "100000 cores"),
    ("changes-input",): ("step.input-changed", "'careless'", "(note.txt)"),
    ("picks",): ("step.pick-value", "Expected only one source for 'only'"),
    ("picks", "a=false", "b=false"): ("step.pick-value", "All sources for"),
    ("format",): (
        "step.input-format",
        "'read'",
        "'http://edamontology.org/format_3752'",
        "'table'",
        "table.txt has http://edamontology.org/format_2330",
    ),
}


@pytest.mark.parametrize("name", WORKING)
def test_a_package_of_each_feature_gives_what_it_should(name: str, tmp_path: Path) -> None:
    done = run_package(name, tmp_path)
    assert done.diagnosis is None
    assert done.complaints == []
    assert show(done.document) == json.loads((FEATURES / name / "expected.json").read_text())


@pytest.mark.parametrize("words", FAILURES)
def test_what_goes_wrong_with_a_feature_is_said_with_the_step(words: tuple[str, ...], tmp_path: Path) -> None:
    done = run_package(f"failing/{words[0]}", tmp_path, *words[1:])
    assert done.diagnosis is not None
    code, *facts = FAILURES[words]
    assert done.diagnosis.code == code
    assert [fact for fact in facts if fact not in done.diagnosis.cause] == [], done.diagnosis.cause


def test_an_exit_code_that_passes_by_is_worth_another_run(tmp_path: Path) -> None:
    done = run_package("failing/codes", tmp_path)
    assert done.diagnosis is not None
    assert done.diagnosis.code == "step.temporary-failure"


def test_a_machine_too_small_is_found_before_anything_runs(tmp_path: Path) -> None:
    done = run_package("failing/too-large", tmp_path)
    assert done.diagnosis is not None
    assert done.diagnosis.step == "huge"
    assert done.diagnosis.code == "resources.insufficient"
    assert "900000000 MiB" in done.diagnosis.cause
    assert done.steps == {}


def test_a_step_with_a_maximum_alone_gets_what_the_machine_has(tmp_path: Path) -> None:
    done = run_package("failing/maximum", tmp_path)
    assert done.diagnosis is None
    assert done.document == {"cores": len(os.sched_getaffinity(0))}


def test_the_setting_for_cores_lets_a_step_with_a_larger_minimum_run(tmp_path: Path) -> None:
    done = run_package("failing/too-large-later", tmp_path, "cores=300", ZOO_RUNNER_CORES="300")
    assert done.diagnosis is None
    assert set(done.steps) == {"huge"}


def test_a_tool_cannot_change_the_files_of_its_user(tmp_path: Path) -> None:
    folder = FAILING / "changes-input"
    run_package("failing/changes-input", tmp_path)
    assert (folder / "note.txt").read_text() == "note\n"
    assert {path.name: path.read_text() for path in (folder / "folder").iterdir()} == {"a.txt": "a\n"}


def test_a_file_updated_in_place_is_the_copy_of_the_job(tmp_path: Path) -> None:
    run_package("inplace", tmp_path)
    assert (FEATURES / "inplace" / "note.txt").read_text() == "note\n"


def test_secondary_files_of_an_output_come_with_it(tmp_path: Path) -> None:
    run_package("types", tmp_path)
    assert (tmp_path / "results" / "copy" / "copy.csv.idx").read_text() == "index\n"


def test_javascript_needs_nothing_on_the_path(tmp_path: Path) -> None:
    shell = tmp_path / "bin"
    shell.mkdir()
    done = run_package("failing/javascript", tmp_path, PATH=str(shell))
    assert done.diagnosis is None
    assert done.document == {"twice": 42}


def test_the_value_of_a_secret_input_is_in_no_log_plan_or_record(tmp_path: Path) -> None:
    done = run_package("secrets", tmp_path)
    assert done.diagnosis is None
    kept = [path for name in ("temp", "state") for path in (tmp_path / name).rglob("*") if path.is_file()]
    assert any("ada logs in with *****" in path.read_text() for path in kept)
    assert [path for path in kept if "canary-of-a-secret-input" in path.read_text()] == []


def test_what_a_step_used_is_measured_without_container(tmp_path: Path) -> None:
    done = run_package("folders", tmp_path, PATH=os.defpath)
    assert set(done.steps) == {"look", "make", "look-again"}
    assert all(step.cpu_seconds is not None and step.cpu_seconds < 10 for step in done.steps.values())
