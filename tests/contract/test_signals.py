import subprocess

import pytest

from zoo_runner.engines.cwl_process.signals import as_exit_code


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("kill -SEGV $$", 139), ("kill -9 $$", 137)])
def test_the_exit_code_of_a_process_is_the_one_that_shells_tell(script: str, code: int) -> None:
    alone = subprocess.run(["sh", "-c", script], check=False)
    in_a_shell = subprocess.run(["sh", "-c", f"(sh -c '{script}'); exit $?"], check=False)
    assert (as_exit_code(alone.returncode), in_a_shell.returncode) == (code, code)


def test_what_never_started_has_no_exit_code() -> None:
    assert as_exit_code(None) is None
