"""Lists the jobs of a bucket again in a database that has lost them, with their results, logs and packages.

A bucket is hostile input: members of a workspace may be able to write to its part of it. So a record is taken only at
the place where this installation stores the results of that workspace and job, a package only as one that a client
deploys, and nothing of a record decides about permissions, or about paths of this machine.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path
from threading import Lock
from urllib.parse import quote

from zoo_runner.access_documents import WORKSPACE
from zoo_runner.config.configuration import Configuration
from zoo_runner.config.folders import JobPaths
from zoo_runner.config.server import ServerSettings
from zoo_runner.execution.job_record import MOST_PACKAGE_BYTES, MOST_RECORD_BYTES, PACKAGE, RECORD
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import (
    EngineError,
    InputError,
    JobNotFoundError,
    PackageError,
    ProcessExistsError,
    ProcessNotFoundError,
    RunnerError,
    SettingsError,
)
from zoo_runner.model.job import Job
from zoo_runner.model.package import NO_PACKAGE, Package
from zoo_runner.package.prepare import prepare_upload
from zoo_runner.package.resolver import WarmResolver
from zoo_runner.package.validate import ensure_names
from zoo_runner.server.installation import build_destination, find_configuration, find_profile
from zoo_runner.server.processes import build_process, ensure_names_no_workspace
from zoo_runner.server.recovery.bucket import Bucket, Found, UnsortedError
from zoo_runner.server.recovery.records import INVALID, RecordError, is_job_id, parse_package, parse_record
from zoo_runner.server.recovery.report import Finding, Report
from zoo_runner.store.sql import SqlStore
from zoo_staging.destination import is_object_storage, read_scheme
from zoo_staging.errors import Kind, Side, StagingError, about
from zoo_staging.object_store import split_url

_AT_ONCE = 8
_MOST_KEPT, _MOST_PROCESSES = 32, 10_000
_PACKAGE_NAME = "package.cwl"
_LOG = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,240}\.log")
_OF_ONE_OBJECT = (Kind.NOT_FOUND, Kind.SIZE, Kind.CONTENT)
_ELSEWHERE, _CONFLICT, _PACKAGE, _LOGS = "recover.elsewhere", "recover.conflict", "recover.package", "recover.logs"
_REMEDIES = {
    INVALID: "Find out who has written it. If it was this installation, restore the object from an older version.",
    "recover.newer": "Upgrade this installation, and run the command again.",
    _ELSEWHERE: "Set STAGEOUT_OUTPUT or the profile of its workspace as it was, or name the workspace: --workspace.",
    _CONFLICT: "Find out who has written it: the id of a job is given once.",
    _PACKAGE: "The job cannot be repeated; deploy its package anew.",
    _LOGS: "The job is listed without it; it may lie in the bucket.",
}


@dataclass(frozen=True)
class Wanted:
    """What to recover: jobs of all workspaces, or all that is found as jobs of `workspace`; `dry`: nothing is written.

    Without `logs`, these stay in the bucket. With `processes`, the package of the newest job of each is deployed again,
    where nothing has that id.
    """

    address: str
    workspace: str | None = None
    dry: bool = False
    logs: bool = True
    processes: bool = False


@dataclass(frozen=True)
class _Placed:
    """A job where it belongs in this installation."""

    job: Job
    paths: JobPaths
    configuration: Configuration


def recover_jobs(store: SqlStore, settings: ServerSettings, configuration: Configuration, wanted: Wanted) -> Report:
    """List jobs of a bucket again; those that are listed stay as they are, so that it can be repeated.

    Servers and workers may run meanwhile. Raises `SettingsError` for an address or a workspace that cannot be, and
    `EngineError` where the bucket or the database does not answer.
    """
    if wanted.workspace is not None and not _is_workspace(wanted.workspace, configuration):
        raise SettingsError(
            f"{wanted.workspace!r} cannot be a workspace",
            "Use lower-case letters, digits and '-', at most 63.",
            code="settings.invalid",
            level=Level.USER,
        )
    try:
        bucket = _open_bucket(wanted.address, configuration)
        with about(Side.DESTINATION), closing(WarmResolver()) as resolver:
            recovery = _Recovery(store, settings, configuration, wanted, bucket, resolver)
            asyncio.run(recovery.run())
            if wanted.processes:
                recovery.deploy_processes()
            return recovery.report
    except StagingError as error:
        raise EngineError(f"cannot read the bucket: {error}", error.remedy, code=error.code) from error


def _open_bucket(address: str, configuration: Configuration) -> Bucket:
    try:
        read_scheme(address)
        if is_object_storage(address):
            return Bucket.open(address, configuration.workspace.storage)
        reason = "it is not in object storage"
    except StagingError as error:
        reason = error.reason
    raise SettingsError(
        f"cannot recover jobs from {address!r}: {reason}",
        "Give the address of the results, as in STAGEOUT_OUTPUT: s3://<bucket>/<prefix> (also gs: and az:).",
        code="recover.address",
        level=Level.USER,
    )


def _is_workspace(name: str, configuration: Configuration) -> bool:
    return name == configuration.workspace.name or bool(WORKSPACE.fullmatch(name))


class _Recovery:
    """One run over a bucket; in the event loop, but for what is stored and resolved."""

    def __init__(
        self,
        store: SqlStore,
        settings: ServerSettings,
        configuration: Configuration,
        wanted: Wanted,
        bucket: Bucket,
        resolver: WarmResolver,
    ) -> None:
        self._store, self._settings, self._configuration = store, settings, configuration
        self._wanted, self._bucket = wanted, bucket
        self._packages = _Packages(resolver)
        self._find_configuration = lru_cache(_MOST_KEPT)(partial(find_configuration, settings, configuration))
        # the time of the newest job of each process, its package, and the folder of its record
        self._newest: dict[tuple[str, str], tuple[str, str, Found]] = {}
        self.report = Report(wanted.address, wanted.dry)

    async def run(self) -> None:
        """Recover all jobs, some at once; raises `StagingError` and `RunnerError` for what concerns all of them."""
        try:
            await self._run(self._bucket.find())
        except UnsortedError:
            # rare: what lies beside each record is asked for, and what is listed by now is no news
            recovered = self.report.begin_again()
            await self._run(self._bucket.find(sorted_=False))
            self.report.known -= recovered

    async def _run(self, records: AsyncIterator[Found]) -> None:
        running: set[asyncio.Task[None]] = set()
        try:
            async for found in records:
                if len(running) >= _AT_ONCE:
                    done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        task.result()
                running.add(asyncio.create_task(self._recover(found)))
            await asyncio.gather(*running)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _recover(self, found: Found) -> None:
        self.report.found += 1
        try:
            known = await asyncio.to_thread(self._find_own, found)
            await (self._complete(found, known) if known else self._list_again(found, await self._read(found)))
        except RecordError as error:
            self._note(found, error.code, str(error))
        except StagingError as error:
            if error.kind not in _OF_ONE_OBJECT:
                raise
            self._note(found, INVALID, error.reason)

    async def _complete(self, found: Found, known: Job) -> None:
        """Fetch the logs that are missing of a job that is listed; its record says nothing new."""
        self.report.known += 1
        if self._wanted.dry:
            return
        configuration = self._find_configuration(known.workspace)
        paths = JobPaths.build(configuration.workspace.folders, known.process_id, known.id)
        if self._wanted.logs:
            await self._fetch_logs(found, _Placed(known, paths, configuration))
        self._remember(found, known)

    async def _list_again(self, found: Found, placed: _Placed) -> None:
        """Fetch the logs of a job and list it, unless it is listed; then only logs that are missing are fetched."""
        job, known = placed.job, await asyncio.to_thread(self._find_known, placed.job)
        if known:
            self.report.known += 1
        elif self._wanted.dry:
            self.report.count(job.workspace)
        if self._wanted.dry:
            return
        if self._wanted.logs:
            await self._fetch_logs(found, placed)
        if known is None:
            package = await self._read_package(found, placed)
            await asyncio.to_thread(self._keep, job, package)
        self._remember(found, known or replace(job, package=package.digest))

    def _note(self, found: Found, code: str, message: str, name: str = RECORD, severity: str = "error") -> None:
        place = self._bucket.describe(f"{found.folder}/{name}")
        self.report.add(Finding(code, severity, place, message, _REMEDIES[code]))

    async def _read(self, found: Found) -> _Placed:
        """Read the record of a job, and give it its place here; raises `RecordError`, `StagingError`."""
        body = await self._bucket.read(f"{found.folder}/{RECORD}", MOST_RECORD_BYTES)
        return await asyncio.to_thread(self._place, parse_record(body, found.job_id), found)

    def _place(self, job: Job, found: Found) -> _Placed:
        name = self._wanted.workspace or job.workspace
        if not _is_workspace(name, self._configuration):
            raise RecordError(f"{name[:100]!r} cannot be a workspace")
        configuration = self._find_configuration(name)
        workspace, here = configuration.workspace, (self._bucket.scheme, self._bucket.name, found.place)
        destination = build_destination(self._settings, workspace, job.id)
        if not is_object_storage(destination) or split_url(destination) != here:
            if self._wanted.workspace is None:
                message = f"results of job {job.id} of workspace {name} are stored at {destination}, not here"
                raise RecordError(message, _ELSEWHERE)
            destination = f"{self._bucket.scheme}://{self._bucket.name}/{quote(found.place)}".rstrip("/")
        paths = JobPaths.build(workspace.folders, job.process_id, job.id)
        readers = (workspace.storage.public_url or f"{self._bucket.scheme}://{self._bucket.name}").rstrip("/")
        outcome = replace(job.outcome, published=f"{readers}/{quote(found.folder)}") if job.outcome else None
        if outcome and outcome.diagnosis:
            outcome = replace(outcome, diagnosis=replace(outcome.diagnosis, log=str(paths.job_log)))
        roots = workspace.storage.allowed_roots
        placed = replace(
            job,
            workspace=name,
            destination=destination,
            log=str(paths.job_log),
            log_folder=str(paths.log_folder),
            allowed_roots=None if roots is None else tuple(map(str, roots)),
            public_url=workspace.storage.public_url,
            priority=find_profile(self._settings, name).priority,
            outcome=outcome,
            deployed_in=None if job.deployed_in == name else job.deployed_in,
        )
        return _Placed(placed, paths, configuration)

    def _find_own(self, found: Found) -> Job | None:
        """Return the job whose results are stored where a record lies, if it is listed: it need not be read again."""
        if not is_job_id(found.job_id):
            return None
        try:
            known = self._store.jobs.get(found.job_id)
        except JobNotFoundError:
            return None
        here = (self._bucket.scheme, self._bucket.name, found.place)
        is_own = is_object_storage(known.destination) and split_url(known.destination) == here
        return known if is_own and self._wanted.workspace in (None, known.workspace) else None

    def _find_known(self, job: Job) -> Job | None:
        try:
            known = self._store.jobs.get(job.id)
        except JobNotFoundError:
            return None
        if known.workspace != job.workspace:
            raise RecordError(f"job {job.id} is listed in another workspace than {job.workspace}", _CONFLICT)
        return known

    def _keep(self, job: Job, package: Package) -> None:
        if self._store.jobs.keep_ended(replace(job, package=package.digest), package):
            self.report.count(job.workspace)
        elif self._find_known(job):
            self.report.known += 1

    def _remember(self, found: Found, job: Job) -> None:
        """Remember the newest job of a process that is deployed in the workspace of its jobs."""
        key = job.workspace, job.process_id
        if job.package == NO_PACKAGE.digest or job.deployed_in is not None:
            return
        if key in self._newest or len(self._newest) < _MOST_PROCESSES:
            newest = job.created, job.package, found
            self._newest[key] = max(self._newest.get(key, newest), newest, key=lambda one: one[0])

    def deploy_processes(self) -> None:
        """Deploy what the jobs ran, where nothing has that id; raises `EngineError`."""
        for (workspace, process_id), (_, digest, found) in sorted(self._newest.items(), key=lambda one: one[0]):
            processes = self._store.processes
            try:
                processes.get_number(workspace, process_id)
                continue
            except ProcessNotFoundError:
                pass
            try:
                package = self._store.jobs.load_package(digest)
                ensure_names(package)
                ensure_names_no_workspace(package)
                processes.deploy(build_process(process_id, package, {}, workspace, None), package)
                self.report.processes += 1
            except (PackageError, InputError, JobNotFoundError, ProcessExistsError) as error:
                self._note(found, _PACKAGE, error.diagnosis.cause, PACKAGE, "warning")

    async def _fetch_logs(self, found: Found, placed: _Placed) -> None:
        """Put the logs where they were; those that are there stay. What cannot be fetched is a warning."""
        most = placed.configuration.workspace.limits.log_bytes
        # a log is a little longer than what it keeps of a step
        most += most // 4 + (1 << 20)
        name = ""
        try:
            for name in sorted(await self._bucket.list_beside(found)):
                if target := _find_target(placed.paths, name):
                    await self._fetch_log(found, name, target, most)
        except OSError as error:
            raise EngineError(
                f"cannot write the log {name} of job {placed.job.id}: {error.strerror or error}",
                "Check the folder of ZOO_RUNNER_TEMP: its permissions, and the space on its disk.",
                code="disk.failed",
            ) from error

    async def _fetch_log(self, found: Found, name: str, target: Path, most: int) -> None:
        try:
            fetched = await self._bucket.fetch(f"{found.folder}/{name}", target, most)
        except StagingError as error:
            if error.kind not in _OF_ONE_OBJECT:
                raise
            self._note(found, _LOGS, error.reason, name, "warning")
        else:
            self.report.logs += fetched

    async def _read_package(self, found: Found, placed: _Placed) -> Package:
        """Return the package beside a record, as if it were deployed now; `NO_PACKAGE` where there is none."""
        try:
            body = await self._bucket.read(f"{found.folder}/{PACKAGE}", MOST_PACKAGE_BYTES)
            return await asyncio.to_thread(self._packages.find, body, placed.configuration)
        except StagingError as error:
            if error.kind is Kind.NOT_FOUND:
                return NO_PACKAGE
            if error.kind not in _OF_ONE_OBJECT:
                raise
            reason = error.reason
        except RecordError as error:
            reason = str(error)
        except RunnerError as error:
            reason = error.diagnosis.cause
        self._note(found, _PACKAGE, reason, PACKAGE, "warning")
        return NO_PACKAGE


def _find_target(paths: JobPaths, name: str) -> Path | None:
    """Return where a log belongs by its name in the bucket; None for what is no log."""
    if name == paths.usage.name:
        return paths.usage
    if not _LOG.fullmatch(name) or ".." in name:
        return None
    return paths.job_log if name == "job.log" else paths.log_folder / name


class _Packages:
    """The packages that were read last: jobs of one process have the same one."""

    def __init__(self, resolver: WarmResolver) -> None:
        self._resolver, self._lock = resolver, Lock()
        self._known: OrderedDict[tuple[str, str], Package] = OrderedDict()

    def find(self, body: bytes, configuration: Configuration) -> Package:
        """Return a package after the checks of a deployment; raises `RecordError`, `RunnerError`."""
        key = (sha256(body).hexdigest(), configuration.workspace.name)
        with self._lock:
            package = self._known.get(key)
            if package is None:
                package = self._known[key] = self._resolve(body, configuration)
            self._known.move_to_end(key)
            if len(self._known) > _MOST_KEPT:
                self._known.popitem(last=False)
        return package

    def _resolve(self, body: bytes, configuration: Configuration) -> Package:
        published = parse_package(body)
        files: Mapping[str, str] = {_PACKAGE_NAME: published.text}
        entry, settings = published.entry.lstrip("#"), configuration.settings
        package = prepare_upload(files, _PACKAGE_NAME, entry, settings, self._resolver)
        return replace(package, workflow_id=published.workflow_id, types={**package.types, **published.types})
