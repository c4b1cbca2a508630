"""Identity, computed: job id → folder and file names that are valid for any input and never collide."""

import keyword
import re
import sys
import uuid
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from zoo_runner.errors import JobNotFoundError, Level, PackageError, SettingsError

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
_PROCESS_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_NEEDED_MODULES = (
    "zoo zoo_runner staging stagein stageout cwltool schema_salad ruamel pycurl obstore kubernetes urllib3 pystac"
    # what the kernel's own services are and import
    " DeployProcess UndeployProcess DetectEntrypoint NotifyProcess deploy_util security_service service jwts ZooStub"
    " runDismiss securityIn browse Notify cookiecutter jinja2 yaml psycopg2 loguru jwt cwl_loader cwl2ogc cwl_utils"
)
RESERVED_NAMES = frozenset(
    {*_NEEDED_MODULES.split(), *(name for name in sys.stdlib_module_names if not name.startswith("_"))}
)
"""Modules that a deployed process would stand in the way of: its folder is found before them."""
_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_NAME_LENGTH = 100
STAGE_LOGS = ("node_stage_in", "node_stage_out")
"""Names of the stages' logs, which platforms rely on."""


def new_job_id() -> str:
    """Make the id of a new job: a random UUID, as OGC API - Processes servers use."""
    return str(uuid.uuid4())


def check_job_id(job_id: str) -> str:
    """Return a job id that is safe as a file name, or raise `JobNotFoundError`: no such job can exist."""
    if not _JOB_ID.fullmatch(job_id) or ".." in job_id:
        raise JobNotFoundError(
            f"{job_id!r} is not a job id",
            "A job id has letters, digits, '-', '_' and '.'; `zoo-runner run` prints it first.",
        )
    return job_id


def accept_job_id(job_id: str) -> str:
    """Return an id that somebody gives to a new job, or raise `SettingsError`."""
    try:
        return check_job_id(job_id)
    except JobNotFoundError as error:
        raise SettingsError(
            error.diagnosis.cause,
            "Use letters, digits, '-', '_' and '.', or leave it out for one that is made up.",
            level=Level.USER,
        ) from error


def check_process_id(process_id: str) -> str:
    """Return a process id that a ZOO kernel can run, or raise `PackageError`.

    The kernel imports the module `<id>.service` and calls the function `<id>` with `-` as `_`.
    """
    function = process_id.replace("-", "_")
    if not _PROCESS_ID.fullmatch(process_id) or keyword.iskeyword(function):
        raise PackageError(
            f"a ZOO kernel cannot run a process of the id {process_id!r}",
            "Use a letter or '_', then letters, digits, '_' and '-', and no word of the Python language.",
        )
    if process_id in RESERVED_NAMES:
        raise PackageError(
            f"the process id {process_id!r} is the name of a Python module that services need",
            "Give the workflow another id.",
        )
    return process_id


def file_name(text: str) -> str:
    """Turn any text into a file name; what had to be changed gets a hash, so that two names never become one."""
    safe = _UNSAFE.sub("-", text).lstrip(".-")[:_NAME_LENGTH]
    if safe and safe == text:
        return safe
    return f"{safe or 'x'}-{sha256(text.encode()).hexdigest()[:8]}"


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
