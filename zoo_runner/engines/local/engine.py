"""The local engine: cwltool on this machine, in containers where podman or docker answers."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import Any

from zoo_runner.config.configuration import Configuration
from zoo_runner.config.interpreter import find_python
from zoo_runner.config.settings import Settings
from zoo_runner.engines.background import fail, run_in_background
from zoo_runner.engines.cwl_process.links import list_places
from zoo_runner.engines.cwl_process.resources import (
    Machine,
    ensure_resources,
    find_needs,
    grant_by_settings,
    limit_machine,
    read_machine,
)
from zoo_runner.engines.cwl_process.scratch_folder import remove_scratch
from zoo_runner.engines.hidden import hide_process
from zoo_runner.engines.local.ahead import take_launcher
from zoo_runner.engines.local.containers import (
    CONTAINER_IDS,
    ContainerNeeds,
    Puller,
    choose_runtime,
    ensure_images,
    find_container_needs,
    find_missing_images,
    find_runtime,
    remove_containers_of,
)
from zoo_runner.engines.local.control import Control, has_listener, send_cancel
from zoo_runner.engines.local.given import PrivateFolders
from zoo_runner.engines.local.kept import forget_kept, keep_outputs, read_kept, remove_rest, reserve_room
from zoo_runner.engines.local.machine import examine_machine, find_folders
from zoo_runner.engines.local.places import StepPlace, find_trusted, find_unnamed, list_names, place_steps
from zoo_runner.engines.local.registries import Registries
from zoo_runner.engines.local.run import PreparedJob, Run, find_package_files
from zoo_runner.engines.local.sandbox import Sandbox, find_sandbox
from zoo_runner.engines.pipeline import (
    Staged,
    build_not_continuable,
    build_nothing_kept,
    check_destination,
    leaves_results,
    run_stage_out,
    run_stages,
)
from zoo_runner.engines.protocol import Capabilities, Check, Handle, JobSpec, Leftover, Plan
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError, NotReachedError, RunnerError, SettingsError
from zoo_runner.model.events import EngineLine, Report
from zoo_runner.model.job import Results
from zoo_runner.model.masking import Masker
from zoo_runner.model.needs import Needs
from zoo_runner.model.package import Package
from zoo_runner.removal import remove_tree


class LocalEngine:
    """Runs a job as children of this process; when the process dies, in whatever way, they die with it.

    `submit` checks and prepares; only this process knows the job, so that no other can follow it.
    """

    name = "local"
    capabilities = Capabilities(remote=False, isolates=False)

    def __init__(self, configuration: Configuration) -> None:
        self._settings, self._workspace = configuration.settings, configuration.workspace
        self._submitted: dict[str, PreparedJob] = {}

    def plan(self, job: JobSpec) -> Plan:
        """Return what will be run, and where; pure.

        Raises `EngineError` for a step that has no place, `InputError` for an input that no isolated step may see.
        """
        places = place_steps(job.package, self._settings)
        self._ensure_apart(job, os.path.normpath)
        needs = find_container_needs(places)
        return Plan(
            job,
            Handle(self.name, job.id, {"scratch": str(job.paths.scratch)}),
            {
                "tool": "cwltool",
                "containers": self._settings.containers if needs.images else "none needed",
                "images": list(needs.images),
                "isolation": self._settings.isolation,
                "steps": [place.describe() for place in places],
                "scratch": str(job.paths.scratch),
                "package": dict(job.package.document),
            },
            {"ZOO_RUNNER_ISOLATION": self._settings.isolation, "ZOO_RUNNER_CONTAINERS": self._settings.containers},
        )

    def measure(self, package: Package) -> Needs:
        """Return what cwltool may start at once: within the quota, whichever machine that is on; else on this one."""
        quota = self._workspace.quota
        machine = grant_by_settings(read_machine(self._workspace.folders.scratch), self._settings)
        cores = machine.cores if quota.cores is None else quota.cores
        memory_mib = machine.memory_mib if quota.memory_mib is None else quota.memory_mib
        return find_needs(package).capped(cores, memory_mib)

    def _read_machine(self, scratch: Path) -> Machine:
        """Measure what a job may take of this machine, by the quota of its workspace."""
        quota = self._workspace.quota
        return limit_machine(read_machine(scratch), quota.cores, quota.memory_mib)

    def _grant(self, machine: Machine) -> Machine:
        """Return what steps may ask for together: by the settings, and no more than the quota of the workspace."""
        quota = self._workspace.quota
        return limit_machine(grant_by_settings(machine, self._settings), quota.cores, quota.memory_mib)

    def submit(self, plan: Plan, report: Report, cancellation: Cancellation) -> None:
        """Check that this machine can run the job, pull its images, and create its scratch folder."""
        job, scratch = plan.job, plan.job.paths.scratch
        cancellation.check()
        self._ensure_apart(job, os.path.realpath)
        hide_process()
        if job.id in self._submitted:
            return
        _make_scratch(scratch)
        if self._workspace.keeps_results:
            reserve_room(scratch)
        control = Control(scratch)
        try:
            with control.listening(cancellation):
                self._submitted[job.id] = self._prepare(job, control, report, cancellation)
        except BaseException:
            control.close()
            remove_scratch(scratch)
            raise

    def follow(self, handle: Handle, report: Report, cancellation: Cancellation) -> Future[Results]:
        """Run the job in a thread of this process."""
        submitted = self._submitted.pop(handle.job_id, None)
        if submitted is None:
            return fail(self._explain_missing(handle))
        return run_in_background(f"job-{handle.job_id}", lambda: self._run(submitted, report, cancellation))

    def cancel(self, handle: Handle) -> None:
        """Ask the process that runs the job to stop it."""
        send_cancel(Path(handle.data["scratch"]))

    def remove(self, handle: Handle) -> None:
        """Remove the scratch folder, unless a living process still runs the job there."""
        scratch = Path(handle.data["scratch"])
        if (submitted := self._submitted.pop(handle.job_id, None)) is not None:
            submitted.control.close()
        if has_listener(scratch):
            return
        if read_kept(scratch) is None:
            remove_scratch(scratch)
        else:
            remove_rest(scratch, _remove)

    def publish(self, handle: Handle, job: JobSpec, report: Report, cancellation: Cancellation) -> Results:
        """Store the outputs in the scratch folder as results."""
        scratch = Path(handle.data["scratch"])
        outputs = read_kept(scratch)
        if outputs is None:
            raise build_nothing_kept(handle)
        return run_stage_out(job, self._workspace.storage, outputs, report, cancellation)

    def forget(self, handle: Handle) -> None:
        """Let go of the outputs in the scratch folder: `remove` then removes them too."""
        forget_kept(Path(handle.data["scratch"]))

    def ensure_continuable(self, handle: Handle) -> None:
        """Refuse: nothing of the steps of a job that failed is kept."""
        raise build_not_continuable(handle, f"the engine {self.name} keeps nothing of the steps of a job")

    def check(self, destination: str | None, package: Package | None = None) -> Iterator[Check]:
        """Check this machine, and the results store."""
        yield from examine_machine(self._settings, self._workspace, destination)

    def examine(self, package: Package) -> Iterator[RunnerError]:
        """Find what this machine has too little of, that it has no container engine, and missing images."""
        try:
            machine = self._read_machine(self._workspace.folders.scratch)
            ensure_resources(package, self._grant(machine))
            needs = find_container_needs(place_steps(package, self._settings))
            isolated = self._settings.isolation == "isolated"
            runtime = choose_runtime(needs, self._settings.containers, isolated=isolated)
        except RunnerError as error:
            yield error
            return
        if runtime:
            yield from find_missing_images(self._build_puller(runtime), needs.images)

    def find_leftovers(self, running: Collection[str]) -> list[Leftover]:
        """Find scratch folders of jobs that do not run."""
        return find_folders(self._workspace.folders.scratch, running)

    def remove_leftovers(self, leftovers: Iterable[Leftover]) -> None:
        """Remove scratch folders."""
        for left in leftovers:
            remove_scratch(Path(left.name))

    def _prepare(self, job: JobSpec, control: Control, report: Report, cancellation: Cancellation) -> PreparedJob:
        """Find out before anything runs whether this machine can run the package; raises `EngineError`."""
        machine = self._read_machine(job.paths.scratch)
        granted = self._grant(machine)
        ensure_resources(job.package, granted)
        places = place_steps(job.package, self._settings)
        needs = find_container_needs(places)
        isolated = self._settings.isolation == "isolated"
        runtime = choose_runtime(needs, self._settings.containers, isolated=isolated)
        if unnamed := find_unnamed(places):
            report(EngineLine("info", _build_default_note(unnamed, self._settings)))
        if runtime:
            ensure_images(self._build_puller(runtime), needs.images, report, cancellation)
        if trusted := find_trusted(places, runtime):
            report(EngineLine("warning", _build_trust_note(trusted, needs, self._settings)))
        check_destination(job, self._workspace.storage)
        files = find_package_files(job.package, self._workspace.storage.allowed_roots)
        return PreparedJob(job, runtime, machine, control, files, self._open_sandbox(places), granted)

    def _build_puller(self, runtime: str) -> Puller:
        """Build what pulls images, with the credentials of the workspace in a folder that no job sees."""
        folders = self._workspace.folders
        registries = Registries(self._workspace.pull_credentials, folders.state, folders.private_images)
        return Puller(runtime, self._settings, registries)

    def _ensure_apart(self, job: JobSpec, follow: Callable[[str], str]) -> None:
        """Refuse, isolated, inputs that have folders of this installation in them; raises `InputError`."""
        if self._settings.isolation == "isolated":
            private = self._find_private(follow, self._workspace.storage.allowed_roots)
            private.ensure_apart(list_places(job.order), job.place)

    def _find_private(self, follow: Callable[[str], str], roots: tuple[Path, ...] | None = None) -> PrivateFolders:
        return PrivateFolders(self._workspace.folders, self._settings.cache, roots, follow)

    def _open_sandbox(self, places: Iterable[StepPlace]) -> Sandbox | None:
        if all(place.kind != "sandbox" for place in places):
            return None
        settings = self._settings
        path = settings.inherited.get("PATH", os.defpath)
        network = settings.sandbox_network == "asked"
        return find_sandbox(settings.sandbox_folders, network, path)

    def _run(self, submitted: PreparedJob, report: Report, cancellation: Cancellation) -> Results:
        # it loads while stage-in works
        launcher = take_launcher(find_python(self._settings))
        with closing(submitted.control) as control, control.listening(cancellation), launcher:
            private = self._find_private(os.path.realpath)
            run, job = Run(submitted, self._settings, private, launcher, report, cancellation), submitted.job
            outputs: dict[str, Any] = {}

            def execute(staged: Staged) -> dict[str, Any]:
                outputs.update(run.execute(staged))
                return outputs

            try:
                return run_stages(job, self._workspace.storage, execute, report, cancellation)
            except RunnerError as error:
                if not (self._workspace.keeps_results and leaves_results(error)):
                    raise
                raise keep_outputs(job.paths.scratch, job.id, outputs, Masker(job.secrets), error) from error

    def _explain_missing(self, handle: Handle) -> EngineError:
        """Say why this process cannot follow a job: another one runs it, or ran it and is gone."""
        scratch = Path(handle.data["scratch"])
        if has_listener(scratch):
            return NotReachedError(
                f"job {handle.job_id} is still run by another process",
                f"Follow its log with `zoo-runner logs -f {handle.job_id}`, or stop it with `zoo-runner cancel`.",
                level=Level.USER,
            )
        if runtime := find_runtime(self._settings.containers):
            remove_containers_of(handle.job_id, scratch, runtime, self._settings)
        return EngineError(
            f"job {handle.job_id} was lost: the process that ran it has ended",
            "Run it again: a local job ends with the process that runs it.",
            code="job.lost",
        )


def _build_trust_note(steps: list[str], needs: ContainerNeeds, settings: Settings) -> str:
    why = "they name no container"
    if settings.containers == "none":
        why = "containers are switched off"
    elif needs.hinted:
        why = "neither podman nor docker answers"
    return (
        f"{why}: these steps run with the permissions and the files of this user, which is for packages that you trust"
        f" (--isolation): {list_names(steps)}"
    )


def _build_default_note(steps: list[str], settings: Settings) -> str:
    names = "step {} names no image: it runs" if len(steps) == 1 else "steps {} name no image: they run"
    return f"{names.format(list_names(steps))} in {settings.default_image} (ZOO_RUNNER_DEFAULT_IMAGE)"


def _make_scratch(scratch: Path) -> None:
    try:
        # of an earlier attempt, which ended before its handle was stored
        if scratch.exists() and not has_listener(scratch):
            remove_scratch(scratch)
        for name in (".", "inputs", "tmp", "out", "outputs", CONTAINER_IDS, "monitors"):
            (scratch / name).mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise SettingsError(
            f"cannot create the folder for the data of the job, {scratch}: {error.strerror}",
            "Point ZOO_RUNNER_SCRATCH to a folder that this user may write to, on a disk with free space.",
            code="settings.not-writable",
        ) from error


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
    else:
        path.unlink(missing_ok=True)
