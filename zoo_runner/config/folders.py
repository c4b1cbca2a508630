"""Where the files of a job lie, under the names that platforms rely on."""

from dataclasses import dataclass
from pathlib import Path

from zoo_runner.model.ids import file_name

STAGE_LOGS = ("node_stage_in", "node_stage_out")
"""Names of the stages' logs, which platforms rely on."""


@dataclass(frozen=True)
class JobPaths:
    """Where the files of one job lie.

    `temp` may be public and emptied by others; `record` is the job's private folder; `scratch` is removed at
    the end of the job.
    """

    workflow_id: str
    job_id: str
    temp: Path
    record: Path
    scratch: Path

    @property
    def job_log(self) -> Path:
        """The whole story of the job, under the name that platforms rely on."""
        return self.temp / f"{file_name(self.workflow_id)}_{self.job_id}_error.log"

    @property
    def kept_log(self) -> Path:
        """The same story once more, where nobody else removes it: a platform's dismissal empties `temp`."""
        return self.record / "job.log"

    @property
    def log_folder(self) -> Path:
        """Step logs, plan and usage report."""
        return self.temp / f"{file_name(self.workflow_id)}-{self.job_id}"

    def step_log(self, step: str) -> Path:
        """The log of one step; scattered steps arrive here already numbered.

        A step that is called like a stage does not get the stage's log.
        """
        name = f"step-{step}" if step in STAGE_LOGS else file_name(step)
        return self.log_folder / f"{name}.log"

    @property
    def stage_in_log(self) -> Path:
        """What was brought here and from where."""
        return self.log_folder / f"{STAGE_LOGS[0]}.log"

    @property
    def stage_out_log(self) -> Path:
        """What was put away and where."""
        return self.log_folder / f"{STAGE_LOGS[1]}.log"

    @property
    def plan(self) -> Path:
        """What was submitted."""
        return self.log_folder / "plan.json"

    @property
    def usage(self) -> Path:
        """What each step used."""
        return self.log_folder / "usage.json"
