"""Main program of a script that `zoo-runner hera run` starts: configures Hera, then runs the script unmodified.

Arguments: the script and its own arguments. What is changed in Hera, for 5.6 and 7: host, namespace, service account
and token are configured; a token may have the word Bearer or not; `Workflow.wait` waits while a workflow is pending
(Hera 7.1 takes that for its end) and while the server is away; each workflow that the script submits is reported to the
command, which follows it. Where only its first workflow is asked for, that is written down in place of being
submitted, and the script ends there.
"""

import json
import os
import re
import runpy
import sys
import threading
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any

import requests
from hera.exceptions import InternalServerError
from hera.shared import global_config
from hera.workflows import Workflow, WorkflowsService

_ENVIRON = os.environ  # noqa: TID251 the entry point of a process of its own
# requests' own errors, which are those of the connection, or of an answer that is not JSON; and 5xx
_AWAY = (requests.RequestException, InternalServerError)
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


def _write_first(method: str, place: str) -> None:
    """Have the request for a workflow written down, and end: nothing of the script runs after that."""

    def call(_service: Any, req: Any, *_args: Any, **_options: Any) -> None:
        request = json.loads(req.json(exclude_none=True, by_alias=True, exclude_unset=True, exclude_defaults=True))
        Path(place).write_text(json.dumps(request), encoding="utf-8")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)

    setattr(WorkflowsService, method, call)


def _accept_bearer() -> None:
    """Let a token that scripts set have the word Bearer: Hera 5.6 writes it before every token, also before that."""
    if WorkflowsService(host="http://localhost", token="x").token != "x":
        return
    original = WorkflowsService.__init__

    @wraps(original)
    def init(self: Any, *args: Any, **options: Any) -> None:
        original(self, *args, **options)
        if self.token:
            self.token = re.sub(r"(?i)^bearer\s+", "", self.token)

    WorkflowsService.__init__ = init  # type: ignore[method-assign]


def wait(self: Any, poll_interval: int = 5) -> Any:
    """Wait until the workflow ends, also while it is pending, and while the server is away; return it.

    The command that runs the script shows the progress.
    """
    pause = threading.Event()
    while True:
        service = self.workflows_service or WorkflowsService()
        with suppress(*_AWAY):
            found = service.get_workflow(self.name, namespace=self.namespace or global_config.namespace)
            if getattr(found.status, "phase", None) in _ENDED:
                return found
        pause.wait(poll_interval)


def main() -> None:
    """Run the script as `python SCRIPT ARGUMENTS…` would."""
    script = sys.argv[1]
    sys.argv = sys.argv[1:]
    sys.path[0] = str(Path(script).resolve().parent)
    configure()
    _accept_bearer()
    place = _ENVIRON.get("ZOO_RUNNER_HERA_FIRST")
    for method in ("create_workflow", "submit_workflow"):
        _write_first(method, place) if place else _record(method)
    Workflow.wait = wait  # type: ignore[method-assign]
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main()
