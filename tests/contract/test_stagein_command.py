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


def test_the_command_tells_what_why_and_what_to_do(tmp_path: Path) -> None:
    result = command("ftp://host/x", "--output-folder", tmp_path)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "stagein failed (unsupported): ftp://host/x",
        "  why:        the scheme 'ftp' is not supported",
        "  what to do: Use one of: file, http, https, s3, gs, az, data, or a plain path.",
    ]


def test_wrong_use_of_the_command_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    for arguments in (("--output-folder", tmp_path), ("--job-order", "no.json", "--output-folder", tmp_path)):
        result = command(*arguments)
        assert result.returncode == 2
        assert "Traceback" not in result.stderr


def command(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "stagein", *map(str, arguments)], capture_output=True, text=True, check=False
    )
