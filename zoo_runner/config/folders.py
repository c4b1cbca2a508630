"""Paths of a job's files, under the names that platforms rely on."""

from dataclasses import dataclass
from pathlib import Path

from zoo_runner.model.ids import file_name
from zoo_runner.model.workspace import Folders

STAGE_LOGS = ("node_stage_in", "node_stage_out")
"""Names of the stages' logs, which platforms rely on."""
RESULTS_DOCUMENT = "results.json"
"""Name of the results document beside the logs, where a platform refers to it."""


@dataclass(frozen=True)
class JobPaths:
    """Paths of the files of one job.

    `temp` may be public and emptied by others; `record` is the job's private folder; `scratch` is removed at
    the end of the job.
    """

    workflow_id: str
    job_id: str
    temp: Path
    record: Path
    scratch: Path

    @classmethod
    def build(cls, folders: Folders, workflow_id: str, job_id: str) -> "JobPaths":
        """Compute the paths of the files of a job of a workspace; pure."""
        return cls(workflow_id, job_id, folders.temp, folders.state / job_id, folders.scratch / job_id)

    @property
    def job_log(self) -> Path:
        """The job log, under the name that platforms rely on."""
        return self.temp / f"{file_name(self.workflow_id)}_{self.job_id}_error.log"

    @property
    def kept_log(self) -> Path:
        """A private copy of the job log: a dismissal by the platform empties `temp`."""
        return self.record / "job.log"

    @property
    def log_folder(self) -> Path:
        """Step logs, plan and usage report."""
        return self.temp / f"{file_name(self.workflow_id)}-{self.job_id}"

    def step_log(self, step: str) -> Path:
        """The log of one step; names of scattered steps have a number already.

        A step with the name of a stage does not get the stage's log.
        """
        name = f"step-{step}" if step in STAGE_LOGS else file_name(step)
        return self.log_folder / f"{name}.log"

    @property
    def stage_in_log(self) -> Path:
        """The log of stage-in."""
        return self.log_folder / f"{STAGE_LOGS[0]}.log"

    @property
    def stage_out_log(self) -> Path:
        """The log of stage-out."""
        return self.log_folder / f"{STAGE_LOGS[1]}.log"

    @property
    def plan(self) -> Path:
        """What was submitted (`Plan.describe`), as JSON, masked."""
        return self.log_folder / "plan.json"

    @property
    def usage(self) -> Path:
        """What each step used, as JSON: seconds, CPU seconds, peak memory in MiB, exit code."""
        return self.log_folder / "usage.json"
