"""The command `stagein` in a process of its own: stdout, stderr and exit code."""

import json
import subprocess
import sys
from pathlib import Path

from tests.values import ROOT

ITEM = ROOT / "tests" / "data" / "landsat-p035r032-sr" / "LT50350322008174PAC01" / "LT50350322008174PAC01.json"


def test_the_command_prints_the_new_job_order(tmp_path: Path) -> None:
    job = tmp_path / "job.json"
    job.write_text(json.dumps({"scene": {"class": "Directory", "location": str(ITEM)}, "n": 3}))
    result = command("--job-order", job, "--output-folder", tmp_path / "in", "--result", tmp_path / "r.json")
    assert result.returncode == 0, result.stderr
    staged = json.loads(result.stdout)
    assert staged == json.loads((tmp_path / "r.json").read_text())
    assert staged["n"] == 3
    assert (Path(staged["scene"]["path"]) / "catalog.json").is_file()
    assert "[5/5]" in result.stderr


def test_the_command_reports_cause_remedy_and_code(tmp_path: Path) -> None:
    result = command("ftp://host/x", "--output-folder", tmp_path)
    assert result.returncode == 2
    assert result.stdout == ""
    cause, remedy, code = result.stderr.splitlines()
    assert cause.startswith("stagein: error: ftp://host/x: ")
    assert remedy.startswith("  what to do: ")
    assert code == "  code: source.unsupported"


def test_wrong_use_of_the_command_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    for arguments in (("--output-folder", tmp_path), ("--job-order", "no.json", "--output-folder", tmp_path)):
        result = command(*arguments)
        assert result.returncode == 2
        assert "Traceback" not in result.stderr


def command(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "stagein", *map(str, arguments)], capture_output=True, text=True, check=False
    )
