"""kill -9 of a worker or a server at exact statements to the database, and what has to hold afterwards."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.network import Network
from tests.postgres import PrivatePostgres, use_schema
from tests.serving import Server, serving
from tests.site import Site, wait_until_none_is_left
from tests.values import ROOT
from tests.waiting import wait_for
from zoo_runner.config.server import load_server_settings
from zoo_runner.config.service import load_service_configuration
from zoo_runner.execution.accept import accept, draft_job
from zoo_runner.model.job import FINAL, Job, Status
from zoo_runner.package.loading import load_package
from zoo_runner.server.installation import open_context, open_store
from zoo_runner.store.protocol import JobQuery
from zoo_runner.store.sql import SqlStore

KILL = ROOT / "tests" / "data" / "kill"
PACKAGE = KILL / "once.cwl"
END_SECONDS = 60
# all of a job, and of an execute request
WORKER_STATEMENTS, SERVER_STATEMENTS = range(1, 48), range(3, 8)


@dataclass(frozen=True)
class KillPoint:
    """A statement of a command, by its number, and whether it is killed before it is sent or after it was answered."""

    command: str
    when: str
    number: int

    def __str__(self) -> str:
        return f"{self.command}-{self.when}-{self.number}"


POINTS = (
    *(KillPoint("worker", when, number) for number in WORKER_STATEMENTS for when in ("before", "after")),
    *(KillPoint("serve", when, number) for number in SERVER_STATEMENTS for when in ("before", "after")),
)


@dataclass(frozen=True)
class Finding:
    """What came of a kill: at which statement it was, how the job ended, how often its step ran."""

    statement: str
    outcome: str
    runs: int


def build_site(folder: Path, cache: Path, database: str) -> Site:
    more = {"ZOO_RUNNER_DATABASE": database} if database else {}
    return Site(folder, cache, is_service=True).having(
        ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"),
        ZOO_RUNNER_LEASE="1",
        ZOO_RUNNER_SHUTDOWN_LIMIT="1",
        STAGEIN_ALLOWED_ROOTS=str(ROOT),
        **more,
    )


def add_kill(site: Site, point: KillPoint) -> Site:
    return site.having(
        KILL_AT=f"{point.command}:{point.when}:{point.number}",
        KILLED=str(site.folder / "killed"),
        PYTHONPATH=os.pathsep.join((str(KILL), str(ROOT))),
    )


@contextmanager
def opening(site: Site) -> Iterator[SqlStore]:
    with closing(open_store(load_server_settings(site.environ), load_service_configuration(site.environ))) as store:
        yield store


def accept_job(site: Site, store: SqlStore) -> Job:
    """Accept a job whose step writes a line into a file each time that it runs."""
    configuration = load_service_configuration(site.environ)
    context = open_context(store, load_server_settings(site.environ), configuration)
    package = load_package(str(PACKAGE), site.settings)
    order = {"ran": str(site.folder / "ran")}
    draft = draft_job(package, order, lambda paths: str(site.results / paths.job_id), configuration.workspace)
    return accept(context, draft, "local", configuration.workspace)


@contextmanager
def working(site: Site) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a worker while the block runs."""
    with (site.folder / "worker.log").open("ab") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "zoo_runner", "worker"], env=site.environ, stdout=log, stderr=log
        )
    try:
        yield worker
    finally:
        worker.terminate()
        worker.wait(END_SECONDS)


def kill_at(point: KillPoint, folder: Path, cache: Path, database: str) -> Finding:
    """Kill at a point and check what came of it; raises `AssertionError` where something does not hold."""
    kill = kill_worker if point.command == "worker" else kill_server
    return kill(build_site(folder, cache, database), point)


def kill_worker(site: Site, point: KillPoint) -> Finding:
    """Kill a worker at a point, have another one go on, and check what came of the job."""
    with opening(site) as store:
        job = accept_job(site, store)
        with working(add_kill(site, point)) as worker:
            wait_for(lambda: worker.poll() is not None or store.jobs.get(job.id).status in FINAL, END_SECONDS)
            # the last statements come after the end
            wait_for(lambda: worker.poll() is not None, END_SECONDS)
        assert worker.returncode == -signal.SIGKILL
        assert wait_until_none_is_left(site.folder)
        with working(site):
            wait_for(lambda: store.jobs.get(job.id).status in FINAL, END_SECONDS)
            wait_for(lambda: store.jobs.find_lease(job.id) is None, END_SECONDS)
        return check(site, store.jobs.get(job.id))


