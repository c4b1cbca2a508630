"""What the results of a job take, as the database keeps it until they are removed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StoredResults:
    """The results of a job: whose they are, where they lie, what they take, and when they were stored (ISO 8601).

    They outlive the record of their job.
    """

    job_id: str
    workspace: str
    destination: str
    size_bytes: int
    stored: str
