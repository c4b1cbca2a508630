"""Processes of the same user that look for credentials in the one that runs a job."""

import os
import subprocess
import sys
from pathlib import Path

from tests.attacks.hostile import CANARY
from zoo_runner.engines import hidden

HIDE = f"{Path(hidden.__file__).read_text()}\nhide_process()\n"
WAIT = "print('ready', flush=True); input()"
IS_ROOT = os.getuid() == 0
# root reads everything, and its interpreter may be root's alone
USER, PYTHON = (65534, "/usr/bin/python3") if IS_ROOT else (None, sys.executable)


def read_environment_of(code: str) -> str:
    """What another process of the same user reads of the environment of a process that runs some code."""
    with subprocess.Popen(
        [PYTHON, "-c", f"{code}{WAIT}"],
        env={"SECRET": CANARY},
        user=USER,
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        words = ["/bin/cat", f"/proc/{process.pid}/environ"]
        done = subprocess.run(words, check=False, capture_output=True, text=True, env={}, user=USER, cwd="/")
        process.stdin.write("\n")
    return done.stdout


def test_the_environment_of_a_process_that_runs_jobs_is_unreadable_for_its_own_user() -> None:
    assert CANARY in read_environment_of("")
    assert read_environment_of(HIDE) == ""
