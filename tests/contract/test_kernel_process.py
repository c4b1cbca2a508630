"""The process of a kernel: made fit for a job, and given back as it was."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from zoo_runner.config.interpreter import find_python
from zoo_runner.config.settings import load_settings
from zoo_runner.model.errors import SettingsError
from zoo_runner.zoo.process import captured_output, child_signals, direct_connections, forget_services_folder


def test_children_are_reported_inside_and_the_kernels_way_is_back_afterwards() -> None:
    former = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with child_signals():
            assert subprocess.run(["false"], check=False).returncode == 1
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGCHLD, former)


def test_another_thread_leaves_signals_alone() -> None:
    done = []

    def work() -> None:
        with child_signals():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]


def test_everything_that_is_written_is_taken_line_by_line_and_both_streams_come_back() -> None:
    before = [os.fstat(number).st_ino for number in (1, 2)]
    lines: list[str] = []
    with captured_output(lines.append):
        os.write(1, b"one\ntw")
        os.write(2, b"o\n\n")
        subprocess.run(["sh", "-c", "echo three; echo four >&2"], check=True)
        os.write(1, b"five without end")
    assert lines == ["one", "two", "three", "four", "five without end"]
    assert [os.fstat(number).st_ino for number in (1, 2)] == before


def test_a_child_that_stays_behind_does_not_hold_up_the_end() -> None:
    lines: list[str] = []
    with captured_output(lines.append):
        child = subprocess.Popen(["sh", "-c", "echo here; exec sleep 600"])
        while not lines:
            os.sched_yield()
    child.kill()
    child.wait()
    assert lines == ["here"]


def test_a_log_that_cannot_be_written_does_not_stop_whoever_writes() -> None:
    def refuse(line: str) -> None:
        raise OSError(28, "No space left on device")

    with captured_output(refuse):
        for _ in range(64):
            os.write(1, b"x" * 65535 + b"\n")


def test_the_folder_of_processes_is_taken_off_the_path(tmp_path: Path) -> None:
    kept = list(sys.path)
    sys.path.insert(0, str(tmp_path))
    try:
        forget_services_folder(tmp_path)
        assert str(tmp_path) not in sys.path
    finally:
        sys.path[:] = kept


def test_only_the_proxy_of_the_api_is_removed_and_restored_afterwards() -> None:
    environ = {"HTTP_PROXY": "http://zoo-kubeproxy:8001", "HTTPS_PROXY": "http://other"}
    with direct_connections(environ, "http://zoo-kubeproxy:8001"):
        assert environ == {"HTTPS_PROXY": "http://other"}
    assert environ == {"HTTP_PROXY": "http://zoo-kubeproxy:8001", "HTTPS_PROXY": "http://other"}


def test_an_interpreter_is_found_when_the_program_is_not_one() -> None:
    former = sys.executable
    sys.executable = "/usr/sbin/apache2"
    try:
        found = find_python(load_settings({}))
    finally:
        sys.executable = former
    said = subprocess.run([found, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, check=True)
    assert said.stdout.decode().strip() == str(tuple(sys.version_info[:2]))


def test_inside_another_program_the_first_python_of_the_path_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "python3"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    # what an embedded interpreter says of itself
    monkeypatch.setattr(sys, "executable", str(other))
    monkeypatch.setattr(sys, "_base_executable", str(other))
    found = find_python(load_settings({}))
    said = subprocess.run([found, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == sys.prefix


def test_the_interpreter_that_the_operator_names_wins_and_must_be_one() -> None:
    assert find_python(load_settings({"ZOO_RUNNER_PYTHON": sys.executable})) == sys.executable
    with pytest.raises(SettingsError, match="ZOO_RUNNER_PYTHON='/nowhere/python3'"):
        find_python(load_settings({"ZOO_RUNNER_PYTHON": "/nowhere/python3"}))
