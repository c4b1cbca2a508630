"""cwltool's job class for a step in a sandbox."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cwltool.context import RuntimeContext
from cwltool.errors import WorkflowException
from cwltool.job import CommandLineJob, JobBase
from cwltool.loghandler import _logger

from zoo_runner.engines.local.step_resources import read_memory_limit

if TYPE_CHECKING:
    import subprocess


# each is a mount, and the kernel takes ever longer for further ones; bubblewrap takes 9,000 words in all
_MOST_KEPT = 100


@dataclass(frozen=True)
class SandboxedRun:
    """What the sandboxes of one run share: `client`, the words of the program that asks the supervisor for one; the
    scratch folder; the memory of a step that asks for none."""

    client: Sequence[str]
    scratch: Path
    memory_mib: int


def put_into(run: SandboxedRun) -> type[JobBase]:
    """Return a job class whose steps run in a sandbox; they may read the job's folder of inputs."""

    class Sandboxed(CommandLineJob):
        notes: Path

        def prepare_environment(self, runtimeContext: RuntimeContext, envVarReq: Mapping[str, str]) -> None:
            super().prepare_environment(runtimeContext, envVarReq)
            # as in a container: cwltool lets a package set it there, and not on the host
            if path := envVarReq.get("PATH"):
                self.environment["PATH"] = path

        def _setup(self, runtimeContext: RuntimeContext) -> None:
            super()._setup(runtimeContext)
            descriptor, notes = tempfile.mkstemp(dir=run.scratch, prefix="step-")
            os.close(descriptor)
            self.notes = Path(notes)

        def _execute(
            self,
            runtime: list[str],
            env: MutableMapping[str, str],
            runtimeContext: RuntimeContext,
            monitor_function: Callable[["subprocess.Popen[str]"], None] | None = None,
        ) -> None:
            store, variables = runtimeContext.secret_store, dict(env)
            if store is not None:
                variables = {name: str(store.retrieve(value)) for name, value in env.items()}
            _check_variables(self.name, variables)
            memory_mib = read_memory_limit(self) or run.memory_mib
            step = {
                "writable": [self.outdir, self.tmpdir, *_find_updated(self)],
                "readable": [str(run.scratch / "inputs"), self.builder.stagedir, *_find_kept(self)],
                "variables": variables,
                "asks_network": bool(self.networkaccess),
                "memory_mib": memory_mib,
            }
            self.notes.write_text(json.dumps(step))
            # the package's variables are for the step: the program outside of the sandbox must not see them
            super()._execute([*run.client, str(self.notes), *runtime], {}, runtimeContext, monitor_function)
            if json.loads(self.notes.read_bytes()).get("lacked_memory"):
                # the diagnosis finds it by these words
                _logger.error("[job %s] ran out of memory at its limit of %d MiB", self.name, memory_mib)

    return Sandboxed


def _check_variables(step: str, variables: Mapping[str, str]) -> None:
    """Raise `WorkflowException` for what would end a word of the sandbox's options, and begin another one."""
    for name, value in variables.items():
        if "\0" in name + value:
            raise WorkflowException(f"[job {step}] Job error:\nthe variable {name!r} has a null character")


def _find_updated(job: CommandLineJob) -> list[str]:
    """Find the job's own files and folders that the step may update in place."""
    entries = job.generatemapper.items() if job.inplace_update and job.generatemapper else ()
    updated = [entry.resolved for _, entry in entries if entry.type in ("WritableFile", "WritableDirectory")]
    return [path for path in updated if os.path.exists(path)]  # noqa: PTH110 or a literal


def _find_kept(job: CommandLineJob) -> list[str]:
    """Find the inputs in the step's own folder that it may only read: other names of files that others read too.

    Where there are many, each becomes a file of its own, which the step may change.
    """
    entries = job.generatemapper.items() if job.generatemapper else ()
    staged = [entry.target for _, entry in entries if entry.staged and entry.type in ("File", "Directory")]
    kept = [path for path in staged if not Path(path).is_symlink()]
    if len(kept) <= _MOST_KEPT:
        return kept
    for path in map(Path, kept):
        for file in [path] if path.is_file() else _list_files(path):
            _separate(file)
    return []


def _list_files(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names if not Path(place, name).is_symlink())


def _separate(file: Path) -> None:
    """Make a file with several names one with this name alone."""
    if file.stat().st_nlink > 1:
        with tempfile.TemporaryDirectory(dir=file.parent) as folder:
            shutil.copy2(file, copied := Path(folder, "copy"))
            copied.replace(file)
