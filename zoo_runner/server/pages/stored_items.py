"""The STAC Items of results in a bucket: its documents are read with limits of number, size and time."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from functools import partial
from posixpath import dirname, join, normpath
from typing import Any
from urllib.parse import unquote, urlsplit

from zoo_runner.model.errors import RunnerError
from zoo_runner.model.job import Job
from zoo_runner.model.workspace import StorageProfile
from zoo_runner.server.pages.result_items import ResultItem, list_followed, read_item
from zoo_runner.server.result_bucket import ResultBucket, is_stored
from zoo_staging.errors import StagingError

_MOST_DOCUMENTS, _AT_ONCE = 50, 10
_LARGEST_BYTES = 256 << 10
_LONGEST_SECONDS = 8.0
_LONGEST_HREF = 4096


def list_stored_items(job: Job, storage: StorageProfile) -> list[ResultItem]:
    """List the Items of results in a bucket that their STAC Collection leads to, those that are read in time."""
    results, found = job.outcome.results if job.outcome else None, list[ResultItem]()
    if results is None or not is_stored(job):
        return found
    try:
        reading = _follow(ResultBucket.open(job, storage), job, results.collection, found)
        asyncio.run(asyncio.wait_for(reading, _LONGEST_SECONDS))
    except (StagingError, RunnerError, asyncio.TimeoutError):
        # the page shows what was read until then, and the extent
        pass
    return found


async def _follow(bucket: ResultBucket, job: Job, start: Mapping[str, Any], found: list[ResultItem]) -> None:
    bases = list_bases(job)
    waiting = _list_paths("", start, bases)
    known: set[str] = set()
    while waiting and len(known) < _MOST_DOCUMENTS:
        paths = [*dict.fromkeys(one for one in waiting if one not in known)][: _MOST_DOCUMENTS - len(known)]
        known.update(paths)
        waiting = []
        for at in range(0, len(paths), _AT_ONCE):
            several = paths[at : at + _AT_ONCE]
            documents = await asyncio.gather(*(_read(bucket, path) for path in several))
            for path, document in zip(several, documents, strict=True):
                if document.get("type") == "Feature":
                    found.append(read_item(path, document, partial(locate, path, bases=bases)))
                else:
                    waiting += _list_paths(path, document, bases)


async def _read(bucket: ResultBucket, path: str) -> Mapping[str, Any]:
    try:
        document = json.loads(await bucket.read(path, _LARGEST_BYTES))
    except (StagingError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, Mapping) else {}


def _list_paths(own: str, document: Mapping[str, Any], bases: Iterable[str]) -> list[str]:
    located = (locate(own, href, bases) for href in list_followed(document))
    return [path for path in located if path is not None]


def list_bases(job: Job) -> tuple[str, ...]:
    """List the addresses below which the results of a job lie in a bucket: for its clients, then in the store."""
    place = f"{job.destination.rstrip('/')}/"
    if not job.public_url:
        return (place,)
    return (f"{job.public_url.rstrip('/')}{urlsplit(place).path}", place)


def locate(own: str, href: Any, bases: Iterable[str]) -> str | None:
    """Find the path below the results that a document at `own` refers to; None for what lies elsewhere."""
    if not isinstance(href, str) or not 0 < len(href) <= _LONGEST_HREF:
        return None
    base = next((one for one in bases if href.startswith(one)), None)
    if base is None and ("://" in href or href.startswith("/")):
        return None
    path = unquote(href.removeprefix(base) if base else join(dirname(own), href))
    path = normpath(path)
    return None if path in (".", "..") or path.startswith(("../", "/")) else path
