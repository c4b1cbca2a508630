"""Stage-out as a stage of a job: whatever ends it, the steps have succeeded, and that is said."""

from pathlib import Path
from typing import Any, NoReturn

import pytest

from stageout import stage
from tests.values import small_job
from zoo_runner.engines.pipeline import leaves_results, run_stage_out
from zoo_runner.model.cancellation import Cancellation, Reason
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.errors import RunnerError
from zoo_runner.model.events import Event
from zoo_runner.model.workspace import StorageProfile
from zoo_staging.errors import Kind, StagingError

ENDINGS: dict[str, Exception] = {
    "disk.full": StagingError(Kind.DISK_FULL, "s3://b/p", "the store answers 503", "Try again."),
    "runner.defect": RuntimeError("CPLE_NotSupported"),
}


def store(job: Any, cancellation: Cancellation) -> RunnerError:
    def ignore(event: Event) -> None:
        """Show nothing."""

    with pytest.raises(RunnerError) as caught:
        run_stage_out(job, StorageProfile(), {}, ignore, cancellation)
    return caught.value


@pytest.mark.parametrize("code", ENDINGS)
def test_whatever_goes_wrong_while_results_are_stored_is_of_stage_out(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise ENDINGS[code]

    monkeypatch.setattr(stage, "stage_out", fail)
    error = store(small_job(tmp_path), Cancellation())
    assert (error.diagnosis.code, error.diagnosis.stage) == (code, Stage.STAGE_OUT)
    assert leaves_results(error)
    assert ENDINGS[code] in (error, error.__cause__)


@pytest.mark.parametrize(("reason", "kept"), [(Reason.TIME_LIMIT, True), (Reason.DISMISSED, False)])
def test_a_job_that_is_stopped_then_leaves_results_unless_it_was_dismissed(
    reason: Reason, kept: bool, tmp_path: Path
) -> None:
    cancellation = Cancellation(5)
    cancellation.cancel(reason)
    error = store(small_job(tmp_path), cancellation)
    assert (error.diagnosis.stage, leaves_results(error)) == (Stage.STAGE_OUT, kept)
