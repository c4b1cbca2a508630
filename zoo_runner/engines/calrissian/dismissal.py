"""How a Job is stopped for good; pure."""

from typing import Any

from zoo_runner.engines.kubernetes.names import Manifest

_DISMISSED = "zoo-runner/dismissed"
# suspended a Job is before it is started, too: that it was dismissed, the annotation says
DISMISSAL: dict[str, Any] = {"metadata": {"annotations": {_DISMISSED: "true"}}, "spec": {"suspend": True}}


def is_dismissed(job: Manifest | None) -> bool:
    """Whether a Job was stopped for good; one that is gone was not."""
    return job is not None and _DISMISSED in (job["metadata"].get("annotations") or {})
