"""Runs one packed CWL document with Calrissian inside the job pod and reports events, line by line.

The only module that imports Calrissian. The supervisor starts it in Calrissian's own virtual environment, in a process
that holds no credentials except for the job's secret inputs. Calrissian turns a CWL step into a pod; the step runner
runs the pod.
Argument: a JSON file with `package`, `entry`, `order`, `outputs` (file to write), `output_folder`, `scratch`,
`name`, `ready` (a FIFO that says when the order is there), `is_staged` (whether the package is there only then too),
`steps` (how to run them), `owner` (the job pod) and `api` (where the API is).
"""

import contextlib
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar

import cwl_utils.expression
from calrissian.context import CalrissianRuntimeContext
from calrissian.executor import ThreadPoolJobExecutor
from calrissian.job import CalrissianCommandLineJob, KubernetesVolumeBuilder
from calrissian.k8s import CompletionResult
from calrissian.tool import CalrissianCommandLineTool
from cwltool.errors import WorkflowException
from cwltool.job import ContainerCommandLineJob, relink_initialworkdir
from cwltool.loghandler import _logger as cwltool_logger
from cwltool.secrets import SecretStore
from schema_salad.exceptions import SchemaSaladException

from zoo_runner.config.kubernetes import KubernetesSettings
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
from zoo_runner.engines.cwl_process.resources import Asked, ensure_granted
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.job_pod.schemas import use_schema
from zoo_runner.engines.kubernetes.job_pod.steppod import (
    Owner,
    build_folders_script,
    build_script,
    build_step_pod,
    build_volume_entry,
)
from zoo_runner.engines.kubernetes.job_pod.steprunner import StepRunner
from zoo_runner.engines.kubernetes.pod_log import LastLine, encode_line
from zoo_runner.engines.kubernetes.secret_inputs import find_placeholders
from zoo_runner.model.errors import EngineError, RunnerError
from zoo_runner.model.events import EngineLine, Event
from zoo_runner.model.outcomes import build_failure


class _Step(CalrissianCommandLineJob):  # type: ignore[misc]
    """A step: Calrissian builds its pod, the step runner runs it."""

    runner: ClassVar[StepRunner]
    settings: ClassVar[dict[str, Any]]
    owner: ClassVar[Owner]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Calrissian's own would request the job pod from the API for each step, to find what is known here
        ContainerCommandLineJob.__init__(self, *args, **kwargs)
        self.volume_builder = KubernetesVolumeBuilder()
        self.volume_builder.add_persistent_volume_entry(*build_volume_entry(self.settings["claim"]))

    def run(self, *args: Any, **kwargs: Any) -> None:
        """Run the step; an error that stops it is logged with its name, as by cwltool's own jobs."""
        try:
            super().run(*args, **kwargs)
        except RunnerError:
            raise
        except WorkflowException as error:
            self._log_failure(f"[job {self.name}] Job error:\n{_read_message(error)}")
            raise
        except Exception as error:
            self._log_failure(f"Exception while running job: {error}.")
            raise

    def _log_failure(self, why: str) -> None:
        cwltool_logger.error("%s", why)
        cwltool_logger.warning("[job %s] completed permanentFail", self.name)

    def get_security_context(self, runtimeContext: Any) -> dict[str, Any]:
        return {}

    def execute_kubernetes_pod(self, pod: dict[str, Any]) -> None:
        spec = pod["spec"]
        spec["containers"][0]["args"] = build_script(self.command_line, self.stdin, self.stdout, self.stderr)
        for first in spec["initContainers"]:
            first["command"][-1] = build_folders_script(self.stdout, self.stderr)
        self._built = pod

    def wait_for_kubernetes_pod(self) -> CompletionResult:
        def build_pod(tag: str) -> dict[str, Any]:
            return build_step_pod(self._built, self.settings, self.name, tag, self.builder.resources, self.owner)

        command = " ".join(str(word) for word in self.command_line)
        code = self.runner.run(self.name, command, build_pod)
        if self.generatemapper is not None:
            # What was mounted into the working directory left an empty place there, of another owner. As after every
            # container of cwltool's, a link to what the step saw there has to take it.
            relink_initialworkdir(self.generatemapper, self.outdir, self.builder.outdir, self.inplace_update)
        return CompletionResult(code, [])

    def report(self, completion_result: CompletionResult, disk_bytes: float) -> None:
        """Report nothing: the step runner has reported the end of the step."""


