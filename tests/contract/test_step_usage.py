"""Rules of how a step's container reports what it used."""

import shutil
import subprocess

import pytest

from zoo_runner.engines.kubernetes.job_pod.used import Used, build_reporting_args, parse_used, read_exit

SHELLS = [name for name in ("dash", "bash", "busybox") if shutil.which(name)]


def run(shell: str, script: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    words = [shell, "sh"] if shell == "busybox" else [shell]
    return subprocess.run(
        [*words, "-c", *build_reporting_args([script])], capture_output=True, text=True, input=stdin, check=False
    )


@pytest.mark.parametrize("shell", SHELLS)
def test_a_command_keeps_its_exit_code_and_its_output_in_every_shell(shell: str) -> None:
    done = run(shell, "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_command_that_is_killed_ends_as_if_it_were_alone(shell: str) -> None:
    assert run(shell, "kill -9 $$").returncode == 137


@pytest.mark.parametrize(
    ("script", "printed"),
    [
        ("cat < /dev/stdin | tr a-z A-Z", "GIVEN"),
        ("printf %s 'a  b\"$(c)`'; # the end", 'a  b"$(c)`'),
        ("cat <<X\nhere\nX", "here\n"),
        ("printf ') }'", ") }"),
    ],
)
def test_no_letter_of_a_command_is_read_by_anyone_else(script: str, printed: str) -> None:
    assert run("dash", script, "given").stdout == printed


@pytest.mark.parametrize(
    ("message", "used"),
    [
        ("used: peak_bytes=10485760 cpu_ns=1500000000\n", Used(1.5, 10.0)),
        ("used: peak_bytes=10485760 cpu_us=1500000\n", Used(1.5, 10.0)),
        ("used: peak_bytes= cpu_us=20000\n", Used(0.02, None)),
        ("used: peak_bytes= cpu_=\n", Used()),
        ("", Used()),
        ("a tool's own words: cpu_us=" + "9" * 40, Used()),
    ],
)
def test_what_a_container_said_is_read_in_seconds_and_mebibytes(message: str, used: Used) -> None:
    assert parse_used(message) == used


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("exit 0 used: peak_bytes=1 cpu_us=2\n", (0, "used: peak_bytes=1 cpu_us=2")),
        ("exit 137 \n", (137, "")),
        ("", None),
        ("exit 0 used: peak_by", None),
        ("exit  \n", None),
        ("exit 0 used\nexit 0 used\n", None),
    ],
    ids=["success", "nothing-used", "begun", "half", "no-code", "twice"],
)
def test_an_end_is_read_once_it_is_whole(written: str, found: tuple[int, str] | None) -> None:
    assert read_exit(written) == found
