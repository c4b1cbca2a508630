"""The smoke test, from inside the job pod: writes to the volume and to the results store, and reports how it went.

python -m zoo_runner.engines.kubernetes.job_pod.smoke_test DESTINATION PROTOCOL

It runs in the environment of stage-out, as a job pod does.

An empty destination means that none is checked; runners from before there were versions send no protocol.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from zoo_runner.config.workspace import load_storage_profile
from zoo_runner.engines.kubernetes.manifests import WORK_FOLDER
from zoo_runner.engines.kubernetes.pod_log import encode_line
from zoo_runner.engines.kubernetes.pod_network import find_network
from zoo_runner.engines.kubernetes.protocol import check_protocol
from zoo_runner.engines.pipeline import probe_destination
from zoo_runner.model.errors import EngineError, RunnerError
from zoo_runner.model.events import EngineLine
from zoo_runner.model.job import Outcome, Status
from zoo_runner.model.outcomes import build_failure
from zoo_runner.model.workspace import StorageProfile


def run_checks(folder: Path, words: Sequence[str], storage: StorageProfile) -> Outcome:
    """Write to the volume and to the destination of results; what was written is removed again.

    `words` are those of the command line. A runner with another protocol version is refused first.
    """
    destination, protocol, *_ = [*words, *("", "0")[len(words) :]]
    try:
        check_protocol(int(protocol))
        _try_volume(folder)
        if destination:
            probe_destination(destination, storage, "doctor", "doctor")
    except RunnerError as error:
        return build_failure(error)
    return Outcome(Status.SUCCESSFUL)


def _try_volume(folder: Path) -> None:
    try:
        (folder / "smoke-test").touch()
        (folder / "smoke-test").unlink()
    except OSError as error:
        raise EngineError(
            f"user {os.getuid()} of the job pod cannot write to the volume: {error.strerror}",
            "Use a storage class that gives its volumes to the group of ZOO_RUNNER_RUN_AS_USER (fsGroup).",
            code="cluster.volume",
        ) from error


if __name__ == "__main__":
    _environ = os.environ  # noqa: TID251 the entry point
    _outcome = run_checks(Path(WORK_FOLDER), sys.argv[1:], load_storage_profile(_environ))
    _host, _port = (_environ.get(f"KUBERNETES_SERVICE_{part}", "0") for part in ("HOST", "PORT"))
    _events: list[EngineLine | Outcome] = [*find_network(_host, int(_port)), _outcome]
    sys.stdout.write("".join(f"{line}\n" for event in _events for line in encode_line(event)))
