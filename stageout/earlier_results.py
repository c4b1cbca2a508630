"""A destination with earlier results: new ones are written beside them, and replace them when complete.

`.stageout.json` lists the keys that runs wrote below a destination. It has the keys of both runs while one replaces the
other, so that the next successful run removes what an interrupted run left; an object that is not listed is never
removed.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

from stageout.destinations import Destination
from stageout.model import Plan
from stageout.names import RESULT_COLLECTION
from zoo_staging.errors import StagingError
from zoo_staging.media import JSON

RECORD = ".stageout.json"


@dataclass(frozen=True)
class Earlier:
    """What is at a destination: the keys that runs wrote, and whether there are results."""

    keys: frozenset[str] = frozenset()
    has_results: bool = False

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
    try:
        keys = json.loads(record or b"{}").get("keys", [])
        return Earlier(frozenset(key for key in keys if isinstance(key, str)), has_results)
    except (ValueError, AttributeError, TypeError):
        return Earlier(frozenset(), has_results)  # not written by us: then nothing there may be removed


async def list_results(destination: Destination) -> list[str]:
    """List the keys of the results at a destination, the collection last; raises `StagingError`."""
    earlier = await read_earlier(destination)
    keys = sorted(key for key in earlier.keys if _is_plain(key) and key != RESULT_COLLECTION)
    return [*keys, RESULT_COLLECTION] if earlier.has_results else []


async def claim(destination: Destination, earlier: Earlier, plan: Plan) -> None:
    """List the new keys before the first one is written."""
    await _record(destination, earlier.keys | _list_data(plan))


async def settle(destination: Destination, earlier: Earlier, plan: Plan) -> str | None:
    """Remove listed keys that are not part of the new results; return a message if that failed."""
    kept = _list_data(plan)
    left = sorted(key for key in earlier.keys - kept if _is_plain(key) and key not in (RECORD, RESULT_COLLECTION))
    try:
        if left:
            await destination.remove(left)
        await _record(destination, kept)
    except StagingError as error:
        return f"could not remove the results of an earlier run: {error}"
    return None


async def _record(destination: Destination, keys: frozenset[str]) -> None:
    await destination.put_bytes(RECORD, json.dumps({"keys": sorted(keys)}).encode(), JSON)


def _list_data(plan: Plan) -> frozenset[str]:
    """List all keys except the collection's, the only document that is replaced in place."""
    documents = (document.key for wave in plan.documents for document in wave)
    return frozenset((*(file.key for file in plan.files), *documents)) - {RESULT_COLLECTION}


def _is_plain(key: str) -> bool:
    """Whether a listed key is below the destination."""
    return all(part not in ("", ".", "..") for part in key.split("/"))
