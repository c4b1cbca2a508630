"""Packages of one step that runs a shell script, for tests on a cluster."""

import json
from pathlib import Path
from typing import Any

from tests.cluster import kubectl
from tests.site import Site

DEBIAN = "docker.io/library/debian:bookworm-slim"
# says a first line and waits to be let go, so that what a test looks at meanwhile is there, however slow the machine
WAITS = "mkfifo /var/tmp/go; echo begun >&2; read go < /var/tmp/go"
# stays until its pod is deleted; started again, in the same folder, it ends
STAYS_AT_FIRST = "[ ! -e begun ] || { echo done; exit 0; }; touch begun; echo begun >&2; sleep 300"


def let_go(site: Site, namespace: str, pod: str) -> None:
    """Let a step that `WAITS` go on."""
    try:
        kubectl(site, "exec", pod, "-n", namespace, "--", "sh", "-c", "echo go > /var/tmp/go")
    except AssertionError as error:
        # the step may end, and this shell with it, before the shell does
        if "exit code 137" not in str(error):
            raise


def write_package(folder: Path, script: str, image: str = DEBIAN, **asks: Any) -> Path:
    """A workflow of one step `work` whose output `text` is what the script prints; `asks` are its resources."""
    resources = {"class": "ResourceRequirement", "coresMin": 0.1, "coresMax": 1, "ramMin": 32, "ramMax": 128, **asks}
    tool = {
        "class": "CommandLineTool",
        "id": "tool",
        "requirements": [{"class": "DockerRequirement", "dockerPull": image}, resources],
        "baseCommand": ["sh", "-c", script],
        "inputs": {},
        "stdout": "out.txt",
        "outputs": {"text": "stdout"},
    }
    flow = {
        "class": "Workflow",
        "id": "flow",
        "inputs": {},
        "outputs": {"text": {"type": "File", "outputSource": "work/text"}},
        "steps": {"work": {"run": "#tool", "in": {}, "out": ["text"]}},
    }
    path = folder / "flow.cwl"
    path.write_text(json.dumps({"cwlVersion": "v1.2", "$graph": [flow, tool]}))
    return path
