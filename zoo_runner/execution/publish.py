"""Stores logs and record of a job beside its results in object storage; removes those of a dismissed job."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any

from zoo_runner.config.folders import RESULTS_DOCUMENT, JobPaths
from zoo_runner.engines.pipeline import load_stage_out_options
from zoo_runner.execution.job_log import JobLog
from zoo_runner.model.diagnosis import Level, Stage
from zoo_runner.model.events import EngineLine, Published, Report
from zoo_runner.model.job import Outcome, Results
from zoo_runner.model.workspace import StorageProfile
from zoo_staging.cancel import Cancellation as Switch
from zoo_staging.destination import is_object_storage
from zoo_staging.errors import StagingError

# a store that does not answer delays no job for longer
_PUBLISH_SECONDS, _PUBLISH_SECONDS_PER_FILE = 20.0, 0.2
_DISCARD_SECONDS = 60.0


def publish_logs(
    log: JobLog,
    destination: str,
    storage: StorageProfile,
    outcome: Outcome,
    report: Report,
) -> None:
    """Put job log, step logs, usage report and results document beside the results in object storage, masked.

    They are stored below `logs/<job id>`, so that jobs with one destination stay apart. A job never fails for it.
    Results that go to a folder are on this machine, as its logs are: nothing is stored there.
    """
    results, diagnosis = outcome.results, outcome.diagnosis
    away = diagnosis and (diagnosis.stage, diagnosis.level) == (Stage.STAGE_OUT, Level.PLATFORM)
    if away or not is_object_storage(destination):
        return
    try:
        href = _put(log, destination, storage, results)
    except Exception as error:  # noqa: BLE001 the boundary of what is beside the job: it never fails for its logs
        reason = str(error) if isinstance(error, StagingError) else f"{type(error).__name__}: {error}"
        report(EngineLine("warning", f"the logs could not be published: {reason}"))
    else:
        report(Published(href))


def publish_record(
    paths: JobPaths,
    destination: str,
    storage: StorageProfile,
    build_documents: Callable[[], Mapping[str, bytes]],
    report: Report,
) -> None:
    """Put the record of a job, and what belongs to it, beside its logs in object storage, by which it can be recovered.

    `build_documents` returns them by name. A job never fails for it.
    """
    if not is_object_storage(destination):
        return
    try:
        _put_beside(paths, destination, storage, {}, build_documents())
    except Exception as error:  # noqa: BLE001 the boundary of what is beside the job, as above
        reason = str(error) if isinstance(error, StagingError) else f"{type(error).__name__}: {error}"
        text = f"the record of the job could not be published, and `zoo-runner recover` will not find it: {reason}"
        report(EngineLine("warning", text))


def _put(log: JobLog, destination: str, storage: StorageProfile, results: Results | None) -> str:
    shown = {RESULTS_DOCUMENT: log.masker.mask_data(results.document)} if results else {}
    return _put_beside(log.paths, destination, storage, _find_logs(log.paths), shown)


def _put_beside(
    paths: JobPaths, destination: str, storage: StorageProfile, files: Mapping[str, Path], documents: Mapping[str, Any]
) -> str:
    from stageout.stage import put_beside

    with _pressed_after(_PUBLISH_SECONDS + _PUBLISH_SECONDS_PER_FILE * len(files)) as switch:
        options = load_stage_out_options(storage, paths.job_id, paths.workflow_id)
        return put_beside(files, documents, f"{destination.rstrip('/')}/logs/{paths.job_id}", options, switch)


def discard_partial_results(paths: JobPaths, destination: str, storage: StorageProfile, report: Report) -> None:
    """Remove what stage-out had stored of a job that was dismissed meanwhile; complete results stay.

    What cannot be removed does not change how the job ended: a warning says so.
    """
    from stageout.stage import discard_results

    try:
        with _pressed_after(_DISCARD_SECONDS) as switch:
            options = load_stage_out_options(storage, paths.job_id, paths.workflow_id)
            count = discard_results(destination, options, switch)
    except Exception as error:  # noqa: BLE001 the boundary of what is beside the job, as above
        reason = str(error) if isinstance(error, StagingError) else f"{type(error).__name__}: {error}"
        report(
            EngineLine("warning", f"partial results may be left at {destination}, see .stageout.json there: {reason}")
        )
    else:
        if count:
            report(EngineLine("info", f"partial results were removed from {destination}"))


@contextmanager
def _pressed_after(seconds: float) -> Iterator[Switch]:
    switch = Switch()
    timer = Timer(seconds, switch.cancel)
    timer.start()
    try:
        yield switch
    finally:
        timer.cancel()


def _find_logs(paths: JobPaths) -> dict[str, Path]:
    # the private name: others may have emptied the public folder, or put a link there
    story = paths.kept_log if paths.kept_log.is_file() else paths.job_log
    logs = {"job.log": story, **{path.name: path for path in sorted(paths.log_folder.glob("*.log"))}}
    found = {**logs, paths.usage.name: paths.usage}
    return {name: path for name, path in found.items() if path.is_file() and not path.is_symlink()}
