"""First process of the container that evaluates a package: the Calrissian launcher, in its own virtual environment.

python -m zoo_runner.engines.kubernetes.job_pod.main FOLDER [patient]

FOLDER is where the other container offers its socket; `patient`: once it has begun, which may take hours.

Calrissian's own module for Kubernetes is never used and would load the whole Kubernetes client, which takes a third
of the time until the first step starts. A stand-in with the two names that others import from it takes its place.
"""

import os
import signal
import sys
from pathlib import Path
from types import ModuleType

from zoo_runner.engines.cwl_process.javascript_process import filter_calls
from zoo_runner.engines.cwl_process.postponed import postpone
from zoo_runner.engines.cwl_process.system_calls import filter_launcher
from zoo_runner.engines.kubernetes.job_pod.channel import JOIN_SECONDS, join
from zoo_runner.engines.kubernetes.job_pod.lean import loading
from zoo_runner.engines.kubernetes.job_pod.steps import Steps
from zoo_runner.engines.kubernetes.manifests import PATIENT


class CompletionResult:
    """How a step ended, as Calrissian's code passes it on."""

    def __init__(self, exit_code: int, tool_log: list[str]) -> None:
        self.exit_code, self.tool_log = exit_code, tool_log


class KubernetesClient:
    """Imported by Calrissian's code and never instantiated."""


def main() -> None:
    """Launch, and exit without tearing the interpreter down, because nothing is left to save."""
    # the first process of a container ignores signals that it does not handle
    signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))
    stand_in = ModuleType("calrissian.k8s")
    vars(stand_in).update(CompletionResult=CompletionResult, KubernetesClient=KubernetesClient)
    sys.modules["calrissian.k8s"] = stand_in
    postpone()
    with loading():
        from zoo_runner.engines.kubernetes.job_pod.launcher import launch

    # before there is another thread: it needs no network, and the package must not have that of the pod
    filter_calls(filter_launcher(os.uname().machine))
    channel, printed = join(Path(sys.argv[1]), None if PATIENT in sys.argv[2:] else JOIN_SECONDS)
    for stream in (1, 2):
        os.dup2(printed, stream)
    messages = channel.receive()
    launch(next(messages)["spec"], Steps(channel, messages))
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
