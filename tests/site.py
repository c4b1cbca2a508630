"""An installation of the runner in a folder of its own, as a test uses it: in this process or as a command."""

import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.values import ROOT
from zoo_runner.config.configuration import Configuration, load_configuration
from zoo_runner.config.service import load_service_configuration
from zoo_runner.config.settings import Settings
from zoo_runner.engines import open_engine
from zoo_runner.engines.cwl_process.processes import descendants
from zoo_runner.engines.protocol import Engine, Handle, JobSpec
from zoo_runner.execution.accept import accept, draft_job, find_secret_values
from zoo_runner.execution.context import open_context
from zoo_runner.execution.execute import execute
from zoo_runner.inputs.job_file import read_order
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.events import EngineLine, Event, Report
from zoo_runner.model.job import Job, Outcome
from zoo_runner.model.workspace import Workspace
from zoo_runner.package.loading import load_package
from zoo_runner.store.files import FileStore

LONGEST_SECONDS = 120
# what tests that run in the background ignore, and so what they start, the command hears as in a terminal
_HEAR = "import signal as s; s.signal(s.SIGINT, s.default_int_handler); s.signal(s.SIGHUP, s.SIG_DFL); "
COMMAND = [sys.executable, "-c", f"{_HEAR}from zoo_runner.cli.main import main; main()"]


@dataclass
class Story:
    """What a job did: how it ended, and all that it reported."""

    job: JobSpec
    outcome: Outcome
    events: list[Event]

    @property
    def engine_errors(self) -> list[str]:
        """What the engine complained of at level error."""
        return [e.text for e in self.events if isinstance(e, EngineLine) and e.severity == "error"]

    @property
    def log(self) -> str:
        """The job log."""
        return self.job.paths.job_log.read_text()


