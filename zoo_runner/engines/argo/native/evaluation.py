"""Evaluates a package up to one of its steps, in a container without credentials, token and network.

python -m zoo_runner.engines.argo.native.evaluate RUN …    RUN is the folder of the run; the rest is one of
    begin FOLDER           write what is known after stage-in: pods of open steps, reused steps
    list NODE FILE         write the numbers of the pods of a step
    prepare NODE NUMBER    stage the inputs of the jobs of a pod, write their scripts
    collect NODE NUMBER    report what they print, find their outputs
    finish                 find the outputs of the package

cwltool goes through the workflow; jobs that have ended give the outputs that are stored for them. So scatter,
conditions, merging of links and expressions are cwltool's own, as on every other engine. Events are lines on stdout,
and kept on the volume for the published logs.
"""

import json
import math
import os
import shutil
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cwltool.command_line_tool import CommandLineTool
from cwltool.context import RuntimeContext
from cwltool.errors import WorkflowException
from cwltool.executors import JobExecutor
from cwltool.process import Process, shortname, uniquename
from schema_salad.exceptions import SchemaSaladException

from zoo_runner.engines.argo.native.nodes import NEEDED, REUSED
from zoo_runner.engines.argo.native.script import build_pod_script
from zoo_runner.engines.argo.native.sharing import share_pods
from zoo_runner.engines.argo.native.slots import (
    EVENTS,
    OUTPUTS,
    SPEC,
    Slot,
    SlotJob,
    list_slots,
    name_script,
)
from zoo_runner.engines.argo.native.stepjob import JobContext, NumberedMapper, StepJob
from zoo_runner.engines.cwl_process.javascript_process import filter_calls
from zoo_runner.engines.cwl_process.loading import (
    ConfinedTool,
    build_context_fields,
    evaluating_safely,
    load_document,
    read_boundary,
    read_cwl_version,
    report_messages,
    run_document,
)
from zoo_runner.engines.cwl_process.realfiles import RealFiles
from zoo_runner.engines.cwl_process.reuse import Finished, compute_key
from zoo_runner.engines.cwl_process.schemas import use_schema
from zoo_runner.engines.cwl_process.system_calls import filter_launcher
from zoo_runner.engines.kubernetes.pod_log import encode_line
from zoo_runner.files import write_json
from zoo_runner.model.events import EngineLine, Event, StepReused
from zoo_runner.package.yaml_values import keep_forms, restore_forms

Emit = Callable[[Event], None]


class _Failed(Exception):
    """A step or the package has failed, and events say why."""


@dataclass
class _Found:
    """A job of a step, as the executor gets it: cwltool asks for nothing more than to run it."""

    tool: "_Tool"
    key: str
    name: str
    order: dict[str, Any]
    callback: Callable[[Any, str], None]
    outdir: str | None = None
    prov_obj: Any = None


class _Tool(ConfinedTool, CommandLineTool):
    """A tool whose jobs are run by pods."""

    path = ""
    identity = ""
    seen: "_Seen"

    def make_job_runner(self, runtimeContext: RuntimeContext) -> Any:
        return StepJob

    def build_job(self, order: Any, context: RuntimeContext) -> StepJob:
        """Build cwltool's job in the folders of `context`."""
        return next(super().job(order, lambda *_: None, context))  # type: ignore[return-value]

    def job(self, job_order: Any, output_callbacks: Any, runtimeContext: RuntimeContext) -> Any:
        name = uniquename(runtimeContext.name or shortname(self.tool.get("id", "job")))
        order = keep_forms(job_order)
        yield _Found(self, self.seen.count(self, order), name, order, output_callbacks)