@dataclass(frozen=True)
class Fault:
    """What breaks between a worker and its PostgreSQL: the database is killed, or the network to it cut."""

    name: str
    postgres: PrivatePostgres
    network: Network

    def begin(self) -> None:
        """Break it."""
        if self.name == "killed":
            self.postgres.kill()
        else:
            self.network.cut()

    def end(self) -> None:
        """Have it work again, once somebody has noticed."""
        refused = self.network.refused
        wait_for(lambda: self.network.refused > refused, END_SECONDS)
        if self.name == "killed":
            self.postgres.start()
        else:
            self.network.heal()


FAULTS = ("killed", "cut")
# the claim, the submission, the handle, the run, the outcome, the end
LOST_POINTS = tuple(
    KillPoint("worker", when, number) for number in (4, 10, 15, 18, 38, 43, 45, 46) for when in ("before", "after")
)


def lose_database(fault: Fault, point: KillPoint, folder: Path, cache: Path) -> Finding:
    """Break the way to the database at a point of a worker, have it work again, and check what comes of the job."""
    with use_schema(fault.postgres.url) as url:
        site = build_site(folder, cache, url)
        through = url.replace(f":{fault.postgres.port}/", f":{fault.network.port}/")
        held = add_kill(site.having(ZOO_RUNNER_DATABASE=through, HOLD=str(folder / "go-on")), point)
        with opening(site) as store:
            job = accept_job(site, store)
        with working(held):
            wait_for((folder / "killed").exists, END_SECONDS)
            fault.begin()
            (folder / "go-on").touch()
            fault.end()
            with opening(site) as store:
                wait_for(lambda: store.jobs.get(job.id).status in FINAL, END_SECONDS)
                wait_for(lambda: store.jobs.find_lease(job.id) is None, END_SECONDS)
                return check(site, store.jobs.get(job.id))


def check(site: Site, job: Job) -> Finding:
    """See that a job has ended, ran once at most, and has all of its results or none."""
    ran = site.folder / "ran"
    runs = len(ran.read_text().splitlines()) if ran.exists() else 0
    assert job.outcome
    place = Path(job.destination)
    if job.status is Status.SUCCESSFUL:
        assert runs == 1
        assert job.outcome.results
        assert [path.read_text() for path in place.rglob("out.txt")] == ["once\n"]
        assert Path(unquote(urlsplit(job.outcome.results.collection_href).path)).exists(), job.outcome.results
        outcome = "successful"
    else:
        assert runs <= 1
        assert job.outcome.results is None
        assert job.outcome.diagnosis
        outcome = f"failed, `{job.outcome.diagnosis.code}`"
        assert job.outcome.diagnosis.code == "job.lost"
    return Finding((site.folder / "killed").read_text(), outcome, runs)


def kill_server(site: Site, point: KillPoint) -> Finding:
    """Kill a server at a point of an execute request, start it again, and check what came of the job."""
    with serving(site.having(ZOO_RUNNER_WORKERS="0").environ, site.folder) as server:
        process = server.deploy(PACKAGE)
        server.kill()
        server.environ = add_kill(site.having(ZOO_RUNNER_WORKERS="0"), point).environ
        accepted = _execute(server, process, str(site.folder / "ran"))
        wait_for(lambda: server.process.poll() is not None, END_SECONDS)
        server.environ = site.environ
        server.start()
        with opening(site) as store:
            jobs = store.jobs.find(JobQuery()).jobs
            assert accepted is None or [job.id for job in jobs] == [accepted]
            if not jobs:
                return Finding((site.folder / "killed").read_text(), "refused: the client got no answer", 0)
            assert len(jobs) == 1
            server.wait(jobs[0].id)
            return check(site, store.jobs.get(jobs[0].id))


def _execute(server: Server, process: str, ran: str) -> str | None:
    """Start a server and ask it to execute; the id of the job, None where it was killed before it answered."""
    try:
        server.start()
        return server.execute(process, {"ran": ran})
    except (OSError, AssertionError):
        assert server.process.wait(END_SECONDS) == -signal.SIGKILL
        return None
