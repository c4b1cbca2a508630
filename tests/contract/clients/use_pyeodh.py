"""pyeodh, the client of the Earth Observation Data Hub, as its users have it: only the address differs.

The client wants a host whose first label is one of its environments, so that this program resolves one itself.
"""

import json
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyeodh
from pyeodh.ades import Job

HOST = "test.hub.invalid"
server, address, package = urlsplit(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
resolve: Callable[..., Any] = socket.getaddrinfo
socket.getaddrinfo = lambda host, *more, **words: resolve(server.hostname if host == HOST else host, *more, **words)
ades = pyeodh.Client(f"http://{HOST}:{server.port}", "ws-one", "token").get_ades()


def wait(job: Job) -> str:
    """Wait until a job has ended; return its status."""
    while job.status in ("accepted", "running"):
        threading.Event().wait(0.1)
        job.refresh()
    return str(job.status)


def read_logs(job: Job) -> list[str]:
    """Read the logs that a job links to, as the hub's own tools do; return their titles."""
    links = [link for link in job.links if link.title and link.title.startswith("Tool log ")]
    assert all(ades._client._request_raw("GET", link.href).text for link in links)
    return sorted(link.title for link in links)


by_body = ades.deploy_process(cwl_yaml=package.read_text())
facts: dict[str, object] = {"deploy by body": by_body.id}
by_body.update(cwl_yaml=package.read_text().replace("label: Echo", "label: Replaced"))
facts["replace"] = by_body.title
by_body.delete()
by_address = ades.deploy_process(cwl_url=address)
job = by_address.execute({"message": "Hello"})
facts |= {
    "deploy by address": by_address.id,
    "list processes": [process.id for process in ades.get_processes()],
    "describe a process": list(ades.get_process("echo").inputs_schema),
    "execute, asynchronous": job.process_id,
    "status of a job": wait(job),
    "results": len(job.get_result_items()),
    "logs": read_logs(job),
}
# inputs that do not fit give a job that has failed, and not an error
facts["execute with wrong inputs"] = by_address.execute({"message": 7}).status
running = by_address.execute({"message": "Hello"})
running.delete()
facts["dismiss"] = running.status
facts["list jobs"] = [one.process_id for one in ades.get_jobs(limit=1)]
by_address.delete()
facts["undeploy"] = [process.id for process in ades.get_processes()]
json.dump(facts, sys.stdout)
