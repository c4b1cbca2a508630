"""Publishes the results that wait on the volume of a job, from inside a pod.

python -m zoo_runner.engines.kubernetes.job_pod.publishing GENERATION

It has the credentials of stage-out, and neither a token nor anything of the package that is evaluated.
"""

import json
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path

from zoo_runner.engines.kubernetes.bundle import read_job
from zoo_runner.engines.kubernetes.job_pod.pod import PodOutput, PodSettings, conclude, read_bundle, run_program
from zoo_runner.engines.kubernetes.manifests import BUNDLE_FOLDER, OUTPUTS_FILE, name_job_folder
from zoo_runner.engines.pipeline import run_stage_out
from zoo_runner.files import read_unlinked
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import EngineError
from zoo_runner.model.job import Outcome, Results, Status

# it writes no logs; who started it does
_LOG_FOLDER = "/tmp/logs"


def publish(settings: PodSettings, emit: PodOutput, cancellation: Cancellation) -> Outcome:
    """Store the outputs on the volume as results, and return how it went."""
    folder = Path(name_job_folder(int(sys.argv[1])))
    job, _ = read_job(read_bundle(Path(BUNDLE_FOLDER)), folder, Path(_LOG_FOLDER))

    def store() -> Results:
        try:
            outputs = json.loads(read_unlinked(folder / OUTPUTS_FILE))
        except FileNotFoundError:
            raise EngineError(
                f"the volume of job {job.id} has no results",
                f"Run the job again: `zoo-runner rerun {job.id}`",
                code="job.nothing-kept",
            ) from None
        return run_stage_out(job, settings.storage, outputs, emit, cancellation)

    return conclude(lambda: Outcome(Status.SUCCESSFUL, store()))


if __name__ == "__main__":
    _output = sys.stdout
    with redirect_stdout(sys.stderr):
        _code = run_program(publish, os.environ, _output)  # noqa: TID251 the pod's one place
    sys.stderr.flush()
    # threads of the storage library may abort a process that is torn down
    os._exit(_code)
