"""A destination with earlier results: new ones are written beside them, and replace them when complete.

`.stageout.json` lists the keys that runs wrote below a destination. It has the keys of both runs while one replaces the
other, so that the next successful run removes what an interrupted run left; an object that is not listed is never
removed. Until a run has ended, `unfinished` names the keys among them that are its own.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from stageout.destinations import Destination
from stageout.model import Plan
from stageout.names import FOLDER_MARKER, RESULT_COLLECTION
from zoo_staging.errors import StagingError
from zoo_staging.media import JSON

RECORD = ".stageout.json"


@dataclass(frozen=True)
class Earlier:
    """What is at a destination: the keys that runs wrote, and whether there are results.

    `unfinished` are the keys of a run that has not ended, and `owner` is the job that listed them last.
    """

    keys: frozenset[str] = frozenset()
    has_results: bool = False
    unfinished: frozenset[str] = frozenset()
    owner: str = ""

    def choose_place(self, build: Callable[[str], Plan]) -> Plan:
        """Build the plan at the first place of the destination itself, `run-2`, `run-3`, … that overwrites nothing.

        Without earlier results the place is the destination itself.
        """
        plan, number = build(""), 1
        unknown = self.has_results and not self.keys
        while self.has_results and (unknown or not self.keys.isdisjoint(_list_data(plan))):
            number, unknown = number + 1, False
            plan = build(f"run-{number}/")
        return plan


async def read_earlier(destination: Destination) -> Earlier:
    """Read what is at a destination; raises `StagingError`."""
    record = await destination.get_bytes(RECORD)
    has_results = await destination.get_size(RESULT_COLLECTION) is not None
    keys, unfinished = (_read_keys(record, name) for name in ("keys", "unfinished"))
    return Earlier(keys, has_results, unfinished & keys, _read_owner(record))


def _read_owner(record: bytes | None) -> str:
    try:
        return str(json.loads(record or b"{}").get("owner", ""))
    except (ValueError, AttributeError):
        return ""


def _read_keys(record: bytes | None, name: str) -> frozenset[str]:
    try:
        keys = json.loads(record or b"{}").get(name, [])
        return frozenset(key for key in keys if isinstance(key, str) and _is_plain(key))
    except (ValueError, AttributeError, TypeError):
        return frozenset()  # not written by us: then nothing there may be removed


async def list_results(destination: Destination) -> list[str]:
    """List the keys of the results at a destination, the collection last; raises `StagingError`."""
    earlier = await read_earlier(destination)
    keys = sorted(earlier.keys - {RESULT_COLLECTION})
    return [*keys, RESULT_COLLECTION] if earlier.has_results else []


async def claim(destination: Destination, earlier: Earlier, plan: Plan, owner: str) -> None:
    """List the new keys, of the job `owner`, before the first one is written."""
    data = _list_data(plan)
    unfinished = (data - earlier.keys) | earlier.unfinished
    await _record(destination, earlier.keys | data, unfinished, owner)


async def settle(destination: Destination, earlier: Earlier, plan: Plan) -> str | None:
    """Remove listed keys that are not part of the new results; return a message if that failed."""
    kept = _list_data(plan)
    left = sorted(earlier.keys - kept - {RECORD, RESULT_COLLECTION})
    try:
        if left:
            await destination.remove(left)
        await _record(destination, kept)
    except StagingError as error:
        return f"could not remove the results of an earlier run: {error}"
    return None


async def discard_unfinished(destination: Destination, owner: str) -> int:
    """Remove what the run of a job wrote that was broken off, and return how many keys it had.

    Complete results stay, and so does what another job has listed since. The run may not be writing any more. Raises
    `StagingError`.
    """
    earlier = await read_earlier(destination)
    keys = earlier.unfinished - {RECORD, RESULT_COLLECTION}
    if not keys or earlier.owner != owner or await _is_linked(destination, keys):
        return 0
    await destination.discard(sorted(keys))
    if kept := earlier.keys - keys:
        await _record(destination, kept)
    else:
        await destination.discard([RECORD])
    return len(keys)


async def remove_listed(destination: Destination) -> None:
    """Remove all results at a destination that only one job has; where that breaks off, it can be repeated.

    The collection goes first, so that nothing links to what is being removed, and the list itself last. Raises
    `StagingError`.
    """
    keys = (await read_earlier(destination)).keys - {RECORD, RESULT_COLLECTION}
    for some in ([RESULT_COLLECTION], sorted(keys), [RECORD]):
        if some:
            await destination.discard(some)


async def list_beside(destination: Destination, plan: Plan) -> None:
    """List keys that are no results before they are written, beside those listed, so that `remove_listed` finds all."""
    earlier = await read_earlier(destination)
    await _record(destination, earlier.keys | _list_data(plan), earlier.unfinished, earlier.owner)


async def _is_linked(destination: Destination, keys: Iterable[str]) -> bool:
    """Whether the collection, which is written last, links to any of these keys: then they are all there."""
    body = await destination.get_bytes(RESULT_COLLECTION)
    try:
        links = json.loads(body or b"{}").get("links", [])
        hrefs = [f"/{unquote(link['href'])}" for link in links]
    except (ValueError, AttributeError, TypeError, KeyError):
        return True  # not written by us
    return any(href.endswith(f"/{key}") for href in hrefs for key in keys)


async def _record(
    destination: Destination, keys: Iterable[str], unfinished: Iterable[str] = (), owner: str = ""
) -> None:
    record: Mapping[str, Any] = {"keys": sorted(keys)}
    if unfinished:
        record = {**record, "unfinished": sorted(unfinished), "owner": owner}
    await destination.put_bytes(RECORD, json.dumps(record).encode(), JSON)


def _list_data(plan: Plan) -> frozenset[str]:
    """List all keys except the collection's, the only document that is replaced in place.

    An empty folder is listed by its marker: on a disk, which has none, it goes with what was in it, which is nothing.
    """
    documents = (document.key for wave in plan.documents for document in wave)
    folders = (f"{folder}/{FOLDER_MARKER}" for folder in plan.folders)
    return frozenset((*(file.key for file in plan.files), *folders, *documents)) - {RESULT_COLLECTION}


def _is_plain(key: str) -> bool:
    """Whether a listed key is below the destination."""
    return all(part not in ("", ".", "..") for part in key.split("/"))
