import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from tests.site import watching
from zoo_runner.engines.cwl_process import processes, supervisor

PROGRAM = [sys.executable, "-I", "-S", supervisor.__file__]
# prints its own id and that of a grandchild which left its session, as a daemon does; both ignore SIGTERM
STUBBORN = "trap '' TERM; setsid sh -c 'trap \"\" TERM; sleep 300' & echo $$ $!; wait; wait"
TREE = "setsid sleep 300 & echo $$ $!; wait"


@contextmanager
def supervised(command: list[str], **order: Any) -> Iterator[tuple["subprocess.Popen[bytes]", IO[bytes], IO[bytes]]]:
    content = {
        "command": command,
        "env": {"PATH": os.defpath},
        "cwd": "/",
        "cid_folder": None,
        "remover": [],
        **order,
    }
    with subprocess.Popen(
        PROGRAM, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}, start_new_session=True
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(content).encode() + b"\n")
        process.stdin.flush()
        try:
            yield process, process.stdin, process.stdout
        finally:
            process.kill()


def read_pids(stdout: IO[bytes]) -> list[int]:
    return [int(word) for word in stdout.readline().split()]


@pytest.mark.parametrize("code", [0, 1, 77])
def test_the_exit_code_is_that_of_the_run(code: int) -> None:
    with supervised(["sh", "-c", f"exit {code}"]) as (process, _, _):
        assert process.wait(60) == code


def test_a_run_that_a_signal_ended_has_128_and_the_signal_as_code() -> None:
    with supervised(["sh", "-c", "kill -9 $$"]) as (process, _, _):
        assert process.wait(60) == 128 + signal.SIGKILL


def test_a_run_sees_the_environment_it_was_given_and_no_other() -> None:
    with supervised(["/usr/bin/env"], env={"A": "1"}) as (process, _, stdout):
        assert stdout.read() == b"A=1\n"
        assert process.wait(60) == 0


def test_a_run_that_waits_is_given_its_job_on_stdin(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with supervised(["sh", "-c", "cat; sleep 300"], waits=True) as (process, stdin, stdout):
        job = {"spec": "run.json", "scratch": str(scratch)}
        stdin.write(json.dumps(job).encode() + b"\n")
        stdin.flush()
        assert json.loads(stdout.readline()) == job
        stdin.close()
        assert process.wait(60) == 128 + signal.SIGTERM
    assert not scratch.exists(), "what the job named is removed where the parent is gone"


def test_a_run_that_does_not_read_its_long_job_can_be_cancelled() -> None:
    with supervised(["sleep", "300"], waits=True) as (process, stdin, _):
        stdin.write(json.dumps({"paths": ["x" * 100] * 100_000}).encode() + b"\n")
        stdin.write(b"cancel\n")
        stdin.flush()
        assert process.wait(60) == 128 + signal.SIGTERM


@pytest.mark.parametrize("how", ["cancel", "end of the parent"])
def test_a_run_that_waits_in_vain_ends(how: str) -> None:
    command = ["sh", "-c", "echo $$; exec cat"]
    with supervised(command, waits=True) as (process, stdin, stdout), watching(*read_pids(stdout)) as watched:
        if how == "cancel":
            stdin.write(b"cancel\n")
            stdin.flush()
        else:
            stdin.close()
        assert process.wait(60) == 128 + signal.SIGTERM
        assert [one.ends() for one in watched] == [True]


@pytest.mark.parametrize("how", ["cancel", "end of the parent"])
def test_a_stop_takes_children_and_daemons_along(how: str) -> None:
    with supervised(["sh", "-c", TREE]) as (process, stdin, stdout), watching(*read_pids(stdout)) as watched:
        if how == "cancel":
            stdin.write(b"cancel\n")
            stdin.flush()
        else:
            stdin.close()
        assert process.wait(60) in (128 + signal.SIGTERM, 128 + signal.SIGKILL)
        assert [one.ends() for one in watched] == [True, True]


def test_who_ignores_the_request_to_end_is_killed_after_a_grace() -> None:
    with supervised(["sh", "-c", STUBBORN]) as (process, stdin, stdout), watching(*read_pids(stdout)) as watched:
        stdin.close()
        assert process.wait(60) == 128 + signal.SIGKILL
        assert [one.ends() for one in watched] == [True, True]


def test_a_daemon_that_a_successful_run_left_behind_is_killed() -> None:
    command = ["sh", "-c", "setsid sleep 300 & echo $!"]
    with supervised(command) as (process, _, stdout), watching(*read_pids(stdout)) as watched:
        assert process.wait(60) == 0
        assert all(one.ends() for one in watched)


def test_containers_whose_ids_were_left_are_removed(tmp_path: Path) -> None:
    ids = tmp_path / "cids"
    ids.mkdir()
    (ids / "one.cid").write_text(f"{'0a1b' * 16}\n")
    (ids / "empty.cid").write_text("")
    # a launcher that a package took over writes there too
    (ids / "all.cid").write_text("--all")
    (ids / "name.cid").write_text("postgres")
    (ids / "bytes.cid").write_bytes(b"\xff" * 64)
    (ids / "large.cid").write_text("0" * 1000)
    (ids / "link.cid").symlink_to(ids / "one.cid")
    os.mkfifo(ids / "pipe.cid")
    remover = tmp_path / "remover"
    remover.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/removed\n')
    remover.chmod(0o700)
    with supervised(["true"], cid_folder=str(ids), remover=[str(remover), "rm", "--force"]) as (process, _, _):
        assert process.wait(60) == 0
    assert (tmp_path / "removed").read_text() == f"rm --force {'0a1b' * 16}\n"


def test_nothing_is_started_when_the_parent_ends_before_it_said_what() -> None:
    ended = subprocess.run(PROGRAM, input=b'{"command": ["tou', capture_output=True, env={}, check=False, timeout=60)
    assert ended.returncode == 1
    assert b"before it said what to run" in ended.stderr
    assert b"Traceback" not in ended.stderr


def test_a_command_that_is_not_there_is_reported_in_one_line() -> None:
    content: Mapping[str, Any] = {"command": ["/none/x"], "env": {}, "cwd": "/", "cid_folder": None, "remover": []}
    ended = subprocess.run(
        PROGRAM, input=json.dumps(content).encode() + b"\n", capture_output=True, env={}, check=False, timeout=60
    )
    assert ended.returncode == 127
    assert ended.stderr.decode().splitlines() == ["cannot start /none/x: No such file or directory"]


def test_every_descendant_is_found_also_one_with_a_hostile_name(tmp_path: Path) -> None:
    program = tmp_path / "a) S 1 (b"
    program.write_text(textwrap.dedent("#!/bin/sh\nsleep 300 & echo $$ $!\nwait\n"))
    program.chmod(0o700)
    with subprocess.Popen([str(program)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        pids = read_pids(process.stdout)
        try:
            assert set(pids) <= set(processes.descendants(os.getpid()))
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
