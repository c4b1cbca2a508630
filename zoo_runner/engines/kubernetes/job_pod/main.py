"""Starts the Calrissian launcher, in Calrissian's own virtual environment.

Calrissian's own module for Kubernetes is never used and would load the whole Kubernetes client, which takes a third
of the time until the first step starts. A stand-in with the two names that others import from it takes its place.
"""

import json
import os
import sys
from pathlib import Path
from types import ModuleType


class CompletionResult:
    """How a step ended, as Calrissian's code passes it on."""

    def __init__(self, exit_code: int, tool_log: list[str]) -> None:
        self.exit_code, self.tool_log = exit_code, tool_log


class KubernetesClient:
    """Imported by Calrissian's code and never instantiated."""


def main() -> None:
    """Launch, and exit without tearing the interpreter down, because nothing is left to save."""
    stand_in = ModuleType("calrissian.k8s")
    vars(stand_in).update(CompletionResult=CompletionResult, KubernetesClient=KubernetesClient)
    sys.modules["calrissian.k8s"] = stand_in
    from zoo_runner.engines.kubernetes.job_pod.launcher import launch

    spec = json.loads(Path(sys.argv[1]).read_text())
    secrets = {name: os.environ[name] for name in spec["steps"]["secret_inputs"]}  # noqa: TID251 the launcher's entry point
    code = launch(spec, secrets)
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
