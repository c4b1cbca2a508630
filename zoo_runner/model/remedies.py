"""What to do, for who reads it: over HTTP, a remedy that names a command names the request instead, or whom to ask.

The remedies of all layers write commands as `zoo-runner NAME …`, between backticks.
"""

import re
from collections.abc import Mapping
from enum import Enum


class Readers(str, Enum):
    """Who reads what a job says: who runs commands here, clients of the API server, or those of ZOO."""

    __str__ = str.__str__

    COMMANDS = "commands"
    API = "api"
    ZOO = "zoo"


REQUESTS: Mapping[str, str] = {
    "cancel": "DELETE /jobs/{about}",
    "describe": "GET /processes/{id}",
    "hera logs": "GET /jobs/{id}/logs",
    "hera package": 'POST /processes {"executionUnit": {"type": "argo-workflow-template", "name": "{about}"}}',
    "jobs": "GET /jobs",
    "logs": "GET /jobs/{about}/logs",
    "publish": "POST /jobs/{about}/retry",
    "rerun": 'POST /selection {"action": "run-again", "jobs": ["{about}"]}',
    "results": "GET /jobs/{about}/results",
    "retry": "POST /jobs/{about}/retry",
    "run": "POST /processes/{id}/execution",
    "show": "GET /jobs/{about}",
    "validate": "POST /processes?dryRun=true",
}
"""The request that does what a command does, with what it is about: a job or a template."""
_OF_ZOO = ("cancel", "describe", "jobs", "results", "run", "show")
_BY_READERS: Mapping[Readers, Mapping[str, str]] = {
    Readers.API: REQUESTS,
    # it has none to run a job again, and no logs
    Readers.ZOO: {name: REQUESTS[name] for name in _OF_ZOO},
}
# none of them is in prose of other remedies, which may speak of zoo-runner itself
_COMMAND = re.compile(r"`zoo-runner (?P<name>hera [a-z]+|[a-z][-a-z]*)(?P<words>[^`]*)`")


def fit_remedy(remedy: str, readers: Readers = Readers.API) -> str:
    """Return a remedy for clients, who can run no command on the server's machine; for others it stays as it is.

    >>> fit_remedy("Run the job again: `zoo-runner rerun 7`")
    'Run the job again: `POST /selection {"action": "run-again", "jobs": ["7"]}`'
    >>> fit_remedy("Correct it; `zoo-runner plan` prints the manifests.")
    "Correct it; the operator's `zoo-runner plan` prints the manifests."
    >>> fit_remedy("Read `zoo-runner logs 7`.", Readers.ZOO)
    "Read the operator's `zoo-runner logs 7`."
    """
    requests = _BY_READERS.get(readers)
    return remedy if requests is None else _COMMAND.sub(lambda found: _translate(found, requests), remedy)


def _translate(found: re.Match[str], requests: Mapping[str, str]) -> str:
    request = requests.get(found["name"])
    if request is None:
        return f"the operator's {found[0]}"
    about = next((word for word in reversed(found["words"].split()) if not word.startswith("-")), "{id}")
    return f"`{request.replace('{about}', about.removeprefix('template/'))}`"
