"""Runs one packed CWL document with cwltool and reports what happens, event by event.

The only user of cwltool's executor, started by the supervisor in a separate process without credentials, maybe before
its job is known. A line on stdin has `env` and `cwd` for the run, `secrets` (values by their placeholders in the job
order, which are in no file), and `spec`: a JSON file with `package`, `entry`,
`order`, `outputs` (file to write), `output_folder`, `scratch`, `name`, `runtime` (podman, docker or null),
`limits_memory`, `has_monitor`, `keeps_user` (bool), `cores` and `memory_mib` (what is free for the job), `most_cores`
and `most_memory_mib` (what all steps together may ask for, by settings, or null), `package_files` (files of this
machine that belong to the package), `isolated` (the run is enclosed, and no step runs on the host), `shown` (what an
enclosed run reads beside its scratch folder), `cwl_version`, `network` (whether steps that ask for it get it),
`sandbox` (words of the program that asks the supervisor for a sandbox, or null), `default_image` (of tools without
one, or null), `cid_folder` and `remover` (as the supervisor's). Events are written as JSON lines to the original
stdout.
"""

import contextlib
import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from cwltool.builder import Builder
from cwltool.command_line_tool import CommandLineTool
from cwltool.context import RuntimeContext
from cwltool.errors import WorkflowException
from cwltool.executors import MultithreadedJobExecutor
from cwltool.job import ContainerCommandLineJob, JobBase
from cwltool.secrets import SecretStore
from cwltool.utils import processes_to_kill
from schema_salad.exceptions import SchemaSaladException

from zoo_runner.engines.cwl_process.javascript_process import filter_calls
from zoo_runner.engines.cwl_process.loading import (
    ConfinedTool,
    build_context_fields,
    load_document,
    open_event_stream,
    read_boundary,
    read_cwl_version,
    report_messages,
    run_document,
)
from zoo_runner.engines.cwl_process.processes import wait_until_readable
from zoo_runner.engines.cwl_process.realfiles import RealFiles
from zoo_runner.engines.cwl_process.schemas import use_schema
from zoo_runner.engines.cwl_process.supervisor import adopt_orphans, kill_descendants, remove_containers
from zoo_runner.engines.cwl_process.system_calls import filter_launcher
from zoo_runner.engines.local.enclosure import View, explain_unusable, run_apart, run_enclosed
from zoo_runner.engines.local.observed import Reporting, observe
from zoo_runner.engines.local.sandboxed import SandboxedRun, put_into
from zoo_runner.engines.local.step_resources import lower_maximum
from zoo_runner.engines.local.watch import Emit
from zoo_runner.model.events import EngineLine, encode_event
from zoo_runner.package.images import is_image_name, list_made_here, read_image_names
from zoo_staging.boundary import Boundary

_USUAL_VERSION = "v1.2"


