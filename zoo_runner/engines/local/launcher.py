"""Runs one packed CWL document with cwltool and tells what happens, event by event.

The one door to cwltool's executor, started by the supervisor in a process of its own that holds no credentials.
Argument: a JSON file with `package`, `entry`, `order`, `outputs` (file to write), `output_folder`, `scratch`, `name`,
`runtime` (podman, docker or null), `limits_memory` (bool), `memory_mib`, `cid_folder` and `remover` (as the
supervisor's). Events go as JSON lines to what was stdout.
"""

import contextlib
import json
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, cast

import cwltool.process
from cwltool.command_line_tool import CommandLineTool
from cwltool.context import LoadingContext, RuntimeContext
from cwltool.errors import WorkflowException
from cwltool.executors import MultithreadedJobExecutor
from cwltool.job import JobBase
from cwltool.load_tool import load_tool
from cwltool.loghandler import _logger as cwltool_logger
from cwltool.process import Process
from cwltool.utils import processes_to_kill
from cwltool.workflow import default_make_tool
from schema_salad.exceptions import SchemaSaladException

from zoo_runner.engines.cwl_process.links import find_fault
from zoo_runner.engines.cwl_process.loading import EXPRESSIONS, LOADING, EngineLog, open_event_stream
from zoo_runner.engines.cwl_process.supervisor import adopt_orphans, kill_descendants, remove_containers
from zoo_runner.engines.local.observed import Reporting, observe
from zoo_runner.engines.local.realfiles import RealFiles
from zoo_runner.engines.local.watch import Emit
from zoo_runner.model.events import EngineLine, encode_event


def _make_tool_maker(reporting: Reporting) -> Callable[..., Process]:
    class ObservedTool(CommandLineTool):
        def make_job_runner(self, runtimeContext: RuntimeContext) -> type[JobBase]:
            return observe(super().make_job_runner(runtimeContext), reporting)

        def collect_output_ports(self, *args: Any, **kwargs: Any) -> Any:
            outputs = super().collect_output_ports(*args, **kwargs)
            if fault := find_fault(outputs):
                raise WorkflowException(fault)
            return outputs

    def make_tool(document: Any, context: LoadingContext) -> Process:
        if document.get("class") == "CommandLineTool":
            return ObservedTool(document, context)
        return default_make_tool(document, context)

    return make_tool


def _stop_on_term(spec: dict[str, Any]) -> None:
    """On SIGTERM end the steps, then ourselves at once; the supervisor sees to whatever does not listen.

    Where the supervisor itself is gone, its work falls to us.
    """
    parent = os.getppid()
    # podman's monitors become children of this process, which so learns what their containers used
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


def _runtime_context(spec: dict[str, Any]) -> RuntimeContext:
    scratch = spec["scratch"]
    return RuntimeContext(
        {
            "name": spec["name"],
            "basedir": str(Path(spec["order"]).parent),
            "outdir": spec["output_folder"],
            "tmpdir_prefix": f"{scratch}/tmp/",
            "tmp_outdir_prefix": f"{scratch}/out/",
            "use_container": spec["runtime"] is not None,
            "cidfile_dir": spec["cid_folder"],
            "pull_image": False,
            # checksums are made where the results are put away, once
            "compute_checksum": False,
        }
    )


def _share_schema(package: Path) -> None:
    """Take cwltool's types of inputs from the schema of the package's own version.

    Otherwise it reads all of v1.0's schema for them, which is half of the time until the first step starts.
    """
    index = cwltool.process.get_schema(json.loads(package.read_text())["cwlVersion"])[3].idx
    cwltool.process.SCHEMA_ANY = cast(Any, index["https://w3id.org/cwl/salad#Any"])
    cwltool.process.SCHEMA_FILE = cast(Any, index["https://w3id.org/cwl/cwl#File"])
    cwltool.process.SCHEMA_DIR = cast(Any, index["https://w3id.org/cwl/cwl#Directory"])


def _build_reporting(spec: dict[str, Any], emit: Emit) -> Reporting:
    def tell(text: str) -> None:
        emit(EngineLine("info", text))

    return Reporting(emit, RealFiles(Path(spec["scratch"]), tell), spec["runtime"], spec["limits_memory"])


def run(spec: dict[str, Any], emit: Emit) -> int:
    """Execute and write the output object; 0 on success, 1 when the package failed."""
    make_tool = _make_tool_maker(_build_reporting(spec, emit))
    loading = LoadingContext({"construct_tool_object": make_tool, **LOADING})
    _share_schema(Path(spec["package"]))
    tool = load_tool(f"{Path(spec['package']).as_uri()}{spec['entry']}", loading)
    order = json.loads(Path(spec["order"]).read_text())
    executor = MultithreadedJobExecutor()
    # cwltool does not see the limit that a container sets to this very process
    executor.max_ram = min(executor.max_ram, spec["memory_mib"])
    outputs, status = executor.execute(tool, order, _runtime_context(spec), cwltool_logger)
    if status != "success":
        return 1
    Path(spec["outputs"]).write_text(json.dumps(outputs))
    return 0


def main(spec_file: str) -> int:
    """Run by the supervisor; every failure ends as an event and exit code 1."""
    emit: Emit = open_event_stream(lambda event: (encode_event(event),))
    spec = json.loads(Path(spec_file).read_text())
    _stop_on_term(spec)
    for logger in (cwltool_logger, logging.getLogger(EXPRESSIONS)):
        logger.handlers[:] = [EngineLog(emit)]
        logger.propagate = False
    # it does not know the hints that are extensions, which cwltool obeys all the same
    logging.getLogger("salad").setLevel(logging.ERROR)
    try:
        return run(spec, emit)
    except (WorkflowException, SchemaSaladException) as error:
        emit(EngineLine("error", str(error)))
        return 1
