"""The results of a job: the document, one value by itself, the files of results that lie on this machine."""

import json
import mimetypes
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import quote, unquote

from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError, JobNotFoundError, RunnerError, StageOutError
from zoo_runner.model.job import FINAL, Job, Outcome, Results, Status
from zoo_runner.model.portable import make_text_portable, write_json
from zoo_runner.model.workspace import StorageProfile
from zoo_runner.server.api import Call
from zoo_runner.server.result_bucket import StoredFile, find_stored, is_stored
from zoo_staging.errors import Kind, StagingError

MULTIPART = "multipart/related"
_JSON = "application/json"
_JSON_SUFFIXES = (".json", ".geojson")
MOST_INLINE_BYTES = 16 << 20
"""A document has this much of files by value, and in larger files nothing is made an address of this server."""
_CHUNK_BYTES = 1 << 18
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(\s*;[ -~]*)?", re.ASCII)
# what an address is written with (RFC 3986, section 2); all else is encoded
_OF_ADDRESSES = ":/?#[]@!$&'()*+,;=%-._~"


@dataclass(frozen=True)
class Content:
    """One value: in `body`, in a `file` of this machine, `stored` in a bucket, or elsewhere: `link` is the address."""

    body: bytes = b""
    media_type: str = _JSON
    link: str | None = None
    file: Path | None = None
    stored: StoredFile | None = None

    def read(self) -> Iterator[bytes]:
        """Yield what the value is, in parts."""
        if self.file is None:
            yield self.body
            return
        with self.file.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                yield chunk


@dataclass(frozen=True)
class Parts:
    """Several values in one body (RFC 2387), by output; what lies elsewhere is a link."""

    contents: Mapping[str, Content]
    boundary: str

    @property
    def media_type(self) -> str:
        """The media type of the body."""
        return f"{MULTIPART}; boundary={self.boundary}"

    def read(self) -> Iterator[bytes]:
        """Yield the body; not all of it is in memory at once."""
        for name, content in self.contents.items():
            place = f"Content-Location: {content.link}\r\n" if content.link else ""
            head = f"Content-ID: <{quote(name)}>\r\nContent-Type: {content.media_type}\r\n{place}"
            yield f"--{self.boundary}\r\n{head}\r\n".encode()
            yield from content.read()
            yield b"\r\n"
        yield f"--{self.boundary}--\r\n".encode()


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


def get_results(job: Job, call: Call, *, as_collection: bool) -> Mapping[str, Any]:
    """Return the results document, or the STAC Collection; raises as `_find_results`."""
    if not as_collection:
        modes, document, values = _find_modes(job), _read_document(job, call), _Values(job, call)
        return {name: values.write(one) if modes.get(name) == "value" else one for name, one in document.items()}
    collection: Mapping[str, Any] = _with_links(_find_results(job).collection, job, call)
    return collection


def get_raw_result(job: Job, call: Call) -> Content | Parts:
    """Return the value of the one output that a request asks for, or each of several as one part."""
    parts = get_multipart(job, call)
    return next(iter(parts.contents.values())) if len(parts.contents) == 1 else parts


def get_multipart(job: Job, call: Call) -> Parts:
    """Return all outputs, each as one part; raises as `_find_results`."""
    document, modes = _read_document(job, call), _find_modes(job)
    contents = {
        name: _build_content(value, job, call, by_reference=modes.get(name) == "reference")
        for name, value in document.items()
    }
    return Parts(contents, token_hex(16))


def _find_modes(job: Job) -> Mapping[str, Any]:
    """Find which outputs were asked for by value, and which by reference; others are as the server prefers."""
    wanted = (job.request or {}).get("outputs") or {}
    return {name: (one or {}).get("transmissionMode") for name, one in wanted.items()}


@dataclass
class _Values:
    """Writes values in the place of links, as long as there is room in the document."""

    job: Job
    call: Call
    room_bytes: int = MOST_INLINE_BYTES

    def write(self, value: Any) -> Any:
        """Return what is at a link, qualified by its media type; the link where that is too large, or elsewhere."""
        if isinstance(value, list | tuple):
            return [self.write(item) for item in value]
        if not _is_link(value):
            return value
        content = _build_content(value, self.job, self.call)
        size = content.file.stat().st_size if content.file else len(content.body)
        if content.link or size > self.room_bytes:
            return value
        self.room_bytes -= size
        return _qualify(b"".join(content.read()), content.media_type)


