"""The API server goes away and comes back while a job runs; for the cluster of dev/cluster, whose processes we know."""

import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from tests.cluster import find_kubeconfig, join_cluster
from tests.live.test_calrissian import wait_until_gone
from tests.live.test_calrissian_diagnosis import run, write_package
from tests.servers import S3Server
from tests.site import Site
from zoo_runner.model.events import Event, StepLines
from zoo_runner.model.job import Status

AWAY_SECONDS = 4.0


class ApiServer:
    """The API server of dev/cluster, by the process id that its scripts recorded."""

    def __init__(self, folder: Path) -> None:
        self._pid_file = folder / "run" / "apiserver.pid"
        self._log = folder / "logs" / "apiserver.log"

    def restart(self, after_seconds: float) -> threading.Timer:
        """Kill it now and start it again later; stopping the cluster finds the new one."""
        pid = int(self._pid_file.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
        os.kill(pid, signal.SIGKILL)

        def start() -> None:
            with self._log.open("ab") as log:
                server = subprocess.Popen(
                    command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
                )
            self._pid_file.write_text(str(server.pid))
            server.returncode = 0  # it outlives this test

        timer = threading.Timer(after_seconds, start)
        timer.start()
        return timer


def test_an_api_server_that_goes_away_and_comes_back_costs_neither_the_job_nor_a_line(
    tmp_path: Path, s3: S3Server
) -> None:
    kubeconfig = Path(find_kubeconfig())
    if not (kubeconfig.parent / "run" / "apiserver.pid").exists():
        pytest.skip("this cluster's API server is not ours to kill")
    server, timers, lines = ApiServer(kubeconfig.parent), list[threading.Timer](), list[str]()

    def on(event: Event) -> None:
        if isinstance(event, StepLines):
            lines.extend(event.lines)
            if len(lines) >= 2 and not timers:
                timers.append(server.restart(AWAY_SECONDS))

    site = join_cluster(Site(tmp_path, tmp_path / "cache"), str(kubeconfig), s3)
    script = "for i in 1 2 3 4 5 6 7 8; do echo line $i >&2; sleep 2; done"
    story = run(site, write_package(tmp_path, script), on)
    timers[0].join()
    assert story.outcome.status is Status.SUCCESSFUL, story.log
    assert lines == [f"line {number}" for number in range(1, 9)]
    # those who watch the API come back to it each in their time: who comes next finds them all there
    after = run(site, write_package(tmp_path, "true"))
    assert after.outcome.status is Status.SUCCESSFUL, after.log
    wait_until_gone(site, after.job.id)
