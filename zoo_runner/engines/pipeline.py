"""Stage in → execute → stage out: the same three stages, in the same order, for every engine."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_runner.engines.protocol import Handle, JobSpec
from zoo_runner.inputs.file_objects import find_remote_files, refers_to_files
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.errors import (
    DismissedError,
    EngineError,
    NotReachedError,
    RunnerError,
    StageInError,
    StageOutError,
    ToolError,
)
from zoo_runner.model.events import EngineLine, Report, StageStarted
from zoo_runner.model.job import Results
from zoo_runner.model.outcomes import build_defect
from zoo_runner.model.package import Document, Package
from zoo_runner.model.workspace import StorageProfile
from zoo_runner.package.cwltypes import accepts_null, parse_outputs
from zoo_staging.cancel import Cancellation as Switch
from zoo_staging.destination import read_scheme
from zoo_staging.errors import StagingError, mask_href
from zoo_staging.progress import pace

if TYPE_CHECKING:
    from stagein.settings import StageInOptions
    from stageout.model import StageOutOptions


@dataclass(frozen=True)
class Staged:
    """What an engine runs: the job order and the packed document, both with local paths for what was fetched.

    `versions` is what the sources call the versions of fetched files, by path.
    """

    order: Mapping[str, Any]
    document: Document
    versions: Mapping[str, str] = field(default_factory=dict)


Execute = Callable[[Staged], dict[str, Any]]
"""Runs the CWL on what was staged and returns its output object."""


def run_stages(
    job: JobSpec, storage: StorageProfile, execute: Execute, report: Report, cancellation: Cancellation
) -> Results:
    """Take a job through its stages; raises the `RunnerError` of the stage that failed."""
    cancellation.check()
    staged = run_stage_in(job, storage, report, cancellation)
    cancellation.check()
    outputs = run_execute(job, staged, execute, report)
    return run_stage_out(job, storage, outputs, report, cancellation)


def run_execute(job: JobSpec, staged: Staged, execute: Execute, report: Report) -> dict[str, Any]:
    """Run the CWL of a job on what was staged; return its output object, whose names are those of the package."""
    report(StageStarted(Stage.EXECUTE, f"{job.workflow_id} ({job.package.cwl_version})"))
    outputs = execute(staged)
    _check_names(job.package, outputs)
    return outputs


def _check_names(package: Package, outputs: Mapping[str, Any]) -> None:
    """Refuse outputs that differ from those of the package: cwltool does not check what an ExpressionTool returns."""
    declared = {one.name: one for one in parse_outputs(package)}
    missing = [name for name, one in declared.items() if outputs.get(name) is None and not accepts_null(one.type)]
    unknown = [name for name in outputs if name not in declared]
    if missing or unknown:
        parts = {"missing": missing, "unknown": unknown}
        found = "; ".join(f"{what}: {', '.join(names)}" for what, names in parts.items() if names)
        raise ToolError(
            f"the results are not the outputs that {package.workflow_id!r} declares ({found})",
            "Compare what the expression returns with the outputs of the package.",
            code="step.output-type",
        )


def find_destination(destination: str) -> str:
    """Return a destination as every process can use it: of a folder the absolute path, of a URL the URL.

    Raises `StageOutError` for an invalid one, before anything is created.
    """
    with translated(StageOutError):
        return destination if read_scheme(destination) else os.path.abspath(destination)  # noqa: PTH100 not a path yet


def check_destination(job: JobSpec, storage: StorageProfile) -> None:
    """Find out before a long job starts whether its results can be stored; raises `StageOutError`."""
    probe_destination(job.destination, storage, job.id, job.workflow_id)


def probe_destination(destination: str, storage: StorageProfile, job_id: str, workflow_id: str) -> None:
    """Write a tiny object to a destination and delete it again; raises `StageOutError`."""
    from stageout.stage import check_destination as probe

    with translated(StageOutError, subject=destination):
        probe(destination, load_stage_out_options(storage, job_id, workflow_id))


def load_stage_in_options(storage: StorageProfile) -> "StageInOptions":
    """Read the options of stage-in; raises `StagingError`."""
    from stagein.settings import load_options

    return replace(load_options(storage.variables), allowed_roots=storage.allowed_roots)


def load_stage_out_options(storage: StorageProfile, job_id: str, workflow_id: str) -> "StageOutOptions":
    """Read the options of stage-out; raises `StagingError`."""
    from stageout.settings import load_options

    options = load_options(storage.variables, job_id, workflow_id).options
    return replace(options, public_base_url=storage.public_url)


def run_stage_in(job: JobSpec, storage: StorageProfile, report: Report, cancellation: Cancellation) -> Staged:
    """Fetch a job's inputs, and what its package refers to, to its scratch folder. Raises `StageInError`."""
    files = find_remote_files(job.package)
    if not files and not refers_to_files(job.order):
        return Staged(job.order, job.package.document)
    from stagein.stage import stage_in
    from zoo_runner.inputs.package_files import place_files

    report(StageStarted(Stage.STAGE_IN, str(job.paths.scratch / "inputs")))
    with translated(StageInError), switching(cancellation) as switch:
        folder = job.paths.scratch / "inputs"
        sources = list_sources(job)
        options, known = load_stage_in_options(storage), dict[Path, str]()
        staged = stage_in(sources, folder, options, pace(report), cancellation=switch, versions=known)
    local = {pointer: staged.pop(pointer) for pointer in files}
    document = place_files(job.package.document, local) if local else job.package.document
    return Staged(staged, document, {str(path): version for path, version in known.items()})


