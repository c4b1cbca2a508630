"""Two servers and two workers of one PostgreSQL, some of which are killed: what was accepted ends, and runs once."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.contract.kill_points import KILL, build_site
from tests.contract.kill_points import opening as opening_store
from tests.postgres import find_postgres, use_schema
from tests.serving import Server, serving
from tests.site import Site
from tests.waiting import wait_for
from zoo_runner.model.job import FINAL

END_SECONDS = 120
JOBS = 12


@dataclass
class Workers:
    """Separate workers of one installation."""

    site: Site
    log: Path
    running: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start(self) -> None:
        """Start one more."""
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "zoo_runner", "worker"]
            self.running.append(subprocess.Popen(command, env=self.site.environ, stdout=log, stderr=log))

    def kill_one(self) -> None:
        """Kill the oldest, and start another one."""
        oldest = self.running.pop(0)
        oldest.kill()
        oldest.wait()
        self.start()


@contextmanager
def working(site: Site) -> Iterator[Workers]:
    workers = Workers(site, site.folder / "workers.log")
    try:
        for _ in range(2):
            workers.start()
        yield workers
    finally:
        for worker in workers.running:
            worker.kill()
            worker.wait()


def test_replicas_that_are_killed_lose_no_job_and_run_none_twice(tmp_path: Path, package_cache: Path) -> None:
    with use_schema(find_postgres()) as url:
        site = build_site(tmp_path, package_cache, url).having(ZOO_RUNNER_WORKERS="0", ZOO_RUNNER_LEASE="3")
        with ExitStack() as stack:
            one, two = (stack.enter_context(serving(site.environ, make(tmp_path / name))) for name in ("one", "two"))
            workers = stack.enter_context(working(site))
            process = one.deploy(KILL / "once.cwl")
            accepted: dict[int, str] = {}
            for number in range(JOBS):
                server = (one, two)[number % 2]
                with suppress(OSError, AssertionError):
                    accepted[number] = server.execute(process, {"ran": str(tmp_path / f"ran-{number}")})
                _break(number, one, workers)
            assert len(accepted) == JOBS
            wait_for(lambda: _count(two, *(status.value for status in FINAL)) == JOBS, END_SECONDS)
            assert _list(one) == _list(two) == set(accepted.values())
            with opening_store(site) as store:
                jobs = [store.jobs.get(job) for job in accepted.values()]
        for number, job in zip(accepted, jobs, strict=True):
            ran, outcome = tmp_path / f"ran-{number}", job.outcome
            assert outcome
            runs = len(ran.read_text().splitlines()) if ran.exists() else 0
            if outcome.results:
                assert runs == 1
            else:
                assert outcome.diagnosis
                assert (outcome.diagnosis.code, runs <= 1) == ("job.lost", True)
        # each kill can take one job with it
        assert sum(job.outcome is not None and job.outcome.results is not None for job in jobs) >= JOBS - 3


def make(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _break(number: int, server: Server, workers: Workers) -> None:
    """After some jobs a worker is killed, or a server, which is started again."""
    if number in (2, 5, 8):
        workers.kill_one()
    if number == 6:
        server.kill()
        server.start()


def _count(server: Server, *statuses: str) -> int:
    return int(server.request("GET", f"/jobs?status={','.join(statuses)}").json["numberTotal"])


def _list(server: Server) -> set[str]:
    return {job["jobID"] for job in server.request("GET", f"/jobs?limit={JOBS * 2}").json["jobs"]}
