"""Packages of one step that runs a shell script, for tests on a cluster."""

import json
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

from tests.cluster import kubectl
from tests.site import Site
from zoo_runner.model.events import Event, StepLines

DEBIAN = "docker.io/library/debian:bookworm-slim"
# says a first line and waits to be let go, so that what a test looks at meanwhile is there, however slow the machine
WAITS = "mkfifo /var/tmp/go; echo begun >&2; read go < /var/tmp/go"
# the same; it fails in a folder where an earlier attempt has left something
BEGINS_ANEW = f"[ ! -e begun ] || exit 9; touch begun; {WAITS}"


def find_pods(
    site: Site, namespace: str, selector: str, phases: Container[str] = frozenset({"Pending", "Running"})
) -> list[str]:
    """Names of the pods in some phases, that are not being deleted; by default those that have not ended.

    What a step prints may be here before the API says that its pod runs.
    """
    found = json.loads(kubectl(site, "get", "pods", "-n", namespace, "-l", selector, "-o", "json"))["items"]
    return [
        pod["metadata"]["name"]
        for pod in found
        if pod["status"]["phase"] in phases and "deletionTimestamp" not in pod["metadata"]
    ]


def let_go(site: Site, namespace: str, pod: str) -> None:
    """Let a step that `WAITS` go on."""
    try:
        kubectl(site, "exec", pod, "-n", namespace, "--", "sh", "-c", "echo go > /var/tmp/go")
    except AssertionError as error:
        # the step may end, and this shell with it, before the shell does
        if "exit code 137" not in str(error):
            raise


class Attempts:
    """Does something to the first attempt of a step that `BEGINS_ANEW`, and lets the next one go on."""

    def __init__(self, site: Site, namespace: str, selector: str, lose: Callable[[], object]) -> None:
        self._site, self._namespace, self._selector = site, namespace, selector
        self._lose, self.begun = lose, 0

    def __call__(self, event: Event) -> None:
        if not (isinstance(event, StepLines) and "begun" in event.lines):
            return
        self.begun += 1
        if self.begun == 1:
            self._lose()
            return
        for pod in find_pods(self._site, self._namespace, self._selector):
            let_go(self._site, self._namespace, pod)


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