class _Seen:
    """Gives jobs of a step that have the same inputs different keys."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def count(self, tool: _Tool, order: Mapping[str, Any]) -> str:
        """Return the key of the next job with these inputs."""
        first = compute_key(tool.path, tool.identity, order)
        number = self._counts[first] = self._counts.get(first, -1) + 1
        return compute_key(tool.path, tool.identity, order, number) if number else first


class _Executor(JobExecutor):
    """Goes on until nothing more is known; `found` are the jobs of all steps, in order."""

    def __init__(self, finished: Finished) -> None:
        super().__init__()
        self._finished = finished
        self.found: list[_Found] = []

    def run_jobs(self, process: Process, order: Any, logger: Any, context: RuntimeContext) -> None:
        for job in process.job(order, self.output_callback, context):
            if job is None:
                return
            self._take(job, context)

    def _take(self, job: Any, context: RuntimeContext) -> None:
        if not isinstance(job, _Found):  # an expression
            job.run(context)
            return
        self.found.append(job)
        result = self._finished.find(job.key)
        if result is not None:
            job.callback(restore_forms(result.outputs), "success")

    def select_resources(self, request: dict[str, Any], context: RuntimeContext) -> dict[str, Any]:
        """Grant what a step asks for: its pod was planned with it."""
        return {
            "cores": math.ceil(request["coresMax"]),
            "ram": math.ceil(request["ramMax"]),
            "tmpdirSize": request["tmpdirMin"],
            "outdirSize": request["outdirMin"],
        }


class Evaluation:
    """The package of a run, loaded."""

    def __init__(self, run: Path, emit: Emit) -> None:
        self._run, self._emit = run, emit
        self._spec: dict[str, Any] = json.loads((run / SPEC).read_bytes())
        use_schema(read_cwl_version(self._spec))
        self._process = load_document(self._spec, _Tool)
        self._tools: dict[str, _Tool] = {}
        self._add_tools(self._process, "", _Seen())
        self._boundary = read_boundary(self._spec)
        self._finished = Finished(run, {Path(folder): job for folder, job in self._spec["earlier"].items()})

    def begin(self) -> dict[str, str]:
        """Return what is known of steps before any has run: numbers of pods as JSON, or whether there is one.

        A step with one job needs no pod where an earlier run has its outputs.
        """
        found = self._replay().found
        numbers = {node: json.dumps(self._give_slots(node, found)) for node in self._spec["first"]}
        ends = {job.tool.path: job for job in found}
        jobs = {node: ends.get(self._spec["nodes"][node]) for node in self._spec["single"]}
        return numbers | {node: REUSED if job and self._is_finished(job) else NEEDED for node, job in jobs.items()}

    def list_pods(self, node: str) -> list[int]:
        """Give the jobs of a step their slots; return the numbers of their pods."""
        return self._give_slots(node, self._replay().found)

    def _give_slots(self, node: str, found: Sequence["_Found"]) -> list[int]:
        """Give the jobs of a step that have not ended their slots; a pod has the number of its first job."""
        jobs = [job for job in found if job.tool.path == self._spec["nodes"][node]]
        if node in self._spec["single"]:
            pods = [[number] for number in range(len(jobs))]
        else:
            left = [number for number, job in enumerate(jobs) if not self._is_finished(job)]
            pods = share_pods(left, self._spec["sharing"][node])
        for numbers in pods:
            for place, job in enumerate(jobs[number] for number in numbers):
                Slot(self._run, node, numbers[0], place).keep(SlotJob(job.key, job.name, job.order))
        return [numbers[0] for numbers in pods]

    def _is_finished(self, job: _Found) -> bool:
        """Whether a job has ended; one of an earlier run is reported."""
        result = self._finished.find(job.key)
        if result and result.source:
            self._emit(StepReused(job.name, result.source))
        return result is not None

    def prepare(self, node: str, number: int) -> None:
        """Stage the inputs of the jobs of a pod and write their scripts."""
        if Slot(self._run, node, number).read() is None:
            self.list_pods(node)
        slots = self._list_slots(node, number)
        with evaluating_safely(self._spec):
            for slot in slots:
                self._prepare_job(slot)
        Path(name_script(str(self._run), node, str(number))).write_text(build_pod_script(slots))

    def _list_slots(self, node: str, number: int) -> list[Slot]:
        slots = list(list_slots(self._run, node, number))
        if not slots:
            raise WorkflowException(f"the step {node} has no job {number}: what it needs is not there")
        return slots

    def _prepare_job(self, slot: Slot) -> None:
        given = _read(slot)
        if self._finished.find(given.key) is not None:
            # the slot has the outputs that its result names
            slot.create()
            slot.script.write_text("exit 0\n")
            return
        context = self._build_context(slot)
        job = self._build_job(slot.node, given, context)
        job.ensure_unchanged(slot)
        _empty(slot)
        job.run(context)

    def collect(self, node: str, number: int) -> None:
        """Report what the jobs of a pod print, until all have ended or one has failed, and store their outputs."""
        with evaluating_safely(self._spec):
            for slot in self._list_slots(node, number):
                self._collect_job(slot)

    def _collect_job(self, slot: Slot) -> None:
        given = _read(slot)
        if self._finished.find(given.key) is not None:
            return
        context = self._build_context(slot)
        if not self._build_job(slot.node, given, context).collect(given, context):
            raise _Failed

    def finish(self) -> None:
        """Write the output object of the package."""
        # cwltool reports the end of a workflow more than once where its last step has no jobs
        if set(self._replay().final_status) != {"success"}:
            self._emit(EngineLine("error", "the package has no outputs: a step gave no result"))
            raise _Failed

    def _build_job(self, node: str, given: SlotJob, context: JobContext) -> StepJob:
        job = self._tools[self._spec["nodes"][node]].build_job(restore_forms(given.order), context)
        job.name = given.name
        return job

    def _build_context(self, slot: Slot) -> JobContext:
        files = RealFiles(
            self._run, lambda text: self._emit(EngineLine("info", text)), self._boundary, f"copies/{slot.name}"
        )
        context: JobContext = self._build_common_context(JobContext)
        context.path_mapper = partial(NumberedMapper, self._boundary)  # type: ignore[assignment]
        context.slot, context.files, context.emit = slot, files, self._emit
        context.log_bytes, context.finished = self._spec["log_bytes"], self._finished
        context.outdir, context.tmpdir, context.stagedir = str(slot.out), str(slot.temporary), str(slot.staged)
        return context

    def _build_common_context(self, kind: type[RuntimeContext]) -> Any:
        own = {"use_container": False, "rm_tmpdir": False, "move_outputs": "move"}
        context = kind({**build_context_fields(self._spec, self._boundary), **own})
        context.select_resources = _Executor(self._finished).select_resources
        return context

    def _replay(self) -> _Executor:
        """Go through the package as far as results are known."""
        executor = _Executor(self._finished)
        spec = {**self._spec, "outputs": str(self._run / OUTPUTS)}
        run_document(spec, self._process, executor, self._build_common_context(RuntimeContext))
        return executor

    def _add_tools(self, process: Process, path: str, seen: _Seen) -> None:
        """Find the tools by the paths of their steps, and give each the name of its step."""
        if isinstance(process, _Tool):
            process.path, process.seen = path or self._spec["name"], seen
            process.identity = self._spec["identities"][process.path]
            self._tools[process.path] = process
        for step in getattr(process, "steps", ()):
            name = str(step.tool["id"]).rpartition("#")[2].rpartition("/")[2]
            self._add_tools(step.embedded_tool, f"{path}/{name}".lstrip("/"), seen)


def _read(slot: Slot) -> SlotJob:
    job = slot.read()
    assert job
    return job


def _empty(slot: Slot) -> None:
    """Remove what an earlier attempt has left; the folders stay, which are mounted."""
    for folder in (slot.out, slot.private, slot.staged):
        for left in folder.iterdir() if folder.exists() else ():
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
    slot.create()
    slot.temporary.mkdir()


def _open_stream(run: Path, name: str) -> Emit:
    """Reserve stdout for events, and keep a copy of them on the volume; what others print goes to stderr."""
    (run / EVENTS).mkdir(exist_ok=True)
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    kept = (run / EVENTS / f"{time.time_ns():020}-{name}").open("w", encoding="utf-8")

    def emit(event: Event) -> None:
        text = "".join(f"{line}\n" for line in encode_line(event))
        for file in (stream, kept):
            file.write(text)
            file.flush()

    return emit


def evaluate(run: Path, what: str, names: list[str], emit: Emit) -> None:
    """Do one thing; raises what cwltool raises, and `_Failed`."""
    evaluation = Evaluation(run, emit)
    match what, names:
        case "begin", [folder]:
            Path(folder).mkdir()
            for node, known in evaluation.begin().items():
                Path(folder, node).write_text(known, encoding="utf-8")
        case "list", [node, file]:
            write_json(Path(file), evaluation.list_pods(node))
        case "prepare", [node, number]:
            evaluation.prepare(node, int(number))
        case "collect", [node, number]:
            evaluation.collect(node, int(number))
        case _:
            evaluation.finish()


def main(run: Path, what: str, *names: str) -> int:
    """Do one thing; every failure ends as an event and exit code 1."""
    filter_calls(filter_launcher(os.uname().machine))
    emit = _open_stream(run, "-".join([*(Path(name).name for name in names[:1]), what]))
    os.chdir(run)
    report_messages(lambda line: None if line.severity == "info" else emit(line))
    try:
        evaluate(run, what, list(names), emit)
    except _Failed:
        return 1
    except (WorkflowException, SchemaSaladException, OSError) as error:
        emit(EngineLine("error", str(error)))
        return 1
    except Exception as error:  # noqa: BLE001 the entry point of the process: whatever cwltool raises is its answer
        traceback.print_exc()
        emit(EngineLine("error", f"internal error of cwltool: {type(error).__name__}: {error}"))
        return 1
    return 0
