"""cuiman, the client of the Eozilla tools."""

import json
import sys
import threading

from cuiman import Client
from gavicore.models import ProcessRequest

ASYNC = {"Prefer": "respond-async"}
client = Client(api_url=sys.argv[1])


def execute() -> str:
    """Start a job; return its id."""
    return str(client.execute_process("echo", ProcessRequest(inputs={"message": "Hello"}), headers=ASYNC).jobID)


def wait(job: str) -> str:
    """Wait until a job has ended; return its status."""
    while (status := client.get_job(job).status.value) in ("accepted", "running"):
        threading.Event().wait(0.1)
    return str(status)


job = execute()
facts = {
    "landing page": client.get_capabilities().links[0].rel,
    "conformance": len(client.get_conformance().conformsTo) > 0,
    "list processes": [process.id for process in client.get_processes().processes],
    "describe a process": list(client.get_process("echo").inputs),
    "execute, asynchronous": client.get_job(job).processID,
    "status of a job": wait(job),
    "list jobs": [one.processID for one in client.get_jobs().jobs],
    "results": list(client.get_job_results(job).root),
    "dismiss": client.dismiss_job(execute()).status.value,
}
json.dump(facts, sys.stdout)