class _Tool(ConfinedTool, CalrissianCommandLineTool):  # type: ignore[misc]
    def make_job_runner(self, runtimeContext: Any) -> Any:
        super().make_job_runner(runtimeContext)
        return _Step


class _Executor(ThreadPoolJobExecutor):  # type: ignore[misc]
    """Grants what Calrissian grants, and keeps the requested minimum, which the pod requests.

    A request by an expression is known only here; `refused` is the error of one that is too large.
    """

    refused: EngineError | None = None

    def select_resources(self, request: dict[str, Any], runtime_context: Any) -> dict[str, Any]:
        asked = [Asked(runtime_context.name, kind, request[f"{kind}Min"]) for kind in ("ram", "cores")]
        try:
            ensure_granted(asked, self.total_resources.cores, self.total_resources.ram)
        except EngineError as error:
            # cwltool makes a line of its log of it and goes on to the end of the workflow
            self.refused = error
            raise WorkflowException(str(error)) from error
        granted: dict[str, Any] = super().select_resources(request, runtime_context)
        granted["coresMin"], granted["ramMin"] = request["coresMin"], request["ramMin"]
        granted["tmpdirSize"], granted["outdirSize"] = request["tmpdirMin"], request["outdirMin"]
        return granted


def _read_message(error: WorkflowException) -> str:
    """Read what an error says; this cwltool's own of an output prints as a tuple otherwise."""
    return str(error.args[0]) if error.args else str(error)


def _runtime_context(spec: dict[str, Any], executor: _Executor, secrets: Mapping[str, str]) -> CalrissianRuntimeContext:
    context = CalrissianRuntimeContext(
        {**build_context_fields(spec, read_boundary(spec)), "default_container": spec["steps"]["image"]}
    )
    context.select_resources = executor.select_resources
    # for files that a package has written of them; a step's command and variables go to the kubelet as they are
    context.secret_store = SecretStore()
    context.secret_store.secrets.update(find_placeholders(secrets))
    return context


def run(spec: dict[str, Any], secrets: Mapping[str, str]) -> int:
    """Execute and write the output object; 0 on success, 1 when the package failed."""
    use_schema(read_cwl_version(spec))
    tool = None if spec["is_staged"] else load_document(spec, _Tool)
    steps = spec["steps"]
    executor = _Executor(steps["max_ram_mib"], steps["max_cores"])
    Path(spec["ready"]).read_text()  # opens when stage-in is done
    tool = tool or load_document(spec, _Tool)
    succeeded = run_document(spec, tool, executor, _runtime_context(spec, executor, secrets))
    if executor.refused:
        raise executor.refused
    return 0 if succeeded else 1


def _stop_on_term(number: int, frame: FrameType | None) -> None:
    """Delete the step pods and exit at once; Kubernetes deletes the rest with the job pod."""
    with contextlib.suppress(RunnerError):
        _Step.runner.stop()
    os._exit(128 + number)


def launch(spec: dict[str, Any], secrets: Mapping[str, str]) -> int:
    """Run the package; every failure ends as an event and exit code 1. `secrets` are secret inputs by variable."""
    emit: Callable[[Event | LastLine], None] = open_event_stream(encode_line)
    _Step.settings, _Step.owner = spec["steps"], Owner(**spec["owner"])
    _Step.runner = StepRunner(Cluster(KubernetesSettings(**spec["api"])), spec["steps"], emit)
    signal.signal(signal.SIGTERM, _stop_on_term)
    # cwltool reports the error class of this cwl-utils version as an internal error, without step and reason
    cwl_utils.expression.WorkflowException = WorkflowException  # type: ignore[attr-defined]
    report_messages(emit, "calrissian.main", "calrissian.tool")
    try:
        return run(spec, secrets)
    except RunnerError as error:
        emit(build_failure(error))
    except (WorkflowException, SchemaSaladException) as error:
        cause = error.__cause__
        if isinstance(cause, RunnerError):
            emit(build_failure(cause))
        else:
            emit(EngineLine("error", str(error)))
    return 1
