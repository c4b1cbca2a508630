"""The rehearsal, from inside the job pod: tries the volume and the results store, and says how it went.

python -m zoo_runner.engines.jobpod.rehearsal [DESTINATION]     in the environment of stage-out, as a job pod has it
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from zoo_runner.engines.cluster.manifests import WORK_FOLDER
from zoo_runner.engines.cluster.podlog import Ended, encode_line
from zoo_runner.errors import EngineError, RunnerError
from zoo_runner.pipeline import probe_destination


def rehearse(folder: Path, destination: str | None, environ: Mapping[str, str]) -> Ended:
    """Write to the volume and to where results shall go; what was written is removed again."""
    try:
        _try_volume(folder)
        if destination:
            probe_destination(destination, environ, "doctor", "doctor")
    except RunnerError as error:
        return Ended(None, error.diagnosis, type(error).__name__)
    return Ended()


def _try_volume(folder: Path) -> None:
    try:
        (folder / "rehearsal").touch()
        (folder / "rehearsal").unlink()
    except OSError as error:
        raise EngineError(
            f"the volume cannot be written to by user {os.getuid()} of the job pod: {error.strerror}",
            "Have the storage class give its volumes to the group of ZOO_RUNNER_RUN_AS_USER (fsGroup), or set another.",
        ) from error


if __name__ == "__main__":
    _ended = rehearse(Path(WORK_FOLDER), next(iter(sys.argv[1:]), None), os.environ)  # noqa: TID251 the pod's one place
    sys.stdout.write("".join(f"{line}\n" for line in encode_line(_ended)))
