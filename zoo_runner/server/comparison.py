"""Two jobs side by side: what they ran, with which inputs, how long it took, and what came of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from zoo_runner.inputs.file_objects import refers_to_files
from zoo_runner.model import clock
from zoo_runner.model.errors import JobNotFoundError
from zoo_runner.model.job import Job
from zoo_runner.model.package import Package
from zoo_runner.package.metadata import read_software_version
from zoo_runner.server.access.audit import Act, Note
from zoo_runner.server.api import Api, Call
from zoo_runner.server.definitions import show_request
from zoo_runner.server.documents import ComparedValue, Comparison, Link
from zoo_runner.server.jobs import get_job
from zoo_runner.server.pages.result_items import list_items
from zoo_runner.server.result_files import ResultFiles, open_files
from zoo_runner.store.errors import build_not_found

_MOST_ROWS = 1000
_MOST_PARTS, _MOST_LEVELS = 20_000, 50


@dataclass(frozen=True)
class ResultFile:
    """What is known of a file of results: bytes, and a checksum (multihash) where its STAC Item has one."""

    size: int | None = None
    checksum: str = ""

    @property
    def shown(self) -> dict[str, Any]:
        """Both, as the document has them."""
        return {"size": self.size, **({"checksum": self.checksum} if self.checksum else {})}


def compare_jobs(api: Api, call: Call, first: str, second: str, note: Note) -> Comparison:
    """Compare two jobs of a workspace; raises `JobNotFoundError`, also for who may not see the status of one.

    The audit log has whose inputs and results are shown.
    """
    pair = tuple(_get(api, call, job_id) for job_id in (first, second))
    packages = [_find_package(api, job) for job in pair]
    comparison: Comparison = {
        "a": first,
        "b": second,
        "facts": pair_values(*(list_facts(job, _read_version(one)) for job, one in zip(pair, packages, strict=True))),
        "steps": pair_values(*(list_steps(job) for job in pair)),
        "links": _build_links(call, pair),
    }
    a, b = packages
    if a and b and a.digest != b.digest and _may_all(call, "process.package", pair, note):
        comparison["package"] = list_differences(a, b)
    if _may_all(call, "job.inputs", pair, note):
        comparison["inputs"] = pair_values(*(show_request(job)["inputs"] for job in pair))
    if _may_all(call, "job.results", pair, note):
        comparison["results"] = pair_values(*(list_results(job, open_files(api, job)) for job in pair))
    return comparison


def _get(api: Api, call: Call, job_id: str) -> Job:
    if not call.may_with("job.status", job_id):
        raise build_not_found(job_id)
    return get_job(api, call, job_id)


def _may_all(call: Call, action: str, pair: tuple[Job, ...], note: Note) -> bool:
    may = all(call.may_with(action, job.id) for job in pair)
    if may:
        note.acts += [Act(action, job.id, 200, job.process_id, None, note.asked.get(action)) for job in pair]
    return may


def list_differences(a: Package, b: Package) -> list[ComparedValue]:
    """List the parts of two packages that differ, by the way to them in the resolved documents."""
    first, second = (dict(islice(_walk_parts(one.document), _MOST_PARTS)) for one in (a, b))
    names = [name for name in dict.fromkeys((*first, *second)) if not _are_same(name, first, second)]
    return [{"name": name, "a": first.get(name), "b": second.get(name), "same": False} for name in names[:_MOST_ROWS]]


def _walk_parts(node: Any, way: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Walk through what has no parts itself; members of a list go by their ids, so that an added one moves no other."""
    if not isinstance(node, Mapping | list | tuple) or not node or len(way) > _MOST_LEVELS:
        yield " / ".join(way), node
    elif isinstance(node, Mapping):
        for name, member in node.items():
            yield from _walk_parts(member, (*way, str(name)))
    else:
        for number, member in enumerate(node):
            own = member.get("id") if isinstance(member, Mapping) else None
            yield from _walk_parts(member, (*way, str(own).rpartition("/")[2] if own else str(number)))


