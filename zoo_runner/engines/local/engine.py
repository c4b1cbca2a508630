"""The local engine: cwltool on this machine, in containers where podman or docker answers."""

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo_runner.config.configuration import Configuration
from zoo_runner.config.interpreter import find_python
from zoo_runner.config.settings import Settings
from zoo_runner.engines.cwl_process.diagnose import Findings, diagnose_execution
from zoo_runner.engines.cwl_process.javascript import ensure_javascript, find_node
from zoo_runner.engines.cwl_process.resources import Machine, ensure_resources, read_machine
from zoo_runner.engines.cwl_process.supervised import Supervised
from zoo_runner.engines.local.containers import choose_runtime, ensure_images, find_container_needs, limits_memory
from zoo_runner.engines.local.control import listen_for_cancel, read_results, tell_cancel, write_results
from zoo_runner.engines.pipeline import check_destination, run_stages
from zoo_runner.engines.protocol import Capabilities, JobSpec, Plan
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import EngineError, JobNotFoundError, SettingsError
from zoo_runner.model.events import EngineLine, Report, decode_event
from zoo_runner.model.ids import check_job_id
from zoo_runner.model.job import Outcome, Status
from zoo_runner.model.masking import Masker

_LAUNCH = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]);"
    " from zoo_runner.engines.local.launcher import main; sys.exit(main(sys.argv[1]))"
)


class LocalEngine:
    """Runs a job as children of this process; when the process dies, in whatever way, they die with it."""

    name = "local"
    capabilities = Capabilities(remote=False, isolates=False)

    def __init__(self, configuration: Configuration) -> None:
        self._settings, self._workspace = configuration.settings, configuration.workspace

    def plan(self, job: JobSpec) -> Plan:
        """Say what would be run; pure."""
        needs = find_container_needs(job.package)
        return Plan(
            job,
            self.name,
            {
                "tool": "cwltool",
                "containers": self._settings.containers if needs.images else "none needed",
                "images": list(needs.images),
                "scratch": str(job.paths.scratch),
                "package": dict(job.package.document),
            },
        )

    def run(self, plan: Plan, report: Report, cancellation: Cancellation) -> Outcome:
        """Stage in, execute and stage out."""
        job = plan.job
        job.paths.record.mkdir(parents=True, exist_ok=True, mode=0o700)
        with listen_for_cancel(job.paths.record, cancellation):
            cancellation.check()
            machine = self._check_machine(job)
            needs = find_container_needs(job.package)
            runtime = choose_runtime(needs, self._settings.containers)
            if runtime:
                ensure_images(runtime, needs.images, self._settings, report, cancellation)
            elif needs.images:
                report(EngineLine("warning", _build_trust_note(self._settings)))
            check_destination(job, self._workspace.storage)
            _make_scratch(job.paths.scratch)
            try:
                run = _Run(job, (runtime, machine), self._settings, report, cancellation)
                results = run_stages(job, self._workspace.storage, run.execute, report, cancellation)
            finally:
                shutil.rmtree(job.paths.scratch, onerror=_force_removal)
            write_results(job.paths.record, results, Masker([*self._workspace.secrets, *job.secrets]))
        return Outcome(Status.SUCCESSFUL, results)

    def reattach(self, job_id: str, report: Report, cancellation: Cancellation) -> Outcome:
        """Return the results of a job that ended; a run whose caller died is lost."""
        record = self._record(job_id)
        if not record.exists():
            raise JobNotFoundError(
                f"there is no job {job_id!r} in {record.parent}",
                "Check the id, and that ZOO_RUNNER_STATE is what it was when the job ran.",
            )
        with contextlib.suppress(FileNotFoundError):
            return Outcome(Status.SUCCESSFUL, read_results(record))
        raise EngineError(
            f"job {job_id} ended with the process that ran it",
            "Run it again: a local run cannot outlive its caller.",
        )

    def cancel(self, job_id: str) -> None:
        """Tell whoever runs the job to stop; nobody does: nothing to stop."""
        tell_cancel(self._record(job_id))

    def _check_machine(self, job: JobSpec) -> Machine:
        """Find out before anything runs whether this machine can run the package; raises `EngineError`."""
        ensure_javascript(job.package, self._settings.inherited.get("PATH", os.defpath))
        machine = read_machine(job.paths.scratch)
        ensure_resources(job.package, machine)
        return machine

    def _record(self, job_id: str) -> Path:
        return self._workspace.folders.state / check_job_id(job_id)


