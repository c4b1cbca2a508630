"""OWSLib, `owslib.ogcapi.processes`."""

import json
import sys

from owslib.ogcapi.processes import Processes

client = Processes(sys.argv[1])
job = client.execute("echo", {"message": "Hello"}, async_=True)
results = client.execute("echo", {"message": "Hello"})
facts = {
    "landing page": client.links[0]["rel"],
    "conformance": len(client.conformance()["conformsTo"]) > 0,
    "OpenAPI document": client.api()["openapi"],
    "list processes": [process["id"] for process in client.processes()],
    "describe a process": list(client.process("echo")["inputs"]),
    "execute, asynchronous": job["processID"],
    "execute, synchronous": list(results),
}
json.dump(facts, sys.stdout)