class _Executor(MultithreadedJobExecutor):
    """cwltool's executor, but for what steps may ask for together, and for a step that raises while others run.

    cwltool then waits for the others, and keeps the lock that they need to end.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        super().__init__()
        # cwltool does not see the limit that a container sets to this very process
        free = min(self.max_ram, spec["memory_mib"])
        self.max_ram = spec["most_memory_mib"] or free
        # of a quota below one core, a step gets one, and takes longer
        self.max_cores = max(1, spec["most_cores"] or min(self.max_cores, spec["cores"]))

    def wait_for_next_completion(self, runtime_context: RuntimeContext) -> None:
        """Wait until a step ends; raises what a step raised, without the lock."""
        try:
            super().wait_for_next_completion(runtime_context)
        except BaseException:
            if runtime_context.workflow_eval_lock is not None:
                runtime_context.workflow_eval_lock.release()
            raise


def _build_tool_class(reporting: Reporting, spec: Mapping[str, Any], executor: _Executor) -> type[CommandLineTool]:
    # a part of what is free is for the programs beside the steps
    memory_mib = spec["memory_mib"] * 9 // 10
    sandboxed = put_into(SandboxedRun(spec["sandbox"], Path(spec["scratch"]), memory_mib)) if spec["sandbox"] else None

    class ObservedTool(ConfinedTool, CommandLineTool):
        def evalResources(self, builder: Builder, runtimeContext: RuntimeContext) -> dict[str, int | float]:
            reserved = super().evalResources(builder, runtimeContext)
            wanted = self.get_requirement("ResourceRequirement")[0] or {}
            return lower_maximum(reserved, wanted, {"cores": executor.max_cores, "ram": executor.max_ram})

        def make_job_runner(self, runtimeContext: RuntimeContext) -> type[JobBase]:
            runner = super().make_job_runner(runtimeContext)
            if issubclass(runner, ContainerCommandLineJob):
                _check_image(self.get_requirement("DockerRequirement")[0] or {})
            else:
                runner = sandboxed or runner
            if spec["isolated"] and not (runner is sandboxed or issubclass(runner, ContainerCommandLineJob)):
                raise WorkflowException("a step would run on the host, and isolation is on")
            return observe(runner, reporting)

    return ObservedTool


def _check_image(docker: Mapping[str, Any]) -> None:
    """Check again what was checked before the job started; raises `WorkflowException`."""
    if list_made_here(docker) or not all(map(is_image_name, read_image_names(docker))):
        raise WorkflowException("the image of a step would be built or loaded on this machine, or has no valid name")


def _stop_on_term(spec: dict[str, Any]) -> None:
    """On SIGTERM end the steps, then this process at once; the supervisor ends whatever ignores the signal.

    If the supervisor is gone, this process does its work.
    """
    parent = os.getppid()
    # podman's monitors become children of this process, so that it can measure what their containers used
    adopt_orphans()

    def stop(number: int, frame: FrameType | None) -> None:
        for process in processes_to_kill:
            with contextlib.suppress(OSError):
                process.terminate()
        if os.getppid() != parent:
            kill_descendants()
            remove_containers(spec["cid_folder"], spec["remover"])
        os._exit(128 + number)

    signal.signal(signal.SIGTERM, stop)


def _build_context(spec: dict[str, Any], boundary: Boundary) -> RuntimeContext:
    own = {
        "use_container": spec["runtime"] is not None,
        "cidfile_dir": spec["cid_folder"],
        "find_default_container": lambda _: spec["default_image"],
        # folders of the tool's runtime are then those of a container
        "default_container": spec["default_image"],
    }
    context = RuntimeContext({**build_context_fields(spec, boundary), **own})
    context.secret_store = SecretStore()
    context.secret_store.secrets.update(spec["secrets"])
    return context


def _build_reporting(spec: dict[str, Any], emit: Emit, boundary: Boundary) -> Reporting:
    def report(text: str) -> None:
        emit(EngineLine("info", text))

    files = RealFiles(Path(spec["scratch"]), report, boundary)
    names = ("runtime", "limits_memory", "has_monitor", "keeps_user", "isolated", "network")
    return Reporting(emit, files, **{name: spec[name] for name in names})


def run(spec: dict[str, Any], emit: Emit) -> int:
    """Execute and write the output object; 0 on success, 1 when the package failed."""
    use_schema(read_cwl_version(spec))
    boundary = read_boundary(spec)
    executor = _Executor(spec)
    tool = load_document(spec, _build_tool_class(_build_reporting(spec, emit, boundary), spec, executor))
    return 0 if run_document(spec, tool, executor, _build_context(spec, boundary)) else 1


def _read_job() -> dict[str, Any] | None:
    """Wait for the job, and take on its environment and folder; None where there is none."""
    if not wait_until_readable([sys.stdin.fileno()], 0):
        use_schema(_USUAL_VERSION)
    line = sys.stdin.readline()
    if not line:
        return None
    job = json.loads(line)
    os.environ.clear()  # noqa: TID251 set here, not read
    os.environ.update(job["env"])  # noqa: TID251
    os.chdir(job["cwd"])
    # for the steps
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), sys.stdin.fileno())
    return {**json.loads(Path(job["spec"]).read_bytes()), "secrets": job["secrets"]}


def main() -> int:
    """Run by the supervisor; every failure ends as an event and exit code 1, and no job as 0."""
    emit: Emit = open_event_stream(lambda event: (encode_event(event),))
    spec = _read_job()
    if spec is None:
        return 0
    _stop_on_term(spec)
    return _run_isolated(spec, emit) if spec["isolated"] else _run_reported(spec, emit)


def _run_isolated(spec: dict[str, Any], emit: Emit) -> int:
    """Run in a process that can do no more than the run needs; this one reads nothing of the package."""
    # it could not keep the schema
    use_schema(spec["cwl_version"])

    def run_confined() -> int:
        _stop_on_term(spec)
        filter_calls(filter_launcher(os.uname().machine))
        return _run_reported(spec, emit)

    try:
        return run_enclosed(View(tuple(spec["shown"]), spec["scratch"]), run_confined)
    except OSError as error:
        # its view, which a package has a part in, never decides that it runs without one
        if (why := explain_unusable()) is None:
            emit(EngineLine("error", f"the process that runs cwltool cannot be enclosed for this job: {error}"))
            return 1
        emit(EngineLine("info", f"the process that runs cwltool sees the files of this user: {why}"))
        return run_apart(run_confined)


def _run_reported(spec: dict[str, Any], emit: Emit) -> int:
    report_messages(emit)
    # it does not know hints that are extensions, which cwltool follows nevertheless
    logging.getLogger("salad").setLevel(logging.ERROR)
    try:
        return run(spec, emit)
    except (WorkflowException, SchemaSaladException) as error:
        emit(EngineLine("error", str(error)))
    except Exception as error:  # noqa: BLE001 the entry point of the process: whatever cwltool raises is its answer
        traceback.print_exc()
        emit(EngineLine("error", f"internal error of cwltool: {type(error).__name__}: {error}"))
    return 1