@dataclass(frozen=True)
class Site:
    """Folders and environment of one installation; `more` is added to its environment.

    `is_service`: it is read as a service is, whose packages and callers are not trusted.
    """

    folder: Path
    cache: Path
    more: Mapping[str, str] = field(default_factory=dict)
    is_service: bool = False

    @property
    def environ(self) -> dict[str, str]:
        """What a command of this installation finds in its environment."""
        return {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.defpath]),
            "HOME": str(self.folder / "home"),
            "PYTHONPATH": str(ROOT),
            "ZOO_RUNNER_TEMP": str(self.folder / "temp"),
            "ZOO_RUNNER_STATE": str(self.folder / "state"),
            "ZOO_RUNNER_SCRATCH": str(self.folder / "scratch"),
            "ZOO_RUNNER_CACHE": str(self.cache),
            "ZOO_RUNNER_CONTAINERS": "none",
            # services are isolated by default, and these tests need steps without a container
            "ZOO_RUNNER_ISOLATION": "trusted",
            "STAGEIN_RETRIES": "1",
            "STAGEIN_FIRST_WAIT_SECONDS": "0.01",
            **self.more,
        }

    def having(self, **more: str) -> "Site":
        """The same installation with more in its environment."""
        return replace(self, more={**self.more, **more})

    @property
    def configuration(self) -> Configuration:
        """What an adapter of this installation reads."""
        return (load_service_configuration if self.is_service else load_configuration)(self.environ)

    @property
    def settings(self) -> Settings:
        """The settings of this installation."""
        return self.configuration.settings

    @property
    def workspace(self) -> Workspace:
        """The workspace of this installation."""
        return self.configuration.workspace

    @property
    def state(self) -> Path:
        """The private folder of job records."""
        return self.folder / "state"

    @property
    def temp(self) -> Path:
        """The public folder of logs."""
        return self.folder / "temp"

    @property
    def results(self) -> Path:
        """Where results go when a test does not say."""
        return self.folder / "results"

    def accept(self, package: Path | str, job_file: Path | None = None, *words: str, **options: Any) -> JobSpec:
        """Make a job, as every adapter does."""
        settings = self.settings
        loaded = load_package(str(package), settings)
        order = read_order(loaded, str(job_file) if job_file else None, words, settings)
        destination = options.get("destination", str(self.results))
        return draft_job(order.package, order.values, lambda _: destination, self.workspace, options.get("job_id"))

    def run(
        self,
        job: JobSpec,
        engine: Engine | None = None,
        cancellation: Cancellation | None = None,
        on: Callable[[Event], None] = lambda _: None,
    ) -> Story:
        """Run a job to its end in this process."""
        events: list[Event] = []

        def report(event: Event) -> None:
            events.append(event)
            on(event)

        configuration = self.configuration
        engine = engine or open_engine(configuration.settings.engine, configuration)
        return Story(job, run_draft(job, engine, configuration, report, cancellation), events)

    def load_job(self, job_id: str) -> Job:
        """The job, as it is stored."""
        return FileStore(self.state).get(job_id)

    def command(
        self, *words: str | Path, cwd: Path | None = None, timeout: float = LONGEST_SECONDS, given: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        """Run the command line to its end, with `given` as its standard input."""
        return subprocess.run(
            [*COMMAND, *map(str, words)],
            env=self.environ,
            cwd=cwd or self.folder,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            input=given,
        )

    @contextmanager
    def started(self, *words: str | Path) -> Iterator["subprocess.Popen[str]"]:
        """Start the command line; it is killed at the end of the block where it still runs."""
        with subprocess.Popen(
            [*COMMAND, *map(str, words)],
            env=self.environ,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        ) as process:
            guard = threading.Timer(LONGEST_SECONDS, process.kill)
            guard.start()
            try:
                yield process
            finally:
                guard.cancel()
                process.kill()


def run_draft(
    draft: JobSpec,
    engine: Engine,
    configuration: Configuration,
    report: Report = lambda _: None,
    cancellation: Cancellation | None = None,
) -> Outcome:
    """Accept a job and execute it, as the command line does."""
    context = open_context(configuration, engine)
    job = accept(context, draft, engine.name, configuration.workspace, leased=True)
    return execute(context, job.id, report, cancellation, find_secret_values(draft, configuration.workspace))


def load_handle(site: Site, job_id: str) -> Handle:
    """The handle of a job, as it is stored."""
    stored = site.load_job(job_id).handle
    assert stored, "the job was not submitted yet"
    return Handle(**stored)


class Watched:
    """A process of somebody else, watched by handle, so that its number cannot come to mean another."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._handle = os.pidfd_open(pid)

    def ends(self, seconds: float = LONGEST_SECONDS) -> bool:
        """Whether it ends within so many seconds."""
        return bool(select.select([self._handle], [], [], seconds)[0])

    def close(self) -> None:
        """Let go of it."""
        os.close(self._handle)


@contextmanager
def watching(*pids: int) -> Iterator[list[Watched]]:
    """Watch processes while the block runs; one that has ended already is not among them."""
    watched = []
    for pid in pids:
        with suppress(ProcessLookupError):
            watched.append(Watched(pid))
    try:
        yield watched
    finally:
        for process in watched:
            process.close()


class Pipe:
    """A named pipe between a test and a tool that it runs."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        # opened both ways, so that neither side waits for the other
        self._handle = os.open(path, os.O_RDWR)

    def read(self, seconds: float = LONGEST_SECONDS) -> str:
        """What the tool says, once it does."""
        if not select.select([self._handle], [], [], seconds)[0]:
            raise TimeoutError(f"nobody wrote into {self.path}")
        return os.read(self._handle, 4096).decode()

    def release(self) -> None:
        """Let a tool go on that reads a line, or will: the line waits for it as long as this end is open."""
        os.write(self._handle, b"go\n")

    def close(self) -> None:
        """Let go of it."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def processes_of(folder: Path) -> list[int]:
    """Processes that have to do with a folder: by their words, their environment, or where they are."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            texts = [(process / name).read_bytes() for name in ("cmdline", "environ")]
            place = str((process / "cwd").readlink())
        except OSError:
            continue
        if any(str(folder).encode() in text for text in (*texts, place.encode())):
            found.append(int(process.name))
    return [pid for pid in found if pid != os.getpid()]


def find_supervisors(pid: int) -> list[int]:
    """The supervisors below a process that runs jobs."""
    return [one for one in descendants(pid) if b"supervisor.py" in Path(f"/proc/{one}/cmdline").read_bytes()]


def wait_until_none_is_left(folder: Path) -> bool:
    """Whether all processes of a folder end, each within a time."""
    while pids := processes_of(folder):
        with watching(pids[0]) as watched:
            if not all(one.ends() for one in watched):
                return False
    return True
