"""A file that is sent from a bucket, to a client that goes away meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, cast

import pytest
from fastapi import Request

from zoo_runner.config.server import load_server_settings
from zoo_runner.model.errors import SettingsError
from zoo_runner.server.answers import Downloads, answer_stored
from zoo_runner.server.places import Limit, Places
from zoo_runner.server.result_bucket import ResultBucket, StoredFile
from zoo_staging.ranges import ByteRange

CHUNKS = 1000


@dataclass
class Bucket:
    """Counts the chunks that are read of an object."""

    read: int = 0

    async def open_part(self, _path: str, _part: ByteRange) -> AsyncIterator[bytes]:
        return self._stream()

    async def _stream(self) -> AsyncIterator[bytes]:
        for _ in range(CHUNKS):
            self.read += 1
            yield b"x"


def test_nothing_more_is_read_for_a_client_that_has_gone_and_its_place_is_free() -> None:
    bucket, sent = Bucket(), list[dict[str, Any]]()
    places = Places(Limit(1, 1))

    async def try_it() -> None:
        has_some = asyncio.Event()
        messages: Iterator[dict[str, Any]] = iter([{"type": "http.request", "body": b""}, {"type": "http.disconnect"}])

        async def receive() -> dict[str, Any]:
            await has_some.wait()
            return next(messages)

        async def send(message: Any) -> None:
            sent.append(message)
            if len(sent) == 3:
                has_some.set()
            await asyncio.sleep(0)

        scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
        stored = StoredFile(cast(ResultBucket, bucket), "large.bin", CHUNKS, '"1"')
        answer = answer_stored(Request(scope), stored, "text/plain", Downloads(places, "alpha"))
        await answer(scope, receive, send)
        async with places.take("alpha", 0.01):
            pass

    asyncio.run(try_it())
    assert [message["type"] for message in sent[:2]] == ["http.response.start", "http.response.body"]
    assert bucket.read < 10


def test_a_server_that_could_send_none_does_not_start() -> None:
    with pytest.raises(SettingsError, match="ZOO_RUNNER_DOWNLOADS"):
        load_server_settings({"ZOO_RUNNER_DOWNLOADS": "0"})
