"""The command `stageout`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stageout.__main__ import main
from tests.unit.messages import Check
from tests.unit.stageout.catalogs import describe_file, describe_folder, write_catalog, write_json
from zoo_staging.command import EXIT_CODES

pytestmark = pytest.mark.unit


def invoke(*arguments: str | Path, **environ: str) -> Result:
    return CliRunner().invoke(main, [str(each) for each in arguments], env=environ)


def test_results_go_to_stdout_and_progress_to_stderr(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a")
    outputs = write_json(tmp_path / "outputs.json", {"t": describe_file(tmp_path / "t.csv"), "n": 1})
    result = invoke("--outputs", outputs, "--destination", tmp_path / "to", "--job-id", "7")
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    assert answer["outputs"]["n"] == 1
    assert answer["collection"] == (tmp_path / "to/collection.json").as_uri()
    assert (answer["files"], answer["warnings"]) == (3, [])
    assert result.stderr.splitlines()[-1].startswith("[3/3] 0.0 MiB  file://")


def test_folders_and_files_are_outputs_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a")
    made = write_catalog(tmp_path / "made")
    result = invoke(made, tmp_path / "t.csv", "--quiet", STAGEOUT_OUTPUT=str(tmp_path / "to"))
    assert list(json.loads(result.stdout)["outputs"]) == ["made", "t.csv"]
    assert result.stderr == ""


def test_as_a_cwl_tool_it_gives_the_catalog_of_the_output(tmp_path: Path) -> None:
    made = write_catalog(tmp_path / "made")
    result = invoke(made, "--destination", tmp_path / "to", "--format", "cwl")
    assert json.loads(result.stdout) == {"s3_catalog_output": (tmp_path / "to/made/catalog.json").as_uri()}


def test_check_writes_nothing_that_stays(tmp_path: Path) -> None:
    result = invoke("--check", "--destination", tmp_path / "to")
    assert json.loads(result.stdout) == {"destination": str(tmp_path / "to"), "writable": True}
    assert list(tmp_path.iterdir()) == []


def test_a_failure_has_cause_remedy_and_code(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    write_json(tmp_path / "made/catalog.json", {})
    outputs = write_json(tmp_path / "outputs.json", {"out": describe_folder(tmp_path / "made")})
    result = invoke("--outputs", outputs, "--destination", tmp_path / "to")
    assert (result.exit_code, result.stdout) == (1, "")
    cause, remedy, code = result.stderr.splitlines()
    assert cause.startswith("stageout: error: out/catalog.json: ")
    assert remedy.startswith("  what to do: ")
    assert code == "  code: output.stac-invalid"


def test_a_failure_can_be_read_by_programs(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    write_json(tmp_path / "made/catalog.json", {})
    result = invoke(tmp_path / "made", "--destination", tmp_path / "to", "--error-format", "json")
    assert json.loads(result.stderr).keys() == {"code", "cause", "remedy"}
    assert json.loads(result.stderr)["code"] == "output.stac-invalid"


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        ((".",), "STAGEOUT_OUTPUT"),
        (("--destination", "x"), "--outputs"),
        ((".", "--destination", "ftp://x/y"), "destination.unsupported"),
        (("/tmp", "/tmp/../tmp", "--destination", "x"), "same name"),
    ],
)
def test_wrong_use_ends_with_2_and_says_what_is_right(arguments: tuple[str, ...], fact: str, check: Check) -> None:
    result = invoke(*arguments, STAGEOUT_OUTPUT="")
    assert result.exit_code == 2
    check.words(result.stderr, fact)


@pytest.mark.parametrize(("text", "said"), [("{", "is not JSON: "), ("[]", "CWL output object")])
def test_outputs_that_cannot_be_read_are_wrong_use(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "outputs.json").write_text(text)
    result = invoke("--outputs", tmp_path / "outputs.json", "--destination", tmp_path / "to")
    assert result.exit_code == 2
    assert said in result.stderr


def test_help_names_every_setting_and_exit_code() -> None:
    text = invoke("--help").stdout
    for name in ("SERVICEURL", "REGION", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"):
        assert f"STAGEOUT_AWS_{name}" in text
    assert "STAGEOUT_OUTPUT" in text
    assert [line for line in EXIT_CODES.splitlines() if line.strip() not in text] == []
