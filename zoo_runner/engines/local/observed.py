"""cwltool's job classes, extended to report while they run, to get real files, and to enforce limits."""

import os
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cwltool.context import RuntimeContext
from cwltool.errors import WorkflowException
from cwltool.job import CommandLineJob, JobBase

from zoo_runner.engines.cwl_process.container_monitor import Monitor
from zoo_runner.engines.cwl_process.realfiles import RealFiles, StepInputs, describe_changes, list_staged_links
from zoo_runner.engines.cwl_process.step_client import name_notes
from zoo_runner.engines.local.step_resources import read_memory_limit
from zoo_runner.engines.local.watch import Container, Emit, Watch

if TYPE_CHECKING:
    import subprocess


# after `podman run` or `docker run`
_NO_PRIVILEGES = ("--cap-drop=ALL", "--security-opt=no-new-privileges", "--pids-limit=4096", "--pull=never")


@dataclass(frozen=True)
class Reporting:
    """Shared by the jobs of one run.

    `runtime` is podman, docker or None; `limits_memory`: it can limit memory; `has_monitor`: it is podman, and starts
    its monitors here; `keeps_user`: it is podman without root, whose containers need this user in them to read the
    inputs. `isolated`: containers give up all privileges.
    `network`: steps that ask for the network get it.
    """

    emit: Emit
    files: RealFiles
    runtime: str | None
    limits_memory: bool
    has_monitor: bool
    keeps_user: bool
    isolated: bool
    network: bool


def observe(runner: type[JobBase], shared: Reporting) -> type[JobBase]:
    """Return a job class that reports while it runs; cwltool's own monitor, which samples by sleeping, is not used."""

    class Observed(runner):  # type: ignore[misc, valid-type]
        container: Container | None = None
        notes: Path | None = None

        def _setup(self, runtimeContext: RuntimeContext) -> None:
            super()._setup(runtimeContext)
            _confine(self, shared)

        def create_runtime(
            self, env: MutableMapping[str, str], runtimeContext: RuntimeContext
        ) -> tuple[list[str], str | None]:
            context = runtimeContext.copy()
            memory_mib = read_memory_limit(self) if shared.limits_memory else None
            context.strict_memory_limit = memory_mib is not None
            runtime, id_file = super().create_runtime(env, context)
            runtime = limit_container(runtime, memory_mib, shared)
            if id_file is not None:
                self.container = _describe_container(shared, Path(id_file), memory_mib)
                self.notes = name_notes(Path(id_file)) if shared.isolated else None
                if (monitor := self.container.monitor) is not None:
                    runtime[2:2] = monitor.words
                    env.update(monitor.variables)
            return runtime, id_file

        def _execute(
            self,
            runtime: list[str],
            env: MutableMapping[str, str],
            runtimeContext: RuntimeContext,
            monitor_function: Callable[["subprocess.Popen[str]"], None] | None = None,
        ) -> None:
            links = list_staged_links(self) if issubclass(runner, CommandLineJob) else ()
            inputs = shared.files.replace_links(links)
            command = " ".join(str(word) for word in self.command_line)
            watch = Watch(self.name, command, shared.emit, self.container, self.timelimit, self.notes)

            def wait(process: "subprocess.Popen[str]") -> None:
                watch.wait(process)
                _check_unchanged(self.name, inputs)

            context = runtimeContext.copy()
            context.default_stdout = context.default_stderr = watch.writer
            try:
                super()._execute(runtime, env, context, wait)
            finally:
                watch.abandon()

    return Observed


def limit_container(command: list[str], memory_mib: int | None, shared: Reporting) -> list[str]:
    """Limit a container by the words that start it; cwltool uses the minimum of memory as the limit. Pure."""
    program, run, *words = (f"--memory={memory_mib}m" if word.startswith("--memory=") else word for word in command)
    user = ("--userns=keep-id",) if shared.keeps_user else ()
    return [program, run, *(_NO_PRIVILEGES if shared.isolated else ()), *user, *words]


def _check_unchanged(step: str, inputs: StepInputs) -> None:
    if changes := describe_changes(step, inputs):
        raise WorkflowException(changes)


def _confine(job: Any, shared: Reporting) -> None:
    job.networkaccess = job.networkaccess and shared.network
    if job.inplace_update and job.generatemapper is not None:
        _spare_originals(job, shared.files)


def _spare_originals(job: Any, files: RealFiles) -> None:
    """Let a step update the job's copy if the package allows it to update an input in place."""
    for key, entry in list(job.generatemapper.items()):
        if entry.type in ("WritableFile", "WritableDirectory") and os.path.exists(entry.resolved):  # noqa: PTH110 or a literal
            kept = files.keep_copy(Path(entry.resolved))
            job.generatemapper.update(key, str(kept), entry.target, entry.type, entry.staged)


def _describe_container(shared: Reporting, id_file: Path, memory_mib: int | None) -> Container:
    # isolated, the supervisor starts it
    has_monitor = shared.has_monitor and not shared.isolated
    monitor = Monitor(id_file.parent.parent / "monitors" / id_file.name) if has_monitor else None
    return Container(shared.runtime or "docker", id_file, monitor, memory_mib)
