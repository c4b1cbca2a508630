"""The command `stageout`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stageout.__main__ import main
from tests.unit.stageout.catalogs import describe_file, describe_folder, write_catalog, write_json

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


def test_a_failure_says_why_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    write_json(tmp_path / "made/catalog.json", {})
    outputs = write_json(tmp_path / "outputs.json", {"out": describe_folder(tmp_path / "made")})
    result = invoke("--outputs", outputs, "--destination", tmp_path / "to")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "stageout failed (invalid-stac): out/catalog.json\n"
        "  why:        is not STAC: its `type` is none of Catalog, Collection, Feature\n"
        "  what to do: Let the tool write valid STAC 1.0 or 1.1, for example with pystac.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((".",), "Say where the results go: --destination, or STAGEOUT_OUTPUT."),
        (("--destination", "x"), "Give either --outputs or the folders and files to put away."),
        ((".", "--destination", "ftp://x/y"), "results cannot be put to ftp:"),
        (("/tmp", "/tmp/../tmp", "--destination", "x"), "Two of the folders and files have the same name."),
    ],
)
def test_wrong_use_ends_with_2_and_says_what_is_right(arguments: tuple[str, ...], said: str) -> None:
    result = invoke(*arguments, STAGEOUT_OUTPUT="")
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize(("text", "said"), [("{", "is not JSON: "), ("[]", "is not a CWL output object")])
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
    assert "Exit codes: 0 all is there; 1 results could not be put away" in text
