"""Evaluates one packed CWL document with Calrissian, in a container that has nothing but the package and its files.

The only module that imports Calrissian; it runs in Calrissian's own virtual environment. Calrissian turns a CWL step
into a pod; what a package decides of that pod is sent to the other container of the job pod, which runs the step.
The `spec` that arrives first has `package`, `entry`, `order`, `outputs` (file to write), `output_folder`, `scratch`,
`name`, `is_staged` (whether the package is complete only when the order is there), `image` (of steps without one),
`max_cores`, `max_ram_mib`, and `secrets` (secret inputs by variable).
"""

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import calrissian.job
import cwl_utils.expression
from calrissian.context import CalrissianRuntimeContext
from calrissian.executor import ThreadPoolJobExecutor
from calrissian.job import CalrissianCommandLineJob, KubernetesVolumeBuilder
from calrissian.k8s import CompletionResult
from calrissian.tool import CalrissianCommandLineTool
from cwltool.errors import WorkflowException
from cwltool.job import ContainerCommandLineJob, relink_initialworkdir
from cwltool.loghandler import _logger as cwltool_logger
from cwltool.process import shortname, uniquename
from cwltool.secrets import SecretStore
from schema_salad.exceptions import SchemaSaladException

from zoo_runner.engines.cwl_process.loading import (
    ConfinedTool,
    build_context_fields,
    load_document,
    read_boundary,
    read_cwl_version,
    report_messages,
    run_document,
)
from zoo_runner.engines.cwl_process.resources import Asked, ensure_granted
from zoo_runner.engines.cwl_process.schemas import use_schema
from zoo_runner.engines.kubernetes.job_pod.finished import FinishedJobs, Known
from zoo_runner.engines.kubernetes.job_pod.request import Mount, StepRequest
from zoo_runner.engines.kubernetes.job_pod.script import build_folders_script, build_script
from zoo_runner.engines.kubernetes.job_pod.steps import Steps
from zoo_runner.engines.kubernetes.manifests import WORK_FOLDER
from zoo_runner.engines.secret_inputs import find_placeholders
from zoo_runner.model.errors import EngineError, RunnerError
from zoo_runner.model.events import EngineLine, build_not_again
from zoo_runner.model.outcomes import build_failure

# how Calrissian calls the volume of the job
_VOLUME = "work"


class _Step(CalrissianCommandLineJob):  # type: ignore[misc]
    """A step: Calrissian builds its pod, the other container runs it."""

    steps: ClassVar[Steps]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Calrissian's own would request the job pod from the API for each step, to find what is known here
        ContainerCommandLineJob.__init__(self, *args, **kwargs)
        self.volume_builder = KubernetesVolumeBuilder()
        self.volume_builder.add_persistent_volume_entry(WORK_FOLDER, None, _VOLUME, False)

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
        self._request = build_request(self, pod)

    def wait_for_kubernetes_pod(self) -> CompletionResult:
        code = self.steps.run(self._request)
        if self.generatemapper is not None:
            # What was mounted into the working directory left an empty place there, of another owner. As after every
            # container of cwltool's, a link to what the step saw there has to take it.
            relink_initialworkdir(self.generatemapper, self.outdir, self.builder.outdir, self.inplace_update)
        return CompletionResult(code, [])

    def report(self, completion_result: CompletionResult, disk_bytes: float) -> None:
        """Report nothing: the step runner has reported the end of the step."""


def build_request(step: Any, pod: dict[str, Any]) -> StepRequest:
    """Select what the package decides from the pod that Calrissian built."""
    (container,) = pod["spec"]["containers"]
    resources = step.builder.resources
    return StepRequest(
        step.name,
        " ".join(str(word) for word in step.command_line),
        container["image"],
        tuple(build_script(step.command_line, step.stdin, step.stdout, step.stderr)),
        container["workingDir"],
        {entry["name"]: str(entry["value"]) for entry in container["env"]},
        tuple(
            Mount(one["mountPath"], one["subPath"], one["readOnly"])
            for one in container["volumeMounts"]
            if one["name"] == _VOLUME
        ),
        float(resources["cores"]),
        float(resources.get("coresMin", resources["cores"])),
        float(resources["ram"]),
        float(resources.get("ramMin", resources["ram"])),
        int(container["resources"].get("limits", {}).get("nvidia.com/gpu", 0)),
        bool(step.networkaccess),
        build_folders_script(step.stdout, step.stderr) if pod["spec"]["initContainers"] else None,
    )


