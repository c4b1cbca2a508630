"""The program of the job pod (`pod_main`): takes one job through all its stages.

Every event is a line on stdout (`pod_log`); the last line is the outcome of the job. A pod that takes the place of one
that was lost runs the job from its beginning (`attempts`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo_runner.engines.kept_outputs import reserve_record, try_to_write_record
from zoo_runner.engines.kubernetes.bundle import read_job, unpack_bundle
from zoo_runner.engines.kubernetes.client import Cluster
from zoo_runner.engines.kubernetes.job_pod.attempts import Attempts, wait_for_steps
from zoo_runner.engines.kubernetes.job_pod.pod import (
    PodOutput,
    PodSettings,
    conclude,
    evaluating,
    read_bundle,
)
from zoo_runner.engines.kubernetes.manifests import BUNDLE_FOLDER, OUTPUTS_FILE, RECORD_MODE, WORK_FOLDER
from zoo_runner.engines.pipeline import Staged, check_destination, run_stages
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.execution.job_log import JobLog
from zoo_runner.execution.publish import publish_logs
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.events import Event, Report, build_anew
from zoo_runner.model.job import Outcome, Status
from zoo_runner.model.masking import Masker
from zoo_runner.model.outcomes import mask_outcome

# on the node's own disk: a line is appended to it in microseconds, and no step mounts it
_LOG_FOLDER = "/tmp/logs"


def run_pod(settings: PodSettings, emit: PodOutput, cancellation: Cancellation) -> Outcome:
    """Take the job through its stages, publish its logs and return how it ended.

    The logs of a dismissed job are published by its follower, because Kubernetes gives this pod only seconds; those of
    a job that ran in several pods too, because this one has only the last part.
    """
    bundle, volume = read_bundle(Path(BUNDLE_FOLDER)), Path(WORK_FOLDER)
    job, steps = read_job(bundle, volume, Path(_LOG_FOLDER))
    attempts = Attempts(volume)
    # the inputs that the package declares secret are known now
    emit.masker = Masker([*settings.secrets, *job.secrets])
    with JobLog(job.paths, emit.masker, job.log_bytes, readers=job.readers) as log:

        def report(event: Event) -> None:
            log(event)
            emit(event)

        is_another = attempts.begin()
        if is_another and (ended := attempts.find_outcome()):
            return ended

        def work() -> Outcome:
            if is_another:
                report(build_anew(settings.owner["name"]))
                wait_for_steps(Cluster(settings.api), steps, settings.owner["uid"], cancellation)
                attempts.clear()
            unpack_bundle(bundle, volume)
            return _run_job(job, steps, settings, report, attempts, cancellation)

        outcome = conclude(work)
        results = outcome.results
        log.write_end(outcome.diagnosis, results.collection_href if results else None)
        if outcome.status is not Status.DISMISSED:
            publish_logs(log, job.destination, settings.storage, outcome, attempts.publish_for(emit))
        attempts.keep_outcome(mask_outcome(outcome, emit.masker))
    return outcome


def _run_job(
    job: JobSpec,
    steps: Mapping[str, Any],
    settings: PodSettings,
    emit: Report,
    attempts: Attempts,
    cancellation: Cancellation,
) -> Outcome:
    with (
        attempts.limited(job.time_limit_seconds, cancellation) as limited,
        evaluating(job, steps, settings, emit) as execution,
    ):
        check_destination(job, settings.storage)
        record, masker = Path(WORK_FOLDER) / OUTPUTS_FILE, Masker([*settings.secrets, *job.secrets])
        reserve_record(record, RECORD_MODE)

        def execute(staged: Staged) -> dict[str, Any]:
            outputs = execution.execute(staged, limited)
            # if they cannot be stored, they can be later
            try_to_write_record(record, outputs, masker, emit, RECORD_MODE)
            return outputs

        return Outcome(Status.SUCCESSFUL, run_stages(job, settings.storage, execute, emit, limited))
