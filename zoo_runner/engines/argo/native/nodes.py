"""Names of the containers of a step's pod, and how a pod says which node it is."""

PREPARE, TOOL, COLLECT = "prepare", "tool", "collect"
LIST, FINISH, BEGIN = "list", "finish", "begin"
NUMBERS_FILE = "/tmp/numbers.json"
"""Where Argo reads for which jobs of a step it starts pods."""
CHOICES_FOLDER = "/tmp/choices"
"""Where Argo reads what is clear of the steps once the inputs are there: a file for each.

It has the numbers of the pods of an open step that needs no other, or, where the job continues another, one of the
words below for a step with one job: whether it needs a pod.
"""
NEEDED, REUSED = "needed", "reused"
NODE_ANNOTATION = "zoo-runner/node"
JOBS_PER_POD = "jobs_per_pod"
"""How many jobs of a small step may share a pod, in the settings of steps that stage-in reads."""
MARKS = "marks"
"""What a job that continues another says of the images of its steps (`images`)."""


def name_list(step: str) -> str:
    """Name the node that finds the jobs of a scattered or conditional step; no step's own name begins so."""
    return f"list-{step.removeprefix('step-')}"