class _Tool(ConfinedTool, CalrissianCommandLineTool):  # type: ignore[misc]
    finished: ClassVar[FinishedJobs]
    # what `identify_process` computes
    identity = ""

    def make_job_runner(self, runtimeContext: Any) -> Any:
        super().make_job_runner(runtimeContext)
        return _Step

    def collect_output_ports(self, *args: Any, **kwargs: Any) -> Any:
        """Collect the outputs, and have their files on the disk."""
        outputs = super().collect_output_ports(*args, **kwargs)
        self.finished.sync(outputs)
        return outputs

    def job(self, job_order: Any, output_callbacks: Any, runtimeContext: Any) -> Any:
        """Yield the job, or one that has its outputs from the pod before."""
        ours = self.finished.identify(self, job_order)
        if ours and (known := self.finished.find(ours)):
            name = uniquename(runtimeContext.name or shortname(self.tool.get("id", "job")))
            yield _Known(name, known, output_callbacks)
            return
        folders: list[str] = []

        def keep(outputs: Any, status: str) -> None:
            if ours and status == "success":
                self.finished.keep(ours, folders[0], outputs)
            output_callbacks(outputs, status)

        for job in super().job(job_order, keep, runtimeContext):
            folders.append(job.outdir)
            yield job


class _Known:
    """Stands for a job of a step whose outputs are known."""

    prov_obj = None

    def __init__(self, name: str, known: Known, callback: Any) -> None:
        self.name, self.outdir, self._outputs, self._callback = name, known.folder, known.outputs, callback

    def run(self, runtimeContext: Any, tmpdir_lock: Any = None) -> None:
        """Say so, and give the outputs."""
        _Step.steps.report(build_not_again(self.name))
        with runtimeContext.workflow_eval_lock:
            self._callback(self._outputs, "success")


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


def _runtime_context(spec: dict[str, Any], executor: _Executor) -> CalrissianRuntimeContext:
    # Calrissian itself only names the image of tools that have none, and cwltool calls for it
    image = {"default_container": spec["image"], "find_default_container": lambda _: spec["image"]}
    context = CalrissianRuntimeContext({**build_context_fields(spec, read_boundary(spec)), **image})
    context.select_resources = executor.select_resources
    # for files that a package has written of them; a step's command and variables go to the kubelet as they are
    context.secret_store = SecretStore()
    context.secret_store.secrets.update(find_placeholders(spec["secrets"]))
    return context


def run(spec: dict[str, Any], steps: Steps) -> dict[str, Any] | None:
    """Execute and return the output object; None when the package failed."""
    use_schema(read_cwl_version(spec))
    tool = None if spec["is_staged"] else load_document(spec, _Tool)
    executor = _Executor(spec["max_ram_mib"], spec["max_cores"])
    steps.wait_for_order()
    whole = _Tool.finished.identify_package(spec)
    if known := _Tool.finished.find(whole):
        steps.report(EngineLine("info", "all steps have ended in the earlier pod of this job: none is run again"))
        return known.outputs
    _Tool.finished.clean_outputs()
    tool = tool or load_document(spec, _Tool)
    succeeded = run_document(spec, tool, executor, _runtime_context(spec, executor))
    if executor.refused:
        raise executor.refused
    outputs: dict[str, Any] | None = json.loads(Path(spec["outputs"]).read_text()) if succeeded else None
    if outputs is not None:
        _Tool.finished.keep(whole, None, outputs)
    return outputs


def launch(spec: dict[str, Any], steps: Steps) -> None:
    """Run the package; every failure ends as a message."""
    _Step.steps, _Tool.finished = steps, FinishedJobs(Path(spec["scratch"]))
    _Tool.finished.clean()
    # cwltool reports the error class of this cwl-utils version as an internal error, without step and reason
    cwl_utils.expression.WorkflowException = WorkflowException  # type: ignore[attr-defined]
    # it writes the pod of each step as YAML for a log that nobody keeps: two fifths of what a step costs here
    calrissian.job.yaml = SimpleNamespace(dump=lambda _: "")
    report_messages(steps.report, "calrissian.main", "calrissian.tool")
    os.chdir(spec["scratch"])
    failure: RunnerError | None = None
    outputs: dict[str, Any] | None = None
    try:
        outputs = run(spec, steps)
    except RunnerError as error:
        failure = error
    except (WorkflowException, SchemaSaladException) as error:
        if isinstance(error.__cause__, RunnerError):
            failure = error.__cause__
        else:
            steps.report(EngineLine("error", str(error)))
    steps.end(outputs, build_failure(failure) if failure else None)
