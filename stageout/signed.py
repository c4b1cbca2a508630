"""Files that others read for a time, by signed addresses and without credentials."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from stageout.destinations.object_store import S3Destination
from stageout.model import StageOutOptions
from zoo_staging.cancel import Cancellation, run_cancellable
from zoo_staging.errors import Side, about
from zoo_staging.media import get_media_type

LONGEST = timedelta(days=7)
"""How long an address may be valid (Amazon S3, "Authenticating Requests: Using Query Parameters")."""


def put_signed(
    files: Mapping[str, Path], destination: str, options: StageOutOptions, cancellation: Cancellation | None = None
) -> dict[str, str]:
    """Write files to object storage, by key, and return for each an address by which anybody reads it for a week.

    Raises StagingError.
    """
    with about(Side.DESTINATION):
        opened = S3Destination.open(destination, options)
        return run_cancellable(_put(files, opened), "stage-in", destination, cancellation)


async def _put(files: Mapping[str, Path], opened: S3Destination) -> dict[str, str]:
    for key, path in files.items():
        await opened.put_file(key, path, get_media_type(path.name))
    return {key: await opened.sign(key, LONGEST) for key in files}


def remove_signed(keys: Sequence[str], destination: str, options: StageOutOptions) -> None:
    """Remove such files; those that are not there are no error. Raises StagingError."""
    with about(Side.DESTINATION):
        asyncio.run(S3Destination.open(destination, options).remove(keys))
