"""Names of the containers of a step's pod, and how a pod says which node it is."""

PREPARE, TOOL, COLLECT = "prepare", "tool", "collect"
LIST, FINISH, REUSE = "list", "finish", "reuse"
NUMBERS_FILE = "/tmp/numbers.json"
"""Where Argo reads for which jobs of a step it starts pods."""
CHOICES_FOLDER = "/tmp/choices"
"""Where Argo reads which steps of a job that continues another need a pod: a file for each, with one of these words."""
NEEDED, REUSED = "needed", "reused"
NODE_ANNOTATION = "zoo-runner/node"
MARKS = "marks"
"""What a job that continues another says of the images of its steps (`images`)."""


def name_list(step: str) -> str:
    """Name the node that finds the jobs of a scattered or conditional step; no step's own name begins so."""
    return f"list-{step.removeprefix('step-')}"
