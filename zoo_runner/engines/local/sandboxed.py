"""cwltool's job class for a step in a sandbox."""

import os
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING

from cwltool.context import RuntimeContext
from cwltool.job import CommandLineJob, JobBase

from zoo_runner.engines.local.sandbox import Sandbox

if TYPE_CHECKING:
    import subprocess


def put_into(sandbox: Sandbox, inputs: str) -> type[JobBase]:
    """Return a job class whose steps run in a sandbox; they may read the folder `inputs`, which has the job's."""

    class Sandboxed(CommandLineJob):
        def _execute(
            self,
            runtime: list[str],
            env: MutableMapping[str, str],
            runtimeContext: RuntimeContext,
            monitor_function: Callable[["subprocess.Popen[str]"], None] | None = None,
        ) -> None:
            writable = [self.outdir, self.tmpdir, *_find_updated(self)]
            readable = [inputs, self.builder.stagedir]
            words = sandbox.wrap(writable, readable, env, asks_network=bool(self.networkaccess))
            # the package's variables are for the step: the program outside of the sandbox must not see them
            super()._execute([*words, *runtime], {}, runtimeContext, monitor_function)

    return Sandboxed


def _find_updated(job: CommandLineJob) -> list[str]:
    """Find the job's own files and folders that the step may update in place."""
    entries = job.generatemapper.items() if job.inplace_update and job.generatemapper else ()
    updated = [entry.resolved for _, entry in entries if entry.type in ("WritableFile", "WritableDirectory")]
    return [path for path in updated if os.path.exists(path)]  # noqa: PTH110 or a literal
