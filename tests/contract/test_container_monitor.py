"""A container that has not ended has not succeeded, whatever the exit code of podman says."""

import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.require import require
from zoo_runner.engines.cwl_process.container_monitor import Monitor

TERMINATED = 143
IMAGE = "docker.io/library/debian:bookworm-slim"


def report_start(monitor: Monitor) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as podman:
        podman.connect("\0" + monitor.variables["NOTIFY_SOCKET"].removeprefix("@"))
        podman.send(b"MAINPID=1\nREADY=1")


@contextmanager
def ending(code: int | None) -> Iterator[int]:
    """A process that ends with a code, or with None only when it is killed; its parent is this one."""
    with subprocess.Popen(["sleep", "600"] if code is None else ["sh", "-c", f"exit {code}"]) as process:
        yield process.pid
        process.kill()


@pytest.mark.parametrize(
    ("code", "is_reported", "monitor_code", "found"),
    [
        (0, True, 0, 0),
        (0, False, 0, TERMINATED),
        (0, True, 7, 7),
        (0, True, None, TERMINATED),
        (5, True, 5, 5),
        (-15, False, 0, -15),
    ],
    ids=["success", "never-started", "failed", "still-runs", "failure", "killed"],
)
def test_success_counts_where_start_and_end_are_reported(
    tmp_path: Path, code: int, is_reported: bool, monitor_code: int | None, found: int
) -> None:
    file = tmp_path / "monitor"
    monitor = Monitor(file)
    if is_reported:
        report_start(monitor)
    with ending(monitor_code) as pid:
        file.write_text(f"{pid}\n")
        end = monitor.conclude(code, success_seconds=5 if monitor_code is not None else 0.1)
    assert end.code == found
    assert (end.used is not None) == (monitor_code is not None)
    assert not file.exists()


def test_a_container_of_which_nothing_is_known_but_its_start_ends_as_podman_says(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path / "monitor")
    report_start(monitor)
    assert monitor.conclude(0).code == 0


def test_a_podman_that_is_asked_to_end_before_its_container_has_started_has_not_succeeded(tmp_path: Path) -> None:
    require(bool(shutil.which("podman")), "podman is missing")
    require(
        subprocess.run(["podman", "image", "exists", IMAGE], check=False).returncode == 0,
        f"the image {IMAGE} is missing: `make images`",
    )
    ends = []
    for tenths in range(1, 6):
        monitor = Monitor(tmp_path / f"monitor-{tenths}")
        words = ["podman", "run", f"--name=term-{os.getpid()}-{tenths}", "--rm", *monitor.words, "--net=none"]
        with subprocess.Popen(
            [*words, "--log-driver=none", IMAGE, "echo", "done"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **monitor.variables},  # noqa: TID251 podman reads it
        ) as podman:
            threading.Event().wait(tenths / 20)
            podman.send_signal(signal.SIGTERM)
            printed, _ = podman.communicate()
        end = monitor.conclude(podman.returncode, success_seconds=1)
        ends.append((end.code == 0, printed))
        subprocess.run(
            ["podman", "rm", "--force", "--ignore", "--time=0", words[2].removeprefix("--name=")], check=True
        )
    assert (True, b"") not in ends
