"""The shell scripts of a step's pod, run by a shell: the command of the package reaches its tool as it is."""

import subprocess
import sys
from pathlib import Path

from zoo_runner.engines.kubernetes.job_pod.script import build_folders_script, build_script
from zoo_runner.engines.kubernetes.job_pod.used import build_reporting_args

HOSTILE = [
    "#b",
    "*",
    "a b",
    "~",
    "$HOME",
    "$$",
    "$(HOME)",
    "`id`",
    "{a,b}",
    "\\",
    "!",
    "'",
    "a=b",
    "",
    "--",
    "\n",
    ">x",
]


def test_every_word_of_a_command_reaches_the_tool_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "in put#1").write_text("given")
    command = [sys.executable, "-c", "import sys; print(sys.argv[1:], sys.stdin.read())", *HOSTILE]
    script = build_script(command, "in put#1", "out/#1 *.txt", "out/$(id)")
    folders = build_folders_script("out/#1 *.txt", None, "top.txt")
    subprocess.run(["sh", "-c", folders], check=True, cwd=tmp_path)
    subprocess.run(["sh", "-c", *script], check=True, cwd=tmp_path)
    assert (tmp_path / "out" / "#1 *.txt").read_text() == f"{HOSTILE} given\n"
    assert (tmp_path / "out" / "$(id)").read_text() == ""


def test_a_command_may_name_thousands_of_files(tmp_path: Path) -> None:
    paths = [f"/job/run/inputs/scenes/of/one/year/{number:06}.tif" for number in range(5000)]
    script = build_script([sys.executable, "-c", "import sys; print(len(sys.argv) - 1)", *paths], None, "count", None)
    subprocess.run(["sh", "-c", *build_reporting_args(script)], check=True, cwd=tmp_path)
    assert (tmp_path / "count").read_text() == "5000\n"
