"""cwltool's job of a step whose program runs in another container: it is prepared, later its outputs are found."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cwltool.context import RuntimeContext
from cwltool.errors import WorkflowException
from cwltool.job import CommandLineJob, relink_initialworkdir
from cwltool.loghandler import _logger as cwltool_logger

from zoo_runner.engines.argo.native.printed import Printed, read_exit_code
from zoo_runner.engines.argo.native.script import build_tool_script
from zoo_runner.engines.argo.native.slots import Slot, SlotJob
from zoo_runner.engines.cwl_process.confined import ConfinedMapper
from zoo_runner.engines.cwl_process.realfiles import RealFiles, describe_changes, list_staged_links
from zoo_runner.engines.cwl_process.reuse import Finished
from zoo_runner.engines.kubernetes.job_pod.used import parse_used
from zoo_runner.files import read_unlinked
from zoo_runner.model.events import Event, StepEnded, StepLines, StepStarted
from zoo_runner.package.yaml_values import keep_forms


class JobContext(RuntimeContext):
    """cwltool's context with what a job of this engine needs besides."""

    slot: Slot
    files: RealFiles
    emit: Callable[[Event], None]
    log_bytes: int
    finished: Finished


class NumberedMapper(ConfinedMapper):
    """Puts inputs into numbered folders: the second process that builds a job has to find what the first has staged."""

    def setup(self, referenced_files: Any, basedir: str) -> None:
        """Map the files that a job refers to, each into a folder of its own where cwltool wants that."""
        for number, one in enumerate(referenced_files):
            folder = f"{self.stagedir}/{number}" if self.separateDirs else self.stagedir
            self.visit(one, folder, basedir, copy=one.get("writable", False), staged=True)


class StepJob(CommandLineJob):
    """A job of a step."""

    def ensure_unchanged(self, slot: Slot) -> None:
        """Raise `WorkflowException` where an attempt that was lost changed its inputs, which others have too."""
        if changes := describe_changes(self.name, slot.read_inputs()) or _describe_replaced(self.name, slot):
            error = WorkflowException(changes)
            self._log_failure(error)
            raise error

    def run(self, runtimeContext: RuntimeContext, tmpdir_lock: Any = None) -> None:
        """Stage the inputs and write the script."""
        try:
            super().run(runtimeContext, tmpdir_lock)
        except WorkflowException as error:
            self._log_failure(error)
            raise

    def _required_env(self) -> dict[str, str]:
        # without the search path of this container
        return {"HOME": self.outdir, "TMPDIR": self.tmpdir}

    def _execute(self, runtime: list[str], env: Any, runtimeContext: Any, monitor_function: Any = None) -> None:
        context: JobContext = runtimeContext
        context.slot.keep_inputs(context.files.replace_links(list_staged_links(self)))
        words = [str(word) for word in self.command_line]
        if not words:
            raise WorkflowException("Cannot run a CommandLineTool that produces an empty command line.")
        entry = self.pathmapper.reversemap(self.stdin) if self.stdin else None
        script = build_tool_script(
            words,
            env,
            context.slot,
            stdin=entry[1] if entry else None,
            stdout=self.stdout,
            stderr=self.stderr,
        )
        context.slot.script.write_text(script)
        if not context.slot.place:
            self._report_start(context)

    def _report_start(self, context: JobContext) -> None:
        context.emit(StepStarted(self.name, " ".join(map(str, self.command_line)), time.time()))

    def collect(self, given: SlotJob, context: JobContext) -> bool:
        """Report what the program prints until it has ended; store the outputs, and return whether there are any."""
        slot = context.slot
        if slot.place:
            # the one before it in its pod has just ended
            self._report_start(context)
        for lines in Printed(slot, context.log_bytes).read():
            context.emit(StepLines(self.name, lines))
        code = read_exit_code(slot)
        if code is None:
            raise WorkflowException(f"the program of step {self.name!r} did not get to its end")
        used = parse_used(_read_text(slot.used))
        began = slot.began.stat().st_mtime if slot.began.exists() else time.time()
        context.emit(StepEnded(self.name, began, time.time(), code, used.cpu_seconds, used.peak_memory_mib))
        status = self._judge(code)
        if status != "success":
            cwltool_logger.warning("[job %s] exited with status: %d", self.name, code)
        try:
            outputs = self._find_outputs(code, context)
        except (WorkflowException, OSError) as error:
            self._log_failure(error)
            return False
        if status != "success":
            cwltool_logger.warning("[job %s] completed %s", self.name, status)
            return False
        context.finished.keep(given.key, given.order, keep_forms(outputs))
        return True

    def _find_outputs(self, code: int, context: JobContext) -> Any:
        slot = context.slot
        if changes := describe_changes(self.name, slot.read_inputs()) or _describe_replaced(self.name, slot):
            raise WorkflowException(changes)
        self._setup(context)
        if self.generatemapper is not None:
            relink_initialworkdir(self.generatemapper, self.outdir, self.builder.outdir, self.inplace_update)
        return self.collect_outputs(self.outdir, code)

    def _judge(self, code: int) -> str:
        """Judge an exit code (CWL v1.2, CommandLineTool, `successCodes`)."""
        if code in self.successCodes:
            return "success"
        if code in self.temporaryFailCodes:
            return "temporaryFail"
        return "success" if code == 0 and code not in self.permanentFailCodes else "permanentFail"

    def _log_failure(self, error: BaseException) -> None:
        cwltool_logger.error("[job %s] Job error:\n%s", self.name, error)
        cwltool_logger.warning("[job %s] completed permanentFail", self.name)


def _describe_replaced(step: str, slot: Slot) -> str | None:
    replaced = slot.find_replaced()
    return f"[job {step}] has put something else in the place of its folder {replaced}" if replaced else None


def _read_text(path: Path) -> str:
    try:
        return read_unlinked(path).decode(errors="replace")
    except OSError:
        return ""
