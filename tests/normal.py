"""The one normalisation under which results of two engines are compared (docs/kubernetes.md)."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)")
# a time may be written in whole seconds, and the clock of a node may be a little off
_SLACK = timedelta(seconds=2)


@dataclass
class Run:
    """What differs between two runs by right: the job's id, where its results went, and when it ran."""

    job_id: str
    destination: str
    begun: datetime
    ended: datetime

    def normalise(self, value: Any) -> Any:
        """Name the job, the destination and times within the run instead of giving them; all else stays as it is."""
        text = json.dumps(value, sort_keys=True)
        text = text.replace(self.destination, "<destination>").replace(self.job_id, "<job>")
        return json.loads(_TIME.sub(lambda match: self._name_time(match[0]), text))

    def _name_time(self, text: str) -> str:
        time = datetime.fromisoformat(text)
        return "<time of the run>" if self.begun - _SLACK <= time <= self.ended + _SLACK else text

    def list_files(self, folder: Path) -> dict[str, Any]:
        """Every file below a folder: JSON normalised, others by their checksum, names with the job's id in them too.

        Of published logs only the names count: their content differs in each run.
        """
        return {
            str(path.relative_to(folder)).replace(self.job_id, "<job>"): self._read(path, folder / "logs")
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    def _read(self, path: Path, logs: Path) -> Any:
        if path.is_relative_to(logs):
            return "<log>"
        data = path.read_bytes()
        try:
            return self.normalise(json.loads(data))
        except ValueError:
            return hashlib.sha256(data).hexdigest()


@contextmanager
def timing(job_id: str, destination: str) -> Iterator[Run]:
    """Note when the run in this block begins and ends."""
    now = datetime.now(timezone.utc)
    run = Run(job_id, destination, now, now)
    yield run
    run.ended = datetime.now(timezone.utc)
