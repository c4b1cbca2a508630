"""Shared by the launchers: load a package, run it with cwltool, and turn its messages into events."""

import contextlib
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urldefrag, urljoin

from cwltool.context import LoadingContext, RuntimeContext
from cwltool.errors import WorkflowException
from cwltool.executors import JobExecutor
from cwltool.load_tool import load_tool
from cwltool.loghandler import _logger as cwltool_logger
from cwltool.pathmapper import PathMapper
from cwltool.process import Process
from cwltool.utils import visit_class
from cwltool.workflow import default_make_tool
from schema_salad.exceptions import SchemaSaladException
from schema_salad.fetcher import Fetcher

from zoo_runner.engines.cwl_process.binding import bind_inputs_here
from zoo_runner.engines.cwl_process.confined import (
    REFUSED,
    ConfinedAccess,
    ConfinedMapper,
    build_boundary,
    read_path,
)
from zoo_runner.engines.cwl_process.javascript import bounded_javascript
from zoo_runner.engines.cwl_process.links import find_fault, replace_links_to_inputs, translate_container_links
from zoo_runner.files import write_json
from zoo_runner.model.events import EngineLine
from zoo_runner.package.yaml_values import read_as_cwltool
from zoo_staging.boundary import Boundary

E = TypeVar("E")

_LOADING = {
    "do_validate": False,  # done once, when the package was resolved
    "strict": False,
    "disable_js_validation": True,
    "skip_schemas": True,
    "relax_path_checks": True,  # real products have names with spaces and brackets
}


_RUNNING = "Exception while running job: "


class ConfinedTool:
    """Mixin for cwltool's CommandLineTool: what a step takes and gives belongs to the job."""

    def make_path_mapper(
        self, reffiles: Any, stagedir: str, runtimeContext: RuntimeContext, separateDirs: bool
    ) -> PathMapper:
        """Map the files of a step; raises `WorkflowException` for one outside of the job."""
        required = self.get_requirement("DockerRequirement")[1]  # type: ignore[attr-defined]
        # CWL v1.2, InitialWorkDirRequirement: an absolute name is a place in the container
        any_target = bool(required and runtimeContext.use_container)
        make: Any = runtimeContext.path_mapper
        mapper: PathMapper = make(reffiles, runtimeContext.basedir, stagedir, separateDirs, any_target=any_target)
        return mapper

    def _initialworkdir(self, j: Any, builder: Any) -> None:
        try:
            super()._initialworkdir(j, builder)  # type: ignore[misc]
        except KeyError as error:
            # cwltool takes it for granted that each entry that is no File or Directory has a name
            place = f"#{str(self.tool['id']).rpartition('#')[2]}"  # type: ignore[attr-defined]
            step = f"[job {j.name}] " if j else ""
            what = f"an entry of InitialWorkDirRequirement at {place} has no {error.args[0]!r}"
            raise WorkflowException(f"{step}{what}") from error

    def collect_output_ports(self, ports: Any, builder: Any, outdir: str, *args: Any, **kwargs: Any) -> Any:
        """Collect the outputs; raises `WorkflowException` for a link that leads outside, to nothing or in a circle."""
        if builder.outdir != os.path.realpath(outdir):
            translate_container_links(Path(outdir), Path(builder.outdir), builder.pathmapper)
        outputs = super().collect_output_ports(ports, builder, outdir, *args, **kwargs)  # type: ignore[misc]
        boundary = builder.make_fs_access(outdir).boundary
        fault = find_fault(outputs, boundary) or replace_links_to_inputs(outputs, Path(outdir), boundary)
        if fault:
            raise WorkflowException(fault)
        return outputs


def load_document(spec: Mapping[str, Any], tool_class: Callable[[Any, LoadingContext], Process]) -> Process:
    """Load the packed document of a launcher's `spec`, with `tool_class` for its command line tools."""

    def make_tool(document: Any, context: LoadingContext) -> Process:
        if document.get("class") == "CommandLineTool":
            return tool_class(document, context)
        return default_make_tool(document, context)

    uri = Path(spec["package"]).as_uri()
    fetcher = {"fetcher_constructor": lambda *_: _PackageFetcher(uri)}
    return load_tool(
        f"{uri}{spec['entry']}", LoadingContext({"construct_tool_object": make_tool, **fetcher, **_LOADING})
    )