def _qualify(body: bytes, media_type: str) -> dict[str, Any]:
    """Build a value with its media type (OGC 18-062r2, qualifiedInputValue.yaml): JSON, text, or base64."""
    try:
        if media_type.partition(";")[0].endswith(("/json", "+json")):
            return {"value": json.loads(body), "mediaType": media_type}
        if media_type.startswith("text/"):
            return {"value": body.decode(), "mediaType": media_type}
    except (ValueError, RecursionError):
        # it is not what its name says
        pass
    return {"value": b64encode(body).decode(), "mediaType": media_type, "encoding": "base64"}


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
    """Read a file of results that lie on this machine; raises `JobNotFoundError`, and as `_find_results`."""
    # what is there before the end, or after a failure, are no results
    _find_results(job)
    file = find_result_file(job, path)
    if file is None:
        raise _build_no_file(job, path)
    media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    whole = Content(media_type=media_type, file=file)
    if file.suffix not in _JSON_SUFFIXES or file.stat().st_size > MOST_INLINE_BYTES:
        return whole
    try:
        return Content(write_json(_with_links(json.loads(file.read_bytes()), job, call)), media_type)
    except (ValueError, RecursionError):
        # no JSON, or with more levels than can be followed
        return whole


def read_any_file(job: Job, call: Call, path: str, find_storage: Callable[[], StorageProfile]) -> Content:
    """Read a file of results wherever they lie, in a bucket with the credentials of `find_storage`.

    Raises as `read_result_file`, and `StageOutError` where the bucket cannot be read.
    """
    if not is_stored(job):
        return read_result_file(job, call, path)
    _find_results(job)
    try:
        stored = find_stored(job, path, find_storage())
    except StagingError as error:
        if error.kind is Kind.NOT_FOUND:
            raise _build_no_file(job, path) from error
        raise StageOutError(str(error), error.remedy, code=error.code) from error
    if stored is None:
        raise _build_no_file(job, path)
    return Content(media_type=mimetypes.guess_type(path)[0] or "application/octet-stream", stored=stored)


def _build_no_file(job: Job, path: str) -> JobNotFoundError:
    return JobNotFoundError(f"job {job.id} has no file {path[:1000]!r}", "See its results for those that there are.")


def find_result_file(job: Job, path: str) -> Path | None:
    """Find a file of results that lie on this machine, links followed; None where there is none, or cannot be any."""
    destination, folder = job.destination, Path(job.destination)
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
        raise build_not_ended(job)
    if job.outcome and job.outcome.results:
        return job.outcome.results
    if job.outcome and job.outcome.diagnosis:
        raise FailedJobError(job.outcome)
    raise build_no_results(job)


def build_not_ended(job: Job) -> EngineError:
    """Build the error of a job whose results may still come."""
    return EngineError(
        f"job {job.id} has no results yet: it is {job.status}",
        "Ask again once its status is successful.",
        level=Level.USER,
        code="job.not-ended",
    )


def build_no_results(job: Job) -> JobNotFoundError:
    """Build the error of a job whose results were removed, or that never had any."""
    removed = " and its results were removed" if job.status is Status.SUCCESSFUL else ""
    return JobNotFoundError(
        f"job {job.id} has no results: it is {job.status}{removed}", "Run it again.", code="job.no-results"
    )


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


def _is_link(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("href"), str)


def _build_content(value: Any, job: Job, call: Call, *, by_reference: bool = False) -> Content:
    if _is_link(value):
        offered = f"{call.link('jobs', job.id, 'files')}/"
        if by_reference or not value["href"].startswith(offered):
            return Content(link=write_address(value["href"]))
        found = read_result_file(job, call, unquote(value["href"].removeprefix(offered)))
        return replace(found, media_type=_choose_media_type(value.get("type"), found.media_type))
    if isinstance(value, str):
        return Content(make_text_portable(value).encode(), "text/plain")
    return Content(write_json(value))


def write_address(href: str) -> str:
    """Return an address as headers can have it: a tool may have written it."""
    return quote(make_text_portable(href), safe=_OF_ADDRESSES)


def _choose_media_type(said: Any, guessed: str) -> str:
    """Return the media type that a tool has written, if it can be one."""
    return said if isinstance(said, str) and _MEDIA_TYPE.fullmatch(said) else guessed