def _build_trust_note(settings: Settings) -> str:
    why = "containers are switched off" if settings.containers == "none" else "neither podman nor docker answers"
    return f"{why}: the steps run with the rights and the files of this user, which is for packages that you trust"


class _Run:
    """One execution of the CWL under the supervisor."""

    def __init__(
        self,
        job: JobSpec,
        where: tuple[str | None, Machine],
        settings: Settings,
        report: Report,
        cancellation: Cancellation,
    ) -> None:
        self._job, self._settings = job, settings
        self._runtime, self._machine = where
        self._report, self._cancellation = report, cancellation
        self._scratch = job.paths.scratch

    def execute(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Run the CWL on staged inputs and return its output object; raises why it failed."""
        findings = Findings()
        code = self._supervise(self._write_orders(order), findings)
        self._cancellation.check()
        if code < 0:
            raise EngineError(
                f"the run's supervisor was killed (signal {-code})",
                "Find out who stops processes on this machine (out of memory, an operator) and run the job again.",
            )
        if code != 0:
            raise diagnose_execution(findings)
        outputs: dict[str, Any] = json.loads((self._scratch / "outputs.json").read_text())
        return outputs

    def _write_orders(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Write what launcher and supervisor read; return the supervisor's order."""
        scratch = self._scratch
        (scratch / "package.json").write_text(json.dumps(self._job.package.document))
        (scratch / "order.json").write_text(json.dumps(dict(order)))
        spec = {
            "package": str(scratch / "package.json"),
            "entry": self._job.package.entry,
            "order": str(scratch / "order.json"),
            "outputs": str(scratch / "outputs.json"),
            "output_folder": str(scratch / "outputs"),
            "scratch": str(scratch),
            "name": self._job.workflow_id,
            "runtime": self._runtime,
            "limits_memory": self._runtime is not None and limits_memory(self._runtime),
            "memory_mib": self._machine.memory_mib,
            "cid_folder": str(scratch / "cids") if self._runtime else None,
            "remover": [self._runtime or "", "rm", "--force"],
        }
        (scratch / "run.json").write_text(json.dumps(spec))
        # the services folder of a platform, and whatever stands for the current folder, may not shadow modules
        paths = [path for path in sys.path if path and Path(path).is_absolute()]
        return {
            "command": [find_python(self._settings), "-I", "-c", _LAUNCH, str(scratch / "run.json"), json.dumps(paths)],
            "env": self._environment(),
            "cwd": str(scratch),
            "cid_folder": spec["cid_folder"],
            "remover": spec["remover"],
            "scratch": str(scratch),
        }

    def _environment(self) -> dict[str, str]:
        path = self._settings.inherited.get("PATH", os.defpath)
        folders = [str(self._link_programs(path)), str(Path(find_python(self._settings)).parent), path]
        return {**self._settings.inherited, "PATH": os.pathsep.join(folders)}

    def _link_programs(self, path: str) -> Path:
        """Make a folder with the programs that cwltool looks for under a name of its own."""
        programs = self._scratch / "bin"
        programs.mkdir()
        if self._runtime and (runtime := shutil.which(self._runtime, path=path)):
            (programs / "docker").symlink_to(runtime)
        if node := find_node(path):
            (programs / "node").symlink_to(node)
        return programs

    def _supervise(self, order: dict[str, Any], findings: Findings) -> int:
        def on_line(line: str) -> None:
            event = decode_event(line)
            if event is not None:
                findings.add(event)
                self._report(event)

        with Supervised(order, find_python(self._settings)) as run:
            code = run.follow(on_line, self._cancellation)
            for text in run.complaints:
                findings.complaints.append(text)
                self._report(EngineLine("warning", text))
        return code


def _make_scratch(scratch: Path) -> None:
    try:
        for name in (".", "inputs", "tmp", "out", "outputs", "cids", "monitors"):
            (scratch / name).mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise SettingsError(
            f"the folder for the data of the job, {scratch}, cannot be made: {error.strerror}",
            "Point ZOO_RUNNER_SCRATCH to a folder that this user may write to and whose disk has room.",
        ) from error


def _force_removal(remove: Any, path: str, _: Any) -> None:
    """Tools and cwltool leave read-only folders behind, and a tool may have removed what is ours."""
    with contextlib.suppress(OSError):
        Path(path).parent.chmod(0o700)
        Path(path).chmod(0o700)
        remove(path)
