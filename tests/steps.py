"""Packages of one step that runs a shell script, for tests on a cluster."""

import json
from pathlib import Path
from typing import Any

DEBIAN = "docker.io/library/debian:bookworm-slim"


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