class _PackageFetcher(Fetcher):
    """Gives cwltool's loader the packed document, which has all that it refers to, and nothing else."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def fetch_text(self, url: str, content_types: list[str] | None = None) -> str:
        if urldefrag(url)[0] != self._uri:
            raise WorkflowException(f"{REFUSED}: the package refers to {url!r}, which was not packed with it")
        return Path(read_path(self._uri)).read_text(encoding="utf-8")

    def check_exists(self, url: str) -> bool:
        # links to files were checked when the package was resolved, and are again where a step takes them
        return True

    def urljoin(self, base_url: str, url: str) -> str:
        return urljoin(base_url, url)


def read_cwl_version(spec: Mapping[str, Any]) -> str:
    """Read the CWL version of the packed document."""
    return str(json.loads(Path(spec["package"]).read_bytes())["cwlVersion"])


def read_boundary(spec: Mapping[str, Any]) -> Boundary:
    """Build the boundary of a run; the job order is there."""
    earlier = map(Path, spec.get("earlier", ()))
    return build_boundary(Path(spec["scratch"]), _read_order(spec), spec.get("package_files", ()), earlier)


def build_context_fields(spec: Mapping[str, Any], boundary: Boundary) -> dict[str, Any]:
    """Build the fields of cwltool's `RuntimeContext` that are the same on every engine."""
    return {
        "make_fs_access": partial(ConfinedAccess, boundary),
        "path_mapper": partial(ConfinedMapper, boundary),
        "name": spec["name"],
        "basedir": str(Path(spec["order"]).parent),
        "outdir": spec["output_folder"],
        "tmpdir_prefix": f"{spec['scratch']}/tmp/",
        "tmp_outdir_prefix": f"{spec['scratch']}/out/",
        "pull_image": False,
        # checksums are computed when the results are stored, once
        "compute_checksum": False,
    }


@contextmanager
def evaluating_safely(spec: Mapping[str, Any]) -> Iterator[None]:
    """Have cwltool evaluate in this process as this project wants it, within the block: with bounded JavaScript."""
    bind_inputs_here()
    with bounded_javascript(spec.get("time_zone")):
        yield


def run_document(spec: Mapping[str, Any], tool: Process, executor: JobExecutor, context: RuntimeContext) -> bool:
    """Execute with the job order of `spec` and write the output object; False where the package failed."""
    _separate_outputs(executor)
    try:
        with evaluating_safely(spec):
            outputs, status = executor.execute(tool, _read_order(spec), context, cwltool_logger)
    except WorkflowException as error:
        raise WorkflowException(f"Cannot run the package: {error}") from error.__cause__ or error
    if status != "success":
        return False
    write_json(Path(spec["outputs"]), outputs)
    return True


def _separate_outputs(executor: JobExecutor) -> None:
    """Give cwltool outputs that share no object, before it moves them.

    It changes each File in place; one that is in several outputs, or twice in a list (`pickValue`, `linkMerge`), is the
    same object there, and its second change looks for the place that the first one gave it.
    """
    collect = executor.output_callback

    def collect_separated(outputs: Any, status: str) -> None:
        collect(_copy_apart(outputs), status)

    executor.output_callback = collect_separated  # type: ignore[method-assign, assignment]


def _copy_apart(node: Any) -> Any:
    # not deepcopy, which keeps one object for what is one object
    if isinstance(node, Mapping):
        return {name: _copy_apart(value) for name, value in node.items()}
    if isinstance(node, list | tuple):
        return [_copy_apart(one) for one in node]
    return node


def _read_order(spec: Mapping[str, Any]) -> dict[str, Any]:
    order: dict[str, Any] = json.loads(Path(spec["order"]).read_bytes(), parse_float=read_as_cwltool)
    visit_class(order, ("File",), _add_size_of_literal)
    return order


def _add_size_of_literal(file: Any) -> None:
    """Add the size of a File that is its contents, as cwltool does for job files that it reads itself."""
    if not {"path", "location", "size"} & set(file) and isinstance(file.get("contents"), str):
        file["size"] = len(file["contents"].encode())


def open_event_stream(encode: Callable[[E], Iterable[str]]) -> Callable[[E], None]:
    """Reserve stdout for events, as the lines that `encode` returns: all other output goes to stderr."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    lock = threading.Lock()

    def emit(event: E) -> None:
        with lock, contextlib.suppress(BrokenPipeError):
            stream.write("".join(f"{line}\n" for line in encode(event)))
            stream.flush()

    return emit


def report_messages(emit: Callable[[EngineLine], None], *names: str) -> None:
    """Turn the messages of cwltool and of the loggers with these names into events."""
    # the second evaluates expressions, and prints a traceback for each that fails if left alone
    for logger in (cwltool_logger, logging.getLogger("cwl_utils"), *map(logging.getLogger, names)):
        logger.handlers[:] = [_EngineLog(emit)]
        logger.propagate = False


def _add_cause(text: str) -> str:
    """Add the exception that is being handled: of what cwltool does not foresee, its messages have half or nothing."""
    cause = sys.exc_info()[1]
    if cause is None:
        return text
    what = f"{type(cause).__name__}: {cause}"
    if text == "Unhandled exception":
        return f"{text}: {what}"
    # errors of the system and of data have words of their own
    named = isinstance(cause, OSError | ValueError | WorkflowException | SchemaSaladException)
    return f"{_RUNNING}{what}" if text.startswith(_RUNNING) and not named else text


class _EngineLog(logging.Handler):
    """Turns log messages into events."""

    def __init__(self, emit: Callable[[EngineLine], None]) -> None:
        super().__init__(logging.INFO)
        self._emit = emit

    def emit(self, record: logging.LogRecord) -> None:
        """Report a message."""
        text = _add_cause(record.getMessage())
        severity = "error" if record.levelno >= logging.ERROR else record.levelname.lower()
        # the events of the step report this already, and advice on cwltool's command line does not apply here
        if severity == "warning" and (text.startswith(("[step ", "[workflow ")) or "Skipping Docker" in text):
            severity = "info"
        self._emit(EngineLine(severity, text))