def list_sources(job: JobSpec) -> Mapping[str, Any]:
    """List what stage-in fetches: the inputs by name, with secondary files, and the package's own files by pointer.

    The name of an input has no slash, a pointer begins with one.
    """
    # imported where it is used: a job without files needs none of it
    from zoo_runner.inputs.neighbours import add_secondary_files

    return {**add_secondary_files(job.package, job.order), **find_remote_files(job.package)}


def run_stage_out(
    job: JobSpec, storage: StorageProfile, outputs: dict[str, Any], report: Report, cancellation: Cancellation
) -> Results:
    """Store the outputs of a job at its destination.

    Raises `StageOutError`, or another `RunnerError` of this stage: a time limit may pass here too.
    """
    from stageout.stage import stage_out

    report(StageStarted(Stage.STAGE_OUT, job.destination))
    with _storing(), translated(StageOutError), switching(cancellation) as switch:
        cancellation.check()
        options = replace(
            load_stage_out_options(storage, job.id, job.workflow_id),
            title=job.package.process.get("label"),
            outputs_folder=job.paths.scratch / "outputs",
            takes_files=True,
            optional=frozenset(one.name for one in parse_outputs(job.package) if accepts_null(one.type)),
        )
        put = stage_out(outputs, job.destination, options, pace(report), cancellation=switch)
    for warning in put.warnings:
        report(EngineLine("warning", f"stage-out: {warning}"))
    return Results(put.document, put.collection, put.collection_href, put.outputs, put.bytes)


@contextmanager
def _storing() -> Iterator[None]:
    """Have whatever ends a job from here on say that it did so in stage-out: its steps have succeeded."""
    try:
        yield
    except RunnerError as error:
        error.move_to(Stage.STAGE_OUT)
        raise
    except Exception as error:
        raise build_defect(error).move_to(Stage.STAGE_OUT) from error


def leaves_results(error: RunnerError) -> bool:
    """Whether the results of a job that ended so can be stored later: it was not dismissed, and its steps succeeded.

    Pure; of errors that were raised after the job had been started.
    """
    stage_out = error.diagnosis.stage is Stage.STAGE_OUT
    return stage_out and not isinstance(error, DismissedError | NotReachedError)


def build_nothing_kept(handle: Handle) -> EngineError:
    """Build the error of a job without results that wait to be published."""
    return EngineError(
        f"the engine {handle.engine} has kept no results of job {handle.job_id}",
        f"Run the job again: `zoo-runner rerun {handle.job_id}`",
        code="job.nothing-kept",
    )


def build_not_continuable(handle: Handle, why: str) -> EngineError:
    """Build the error of a job that no other job can continue."""
    return EngineError(
        f"job {handle.job_id} cannot be continued: {why}",
        f"Run it from its beginning: `zoo-runner rerun {handle.job_id}`",
        code="job.nothing-kept",
    )


@contextmanager
def switching(cancellation: Cancellation) -> Iterator[Switch]:
    """Give the switch that stops a stager when the job is cancelled."""
    switch = Switch()
    with cancellation.calling(switch.cancel):
        try:
            yield switch
        except StagingError:
            cancellation.check()
            raise


@contextmanager
def translated(kind: type[RunnerError], subject: str | None = None) -> Iterator[None]:
    """Translate the stagers' errors; `subject` is shown instead of an address that the user did not write."""
    try:
        yield
    except StagingError as error:
        cause = f"{mask_href(subject)}: {error.reason}" if subject else str(error)
        raise kind(cause, error.remedy, code=error.code) from error
