"""The job record proper: private, one folder per job, kept whatever happens to the public logs."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from zoo_runner.config.folders import JobPaths
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.files import write_atomically
from zoo_runner.model.diagnosis import Diagnosis, Level, read_diagnosis
from zoo_runner.model.errors import DismissedError, JobNotFoundError, SettingsError
from zoo_runner.model.ids import check_job_id
from zoo_runner.model.job import Outcome, Results, Status
from zoo_runner.model.masking import Masker

FINAL = {Status.SUCCESSFUL, Status.FAILED, Status.DISMISSED}
_NEXT = {
    Status.ACCEPTED: {Status.RUNNING, *FINAL},
    Status.RUNNING: FINAL,
}


@dataclass(frozen=True)
class JobRecord:
    """What is known of a job; times are ISO 8601 in UTC, paths absolute."""

    id: str
    workflow_id: str
    status: Status
    engine: str
    created: str
    log: str
    log_folder: str
    destination: str
    updated: str
    results: Mapping[str, Any] | None = None
    collection: Mapping[str, Any] | None = None
    collection_href: str | None = None
    diagnosis: Mapping[str, Any] | None = None
    exit_code: int | None = None
    published: str | None = None
    uid: str = ""
    handle: Mapping[str, Any] | None = None

    def moved_to(self, status: Status) -> "JobRecord":
        """Return the record in its next state; a state that is final stays."""
        if status not in _NEXT.get(self.status, set()):
            raise ValueError(f"a job that is {self.status} cannot become {status}")
        return replace(self, status=status, updated=_now())


def new_record(job: JobSpec, engine: str) -> JobRecord:
    """Make the record of a job that was just accepted."""
    return JobRecord(
        id=job.id,
        workflow_id=job.workflow_id,
        status=Status.ACCEPTED,
        engine=engine,
        created=_now(),
        updated=_now(),
        log=str(job.paths.job_log),
        log_folder=str(job.paths.log_folder),
        destination=job.destination,
        uid=job.uid,
    )


def with_outcome(record: JobRecord, outcome: Outcome) -> JobRecord:
    """Return the record of a job that ended."""
    ended = replace(record.moved_to(outcome.status), exit_code=outcome.exit_code, published=outcome.published)
    if outcome.results:
        found = outcome.results
        ended = replace(
            ended, results=found.document, collection=found.collection, collection_href=found.collection_href
        )
    return replace(ended, diagnosis=_plain(outcome.diagnosis)) if outcome.diagnosis else ended


def with_failure(record: JobRecord, status: Status, diagnosis: Diagnosis, exit_code: int) -> JobRecord:
    """Return the record of a job that did not come to results."""
    return with_outcome(record, Outcome(status, diagnosis=diagnosis, exit_code=exit_code))


def record_failure(
    records: "Records", paths: JobPaths, diagnosis: Diagnosis, exit_code: int, status: Status = Status.FAILED
) -> JobRecord:
    """Keep a job that ended before or after its engine; what a record says of its end stays as it is."""
    try:
        record = records.load(paths.job_id)
    except JobNotFoundError:
        record = JobRecord(
            id=paths.job_id,
            workflow_id=paths.workflow_id,
            status=Status.ACCEPTED,
            engine="none",
            created=_now(),
            updated=_now(),
            log=str(paths.job_log),
            log_folder=str(paths.log_folder),
            destination="",
        )
    if record.status in FINAL:
        return records.save(replace(record, diagnosis=_plain(diagnosis), updated=_now()))
    return records.save(with_failure(record, status, diagnosis, exit_code))


class Records:
    """Job records in a folder, each in a folder of its own; writing is atomic and masked."""

    def __init__(self, folder: Path, masker: Masker) -> None:
        self._folder, self._masker = folder, masker

    def ensure_free(self, job_id: str) -> None:
        """Raise `SettingsError` where the id of a job is taken, before anything is said or done in its name."""
        if (self._folder / check_job_id(job_id) / "record.json").exists():
            raise _taken(job_id)

    def create(self, record: JobRecord) -> JobRecord:
        """Write the record of a new job and return it; raises `SettingsError` where its id is taken."""
        path = self._folder / check_job_id(record.id) / "record.json"
        draft = path.with_name(f".record.{os.getpid()}.draft")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft.write_bytes(self._encode(record))
            # the folder may be there already, with the log of a caller; a link is made for one of two, never both
            path.hardlink_to(draft)
        except FileExistsError:
            raise _taken(record.id) from None
        except OSError as error:
            raise SettingsError(
                f"the job record cannot be kept in {self._folder}: {error.strerror}",
                "Point ZOO_RUNNER_STATE to a folder that this user may write to.",
            ) from error
        finally:
            draft.unlink(missing_ok=True)
        return record

    def save(self, record: JobRecord) -> JobRecord:
        """Write a record and return it."""
        folder = self._folder / check_job_id(record.id)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(folder / "record.json", self._encode(record))
        return record

    def _encode(self, record: JobRecord) -> bytes:
        return json.dumps(self._masker.mask_data(asdict(record)), indent=2).encode()

    def load(self, job_id: str) -> JobRecord:
        """Read a record; raises `JobNotFoundError`."""
        path = self._folder / check_job_id(job_id) / "record.json"
        try:
            fields = json.loads(path.read_text())
        except FileNotFoundError:
            raise JobNotFoundError(
                f"there is no job {job_id!r} in {self._folder}",
                "Check the id, and that ZOO_RUNNER_STATE is what it was when the job ran.",
            ) from None
        return JobRecord(**{**fields, "status": Status(fields["status"])})


def _taken(job_id: str) -> SettingsError:
    return SettingsError(
        f"there is a job {job_id!r} already",
        "Leave --job-id away, or choose another; `zoo-runner logs` shows the one that is there.",
        level=Level.USER,
    )


def _plain(diagnosis: Diagnosis) -> dict[str, Any]:
    return asdict(diagnosis)


def read_outcome(record: JobRecord) -> Outcome:
    """Read how a job ended from its record; neither results nor diagnosis: it has not."""
    results = None
    if record.results is not None:
        results = Results(record.results, record.collection or {}, record.collection_href or "")
    diagnosis = read_diagnosis(record.diagnosis) if record.diagnosis else None
    status = record.status
    if status not in FINAL and (results or diagnosis):
        dismissed = record.exit_code == DismissedError.exit_code
        status = Status.SUCCESSFUL if results else Status.DISMISSED if dismissed else Status.FAILED
    return Outcome(status, results, diagnosis, record.exit_code or 0, published=record.published)


def find_running(state: Path) -> frozenset[str]:
    """Find the ids of the jobs in a folder that have not ended."""
    records = Records(state, Masker())
    ids = (path.parent.name for path in state.glob("*/record.json"))
    return frozenset(job_id for job_id in ids if records.load(job_id).status not in FINAL)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
