"""What of a bucket's listing is a file."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from stagein.settings import StageInOptions
from stagein.sources import object_store
from zoo_staging.errors import StagingError

pytestmark = pytest.mark.unit


def test_objects_that_mark_folders_are_no_files_of_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = ["p/", "p/a/", "p/a/x.tif", "p/b/"]

    async def list_objects(*_: object, **__: object) -> AsyncIterator[tuple[str, int]]:
        for key in keys:
            yield key, 1

    monkeypatch.setattr(object_store, "list_objects", list_objects)
    source = object_store.S3Source(StageInOptions(max_files=1))
    found = asyncio.run(source.list_folder("s3://bucket/p/"))
    assert [entry.path for entry in found or ()] == ["a/x.tif"]
    keys.append("p/b/y.tif")
    with pytest.raises(StagingError, match="more than 1 files"):
        asyncio.run(source.list_folder("s3://bucket/p/"))
