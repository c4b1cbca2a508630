"""The results of a job: the document, one value by itself, the files of results that lie on this machine."""

import json
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import quote, unquote

from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError, JobNotFoundError, RunnerError
from zoo_runner.model.job import FINAL, Job, Outcome, Results
from zoo_runner.server.api import Call

MULTIPART = "multipart/related"
_JSON = "application/json"
_JSON_SUFFIXES = (".json", ".geojson")


@dataclass(frozen=True)
class Content:
    """A response body; `link` is where the value lies that the body does not have."""

    body: bytes = b""
    media_type: str = _JSON
    link: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class FailedJobError(RunnerError):
    """The results of a job were asked for that has failed: its own diagnosis is the answer."""

    def __init__(self, outcome: Outcome) -> None:
        diagnosis = outcome.diagnosis
        if diagnosis is None:
            raise ValueError("the job has no diagnosis")
        self.stage = diagnosis.stage  # type: ignore[misc]
        super().__init__(diagnosis.cause, diagnosis.remedy)
        self.diagnosis = diagnosis
        self.http_status = 400 if diagnosis.level is Level.USER else 500  # type: ignore[misc]


def get_results(job: Job, call: Call) -> Mapping[str, Any]:
    """Return the results document, or the STAC Collection where a data hub asks. Raises as `_find_results`."""
    if not call.hub:
        return _read_document(job, call)
    collection: Mapping[str, Any] = _with_links(_find_results(job).collection, job, call)
    return collection


def get_raw_result(job: Job, call: Call) -> Content:
    """Return the value of the one output that a request asks for, or each of several as one part."""
    document = _read_document(job, call)
    if len(document) != 1:
        return get_multipart(job, call)
    (value,) = document.values()
    return _build_content(value, job, call)


def get_multipart(job: Job, call: Call) -> Content:
    """Return all outputs, each as one part; raises as `_find_results`."""
    document = _read_document(job, call)
    return _build_multipart({name: _build_content(value, job, call) for name, value in document.items()})


def _build_multipart(contents: Mapping[str, Content]) -> Content:
    """Build a body of several parts (RFC 2387), each with the name of its output; what lies elsewhere is a link."""
    boundary, lines = token_hex(16), bytearray()
    for name, content in contents.items():
        place = f"Content-Location: {content.link}\r\n" if content.link else ""
        head = f"--{boundary}\r\nContent-ID: <{quote(name)}>\r\nContent-Type: {content.media_type}\r\n{place}\r\n"
        lines += head.encode() + content.body + b"\r\n"
    return Content(bytes(lines) + f"--{boundary}--\r\n".encode(), f"{MULTIPART}; boundary={boundary}")


def get_result(job: Job, call: Call, output: str, number: int | None = None) -> Content:
    """Return the value of one output, or one of its values; raises as `_find_results`, and `JobNotFoundError`."""
    document = _read_document(job, call)
    if output not in document:
        raise _build_no_output(job, f"output {output!r}", f"It has: {', '.join(document) or 'none'}.")
    value = document[output]
    if number is None:
        return _build_content(value, job, call)
    values = value if isinstance(value, list | tuple) else [value]
    if number >= len(values):
        raise _build_no_output(job, f"value {number} of output {output!r}", f"It has {len(values)}, from 0.")
    return _build_content(values[number], job, call)


def _build_no_output(job: Job, what: str, remedy: str) -> JobNotFoundError:
    return JobNotFoundError(f"the results of job {job.id} have no {what}", remedy, code="job.no-output")


def read_result_file(job: Job, call: Call, path: str) -> Content:
    """Read a file of results that lie on this machine; raises `JobNotFoundError`."""
    file = _find_file(job.destination, path)
    if file is None:
        raise JobNotFoundError(f"job {job.id} has no file {path!r}", "See its results for those that there are.")
    media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    if file.suffix in _JSON_SUFFIXES:
        try:
            document = json.loads(file.read_bytes())
        except ValueError:
            return Content(file.read_bytes(), media_type)
        return Content(json.dumps(_with_links(document, job, call)).encode(), media_type)
    return Content(file.read_bytes(), media_type)


def _find_file(destination: str, path: str) -> Path | None:
    """Find a file below a folder of this machine, links followed; None where there is none, or cannot be any."""
    folder = Path(destination)
    try:
        file = (folder / path).resolve()
        known = "://" not in destination and file.is_relative_to(folder.resolve()) and file.is_file()
    except (OSError, ValueError):
        # too long for the disk, or with a null character
        return None
    return file if known else None


def _read_document(job: Job, call: Call) -> dict[str, Any]:
    """Return the results document, of those outputs that the request asked for, or of all.

    An output without a value is absent from it, as the standard has no null.
    """
    document = _with_links(_find_results(job).document, job, call)
    wanted = (job.request or {}).get("outputs") or document
    return {name: value for name, value in document.items() if name in wanted and value is not None}


def _find_results(job: Job) -> Results:
    """Raises `EngineError` with the code job.not-ended before the job's end, its own diagnosis where it failed."""
    if job.status not in FINAL:
        raise EngineError(
            f"job {job.id} has no results yet: it is {job.status}",
            "Ask again once its status is successful.",
            level=Level.USER,
            code="job.not-ended",
        )
    if job.outcome and job.outcome.results:
        return job.outcome.results
    if job.outcome and job.outcome.diagnosis:
        raise FailedJobError(job.outcome)
    raise JobNotFoundError(f"job {job.id} has no results: it is {job.status}", "Run it again.")


def _with_links(node: Any, job: Job, call: Call) -> Any:
    """Have links to result files on this machine read as addresses of this server."""
    if "://" in job.destination:
        return node
    return _relink(node, f"{Path(job.destination).as_uri()}/", f"{call.link('jobs', job.id, 'files')}/")


def _relink(node: Any, own: str, offered: str) -> Any:
    if isinstance(node, Mapping):
        return {key: _relink(value, own, offered) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_relink(item, own, offered) for item in node]
    return offered + node.removeprefix(own) if isinstance(node, str) and node.startswith(own) else node


def _build_content(value: Any, job: Job, call: Call) -> Content:
    if isinstance(value, Mapping) and isinstance(value.get("href"), str):
        offered = f"{call.link('jobs', job.id, 'files')}/"
        if value["href"].startswith(offered):
            file = read_result_file(job, call, unquote(value["href"].removeprefix(offered)))
            return Content(file.body, str(value.get("type", file.media_type)))
        return Content(link=value["href"])
    if isinstance(value, str):
        return Content(value.encode(), "text/plain")
    return Content(json.dumps(value).encode())
