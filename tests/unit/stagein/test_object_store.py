"""What of a bucket's listing is a file."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from stagein.sources.object_store import list_files
from zoo_staging.errors import StagingError

pytestmark = pytest.mark.unit


async def list_bucket(*keys: str) -> AsyncIterator[tuple[str, int]]:
    for key in keys:
        yield key, 1


def test_objects_that_mark_folders_are_no_files_of_a_job() -> None:
    keys = ("p/", "p/a/", "p/a/x.tif", "p/b/")
    assert asyncio.run(list_files(list_bucket(*keys), "p/", "s3://bucket/p/", 1)) == [("p/a/x.tif", 1)]
    with pytest.raises(StagingError, match="more than 1 files"):
        asyncio.run(list_files(list_bucket(*keys, "p/b/y.tif"), "p/", "s3://bucket/p/", 1))
