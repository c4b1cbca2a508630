"""The logs of a job: what is there, and their files."""

import os
from pathlib import Path

from zoo_runner.model.errors import JobNotFoundError
from zoo_runner.model.job import FINAL, Job
from zoo_runner.server.api import Call
from zoo_runner.server.documents import Link, LogList

JOB_LOG = "job.log"
# what a disk takes as a name
_LONGEST_NAME_BYTES = 255


def list_logs(job: Job, call: Call) -> LogList:
    """List the logs of a job that exist now."""
    return {"links": list_links(job, call)}


def list_links(job: Job, call: Call) -> list[Link]:
    """Build the links to the logs, with the titles that platforms look for."""
    href = call.link("jobs", job.id, "logs")
    return [
        {
            "href": f"{href}/{name}",
            "rel": "related",
            "type": "text/plain",
            "title": "Job log" if name == JOB_LOG else f"Tool log {name}",
        }
        for name in list_names(job)
    ]


def list_names(job: Job) -> tuple[str, ...]:
    """List the names of the logs of a job that exist now, the job log first."""
    own = (JOB_LOG,) if Path(job.log).is_file() else ()
    return (*own, *sorted(path.name for path in Path(job.log_folder).glob("*.log")))


def find_log(job: Job, name: str) -> Path:
    """Return the file of a log by its name or step; raises `JobNotFoundError`."""
    path = locate_log(job, name)
    if not path.is_file():
        raise _build_missing(job, name)
    return path


def locate_log(job: Job, name: str) -> Path:
    """Return where a log lies, or will once its step begins; raises `JobNotFoundError` where there can be none."""
    file = f"{name.removesuffix('.log')}.log"
    path = Path(job.log) if file == JOB_LOG else Path(job.log_folder) / file
    is_name = (
        "/" not in name
        and "\0" not in name
        and not name.startswith(".")
        and len(os.fsencode(file)) <= _LONGEST_NAME_BYTES
    )
    if not is_name or (job.status in FINAL and not path.is_file()):
        raise _build_missing(job, name)
    return path


def _build_missing(job: Job, name: str) -> JobNotFoundError:
    remedy = "See /logs for those that there are."
    return JobNotFoundError(f"job {job.id} has no log {name!r}", remedy, code="job.no-log")
