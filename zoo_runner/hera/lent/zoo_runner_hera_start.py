"""Main program of a script that `zoo-runner hera run` starts: configures Hera, then runs the script unmodified.

Arguments: the script and its own arguments. What is changed in Hera, for 5.6 and 7: host, namespace, service account
and token are configured; `Workflow.wait` waits while a workflow is pending (Hera 7.1 takes that for its end); each
workflow that the script submits is written to a file, so that the command can follow it.
"""

import os
import runpy
import sys
import threading
from functools import wraps
from pathlib import Path
from typing import Any

from hera.shared import global_config
from hera.workflows import Workflow, WorkflowsService

_ENVIRON = os.environ  # noqa: TID251 the door of a process of its own
_ENDED = ("Succeeded", "Failed", "Error")


def configure() -> None:
    """Configure Hera with the values of the environment, and a token that is read again for each service."""
    host = _ENVIRON.get("ZOO_RUNNER_HERA_HOST")
    if host:
        global_config.host = host
    global_config.namespace = _ENVIRON["ARGO_NAMESPACE"]
    global_config.token = lambda: Path(_ENVIRON["ZOO_RUNNER_HERA_TOKEN"]).read_text(encoding="utf-8").split("\n")[0]
    global_config.verify_ssl = _ENVIRON["ZOO_RUNNER_HERA_VERIFY"] == "true"
    if account := _ENVIRON.get("ARGO_SERVICE_ACCOUNT"):
        global_config.service_account_name = account


def _record(method: str) -> None:
    original = getattr(WorkflowsService, method)

    @wraps(original)
    def call(*args: Any, **options: Any) -> Any:
        created = original(*args, **options)
        with Path(_ENVIRON["ZOO_RUNNER_HERA_SUBMITTED"]).open("a", encoding="utf-8") as file:
            file.write(f"{created.metadata.namespace} {created.metadata.name}\n")
        return created

    setattr(WorkflowsService, method, call)


def wait(self: Any, poll_interval: int = 5) -> Any:
    """Wait until the workflow ends, also while it is pending; each change of its phase and progress is printed."""
    shown = None
    pause = threading.Event()
    while True:
        service = self.workflows_service or WorkflowsService()
        found = service.get_workflow(self.name, namespace=self.namespace or global_config.namespace)
        phase = getattr(found.status, "phase", None) or "Pending"
        news = f"{self.name}: {phase} {getattr(found.status, 'progress', None) or ''}".rstrip()
        if news != shown:
            print(news, file=sys.stderr, flush=True)  # noqa: T201 the progress of a script
            shown = news
        if phase in _ENDED:
            return found
        pause.wait(poll_interval)


def main() -> None:
    """Run the script as `python SCRIPT ARGUMENTS…` would."""
    script = sys.argv[1]
    sys.argv = sys.argv[1:]
    sys.path[0] = str(Path(script).resolve().parent)
    configure()
    for method in ("create_workflow", "submit_workflow"):
        _record(method)
    Workflow.wait = wait  # type: ignore[method-assign]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
