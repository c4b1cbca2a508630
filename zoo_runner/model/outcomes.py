"""The one place where exceptions become the outcome of a job."""

import errno
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from zoo_runner.model.diagnosis import Level, Stage
from zoo_runner.model.errors import DismissedError, EngineError, JobBusyError, NotReachedError, RunnerError
from zoo_runner.model.events import mask_texts
from zoo_runner.model.job import Outcome, Results, Status
from zoo_runner.model.masking import Masker
from zoo_runner.model.portable import make_text_portable
from zoo_runner.model.printable import make_lines

DEFECT = RunnerError.default_code
"""The code of an error that nobody foresaw."""


def catch_outcome(
    work: Callable[[], Results], masker: Masker, log: str | None = None, keep_trace: Callable[[str], object] = str
) -> Outcome:
    """Do a piece of work and return how it ended; `keep_trace` gets the trace of an internal error, masked.

    Raises `NotReachedError` and `JobBusyError`, which say nothing of the job.
    """
    try:
        return Outcome(Status.SUCCESSFUL, work())
    except (NotReachedError, JobBusyError):
        raise
    except Exception as error:  # noqa: BLE001 the entry point of the job: an internal error must not lose its logs
        failure = error if isinstance(error, RunnerError) else build_defect(error)
        if failure.diagnosis.code == DEFECT:
            with suppress(OSError):  # a full disk is often why: the outcome counts more than the trace
                keep_trace(masker.mask("".join(traceback.format_exception(error))))
        return build_failure(failure, masker, log)


def build_failure(error: RunnerError, masker: Masker | None = None, log: str | None = None) -> Outcome:
    """Return the outcome of a job that ended with an error; what it quotes has no colours of terminals."""
    status = Status.DISMISSED if isinstance(error, DismissedError) else Status.FAILED
    mask = masker.mask if masker else str
    diagnosis = error.diagnosis.masked(lambda text: make_lines(mask(text)))
    return Outcome(status, diagnosis=replace(diagnosis, log=log), exit_code=error.exit_code)


def restore_error(outcome: Outcome) -> RunnerError | None:
    """Return the error that a job ended with, in another process or release; None for one without a diagnosis.

    What decides its class is the exit code.
    """
    if outcome.diagnosis is None:
        return None
    kinds = [kind for kind in RunnerError.__subclasses__() if kind.exit_code == outcome.exit_code]
    return (kinds or [EngineError])[0].restore(outcome.diagnosis)


def has_failed_in_stage_out(outcome: Outcome | None) -> bool:
    """Whether a job failed while its results were stored, for whatever reason, so that they may have been kept."""
    failed = outcome is not None and outcome.status is Status.FAILED
    return bool(failed and outcome and outcome.diagnosis and outcome.diagnosis.stage is Stage.STAGE_OUT)


def may_have_kept(outcome: Outcome | None) -> bool:
    """Whether the engine of a job may have kept something of it: its results, or what its steps did.

    Of a job that was dismissed, it keeps what that got from the job which it continues.
    """
    return bool(outcome and outcome.status in (Status.FAILED, Status.DISMISSED))


def build_defect(error: BaseException) -> RunnerError:
    """Describe an error that no part of a job has explained: a full disk, or one that nobody foresaw."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _build_disk_full(error)
    return EngineError(
        f"internal error: {type(error).__name__}: {error}",
        "Report it with the job log; the job itself may be sound.",
        level=Level.ENGINE,
        code=DEFECT,
    )


def _build_disk_full(error: OSError) -> RunnerError:
    what = f"cannot write {error.filename}" if error.filename else "a file of the job cannot be written"
    return EngineError(
        f"the disk is full: {what} ({error.strerror})",
        "Free space, or give the job a larger disk: ZOO_RUNNER_SCRATCH, on a cluster DEFAULT_VOLUME_SIZE.",
        code="resources.disk-full",
    )


def mask_outcome(outcome: Outcome, masker: Masker) -> Outcome:
    """Return an outcome as it may be stored: without secrets, and of text that every store can hold."""

    def write(text: str) -> str:
        return make_text_portable(masker.mask(text))

    return replace(
        outcome,
        results=outcome.results.masked(masker) if outcome.results else None,
        diagnosis=outcome.diagnosis.masked(write) if outcome.diagnosis else None,
        usage=tuple(mask_texts(step, write) for step in outcome.usage),
        published=write(outcome.published) if outcome.published else None,
        reused=tuple(mask_texts(step, write) for step in outcome.reused),
    )
