"""ogc-api-processes-client of EOEPCA and Terradue, generated from the standard's OpenAPI document."""

import json
import sys
import threading

from ogc_api_processes_client import Configuration
from ogc_api_processes_client.api_client_wrapper import ApiClientWrapper

ASYNC = {"Content-Type": "application/json", "Prefer": "respond-async"}
client = ApiClientWrapper(Configuration(host=sys.argv[1]))


def execute() -> str:
    """Start a job; return its id."""
    return str(client.execute_simple("echo", {"inputs": {"message": "Hello"}}, _headers=dict(ASYNC)).job_id)


def wait(job: str) -> str:
    """Wait until a job has ended; return its status."""
    while (status := client.get_status(job).status.value) in ("accepted", "running"):
        threading.Event().wait(0.1)
    return str(status)


job = execute()
facts = {
    "landing page": client.get_landing_page().links[0].rel,
    "conformance": len(client.get_conformance_classes().conforms_to) > 0,
    "list processes": [process.id for process in client.get_processes().processes],
    "describe a process": list(client.get_process_description("echo").inputs),
    "execute, asynchronous": client.get_status(job).process_id,
    "status of a job": wait(job),
    "list jobs": [one.process_id for one in client.get_jobs().jobs],
    "results": list(client.get_result(job)),
    "dismiss": client.dismiss(execute()).status.value,
}
json.dump(facts, sys.stdout)
