"""The parameters of a launcher that are the same on every engine; pure."""

from pathlib import Path
from typing import Any

from zoo_runner.engines.protocol import JobSpec

PACKAGE, ORDER = "package.json", "order.json"
"""The packed document and the job order of a run, in its folder."""


def build_launch_parameters(job: JobSpec, scratch: Path) -> dict[str, Any]:
    """Name the files of a run in `scratch`, as the launchers read them (`loading.build_context_fields`)."""
    return {
        "package": str(scratch / PACKAGE),
        "entry": job.package.entry,
        "order": str(scratch / ORDER),
        "outputs": str(scratch / "outputs.json"),
        "output_folder": str(scratch / "outputs"),
        "scratch": str(scratch),
        "name": job.workflow_id,
    }
