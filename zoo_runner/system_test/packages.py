"""The packages that a system test deploys."""

import json
from typing import Any

_TOOL: dict[str, Any] = {
    "cwlVersion": "v1.2",
    "class": "CommandLineTool",
    "inputs": {"word": {"type": "string", "doc": "What is said."}},
    "outputs": {"said": {"type": "File", "outputBinding": {"glob": "said.txt"}}},
}
_SCRIPTS = {
    "echo": 'echo "said: $0" > said.txt; echo "system test says $0" >&2',
    "fails": 'echo "system test fails with $0" >&2; exit 3',
    "waits": 'echo "system test waits" >&2; sleep 900; echo "$0" > said.txt',
}


def build_package(kind: str, name: str, image: str | None) -> bytes:
    """Build the package that says a word (`echo`), ends with exit code 3 (`fails`), or takes long (`waits`).

    A Workflow of one step, as platforms expect; the id of the process is `name`.
    """
    tool: dict[str, Any] = {
        **_TOOL,
        "id": "speak",
        "baseCommand": ["sh", "-c", _SCRIPTS[kind]],
        "arguments": ["$(inputs.word)"],
    }
    if image:
        tool["requirements"] = {"DockerRequirement": {"dockerPull": image}}
    flow = {
        "class": "Workflow",
        "id": name,
        "label": f"System test: {kind}",
        "doc": "Deployed by a system test, which removes it at its end.",
        "inputs": {"word": {"type": "string", "label": "word", "doc": "What is said."}},
        "outputs": {"said": {"type": "File", "outputSource": "speak/said"}},
        "steps": {"speak": {"run": "#speak", "in": {"word": "word"}, "out": ["said"]}},
    }
    del tool["cwlVersion"]
    return json.dumps({"cwlVersion": "v1.2", "$graph": [flow, tool]}).encode()