def _find_package(api: Api, job: Job) -> Package | None:
    try:
        return api.store.jobs.load_package(job.package)
    except JobNotFoundError:
        # one that was not started has no package yet
        return None


def _read_version(package: Package | None) -> str | None:
    return read_software_version(package) if package else None


def _build_links(call: Call, pair: tuple[Job, ...]) -> list[Link]:
    links: list[Link] = [{"href": call.link("comparison"), "rel": "self", "type": "application/json"}]
    for job in pair:
        links.append(
            {"href": call.link("jobs", job.id), "rel": "item", "type": "application/json", "title": f"Job {job.id}"}
        )
    return links


def list_facts(job: Job, version: str | None) -> dict[str, Any]:
    """List what a job ran and how it went; times are seconds."""
    diagnosis = job.outcome.diagnosis if job.outcome else None
    results = job.outcome.results if job.outcome else None
    return {
        "processID": job.process_id,
        "version": version,
        "package": job.package,
        "engine": job.engine,
        "status": job.status.value,
        "created": job.created,
        "queueSeconds": _measure(job.created, job.started),
        "runSeconds": _measure(job.started, job.finished),
        "code": diagnosis.code if diagnosis else None,
        "step": diagnosis.step if diagnosis else None,
        "cause": diagnosis.cause if diagnosis else None,
        "resultBytes": results.size_bytes if results else None,
    }


def _measure(begin: str | None, end: str | None) -> float | None:
    return round(clock.to_seconds(end) - clock.to_seconds(begin), 3) if begin and end else None


def list_steps(job: Job) -> dict[str, Any]:
    """List what each step took: of one that ran several times, the last time."""
    return {
        one.step: {
            "seconds": round(one.ended - one.started, 3),
            "cpuSeconds": one.cpu_seconds,
            "peakMemoryMiB": one.peak_memory_mib,
            "exitCode": one.exit_code,
        }
        for one in (job.outcome.usage if job.outcome else ())
    }


def list_results(job: Job, stored: ResultFiles) -> dict[str, Any]:
    """List the results: files by their path, with what is known of them, and values by the name of their output."""
    results = job.outcome.results if job.outcome else None
    if results is None:
        return {}
    values: dict[str, Any] = {name: one for name, one in results.outputs.items() if not refers_to_files(one)}
    files = dict(_walk_files(results.outputs, job))
    for item in list_items(stored, results.collection):
        for asset in item.assets:
            known = files.get(asset.path, ResultFile())
            files[asset.path] = ResultFile(known.size if asset.size is None else asset.size, asset.checksum)
    return {**values, **{path: file.shown for path, file in files.items()}}


def _walk_files(node: Any, job: Job) -> Iterator[tuple[str, ResultFile]]:
    if isinstance(node, Mapping):
        if node.get("class") == "File":
            yield _shorten(str(node.get("location", "")), job), ResultFile(_read_size(node.get("size")))
        for member in node.values():
            yield from _walk_files(member, job)
    elif isinstance(node, list | tuple):
        for member in node:
            yield from _walk_files(member, job)


def _read_size(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _shorten(location: str, job: Job) -> str:
    """Return the path of a file below the results of its job, which differ in nothing else."""
    for base in _list_bases(job):
        if location.startswith(f"{base}/"):
            return unquote(location.removeprefix(f"{base}/"))
    return location


def _list_bases(job: Job) -> Iterator[str]:
    """List the addresses under which the results of a job lie: that of its store, and the public one."""
    place = job.destination.rstrip("/")
    yield place if "://" in place else Path(place).as_uri()
    if job.public_url:
        yield f"{job.public_url.rstrip('/')}/{urlsplit(place).path.strip('/')}"


def pair_values(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[ComparedValue]:
    """Pair what two jobs have by name: the names of the first, then those that only the second has."""
    names = list(dict.fromkeys((*a, *b)))[:_MOST_ROWS]
    return [{"name": name, "a": a.get(name), "b": b.get(name), "same": _are_same(name, a, b)} for name in names]


def _are_same(name: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    return (name in a) == (name in b) and a.get(name) == b.get(name)
