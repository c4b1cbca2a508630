"""Access documents: what they say, when they are read again, and what holds while their bucket does not answer."""

import asyncio
import json
from typing import Any

import pytest

from zoo_runner.access_documents import NOTHING_PUBLISHED, AccessDocument, Kind, parse_document
from zoo_runner.server.access.documents import AccessDocuments
from zoo_staging.errors import Kind as Failure
from zoo_staging.errors import StagingError

PUBLIC = {"workflows": {"ndvi": {"access": "public"}}}
DOWN = StagingError(Failure.UNREACHABLE, "s3://access/alpha.json", "no connection", "Look.")


class Bucket:
    """A bucket with one document, and its clock; what is read is counted."""

    def __init__(self, content: Any) -> None:
        self.content, self.now, self.reads = content, 0.0, 0
        self.documents = AccessDocuments(self.read, 30.0, lambda: self.now)

    async def read(self, workspace: str) -> bytes | None:
        self.reads += 1
        assert workspace == "alpha"
        if isinstance(self.content, Exception):
            raise self.content
        return None if self.content is None else json.dumps(self.content).encode()

    async def find_settled(self) -> AccessDocument | None:
        """What holds once a look in the background has ended."""
        await self.documents.find("alpha")
        for task in list(self.documents._reading.values()):
            await task
        return await self.documents.find("alpha")


def test_what_is_not_named_or_not_public_is_private() -> None:
    document = parse_document(
        json.dumps(
            {
                "workflows": {
                    "open": {"access": "public", "more": 1},
                    "service": {"access": "public", "type": "user-service"},
                    "inner": {"access": "private", "type": "user-service"},
                    "silent": {},
                }
            }
        ).encode()
    )
    found = {name: document.find_kind(name) for name in ("open", "service", "inner", "silent", "unknown")}
    assert found == {
        "open": Kind.PUBLIC,
        "service": Kind.USER_SERVICE,
        "inner": Kind.PRIVATE,
        "silent": Kind.PRIVATE,
        "unknown": Kind.PRIVATE,
    }


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{",
        b"\xff",
        b'{"workflows": []}',
        b" " * (2 << 20),
    ],
)
def test_what_is_no_access_document_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_document(body)


@pytest.mark.parametrize(
    "unknown",
    ["public", {"access": "everybody"}, {"access": ["public"]}, {"access": "public", "type": "service-of-later"}],
)
def test_what_is_unknown_of_one_process_is_private_and_the_rest_is_read(
    unknown: Any, caplog: pytest.LogCaptureFixture
) -> None:
    document = parse_document(json.dumps({"workflows": {"ndvi": {"access": "public"}, "odd": unknown}}).encode())
    assert (document.find_kind("ndvi"), document.find_kind("odd")) == (Kind.PUBLIC, Kind.PRIVATE)
    assert document.workflows["odd"] == {"access": "private"}
    assert "workflows.odd" in caplog.text


def test_an_old_document_is_read_again_before_it_is_used() -> None:
    async def follow() -> None:
        bucket = Bucket(PUBLIC)
        await bucket.documents.find("alpha")
        bucket.content, bucket.now = {"workflows": {}}, 61.0
        assert await bucket.documents.find("alpha") == NOTHING_PUBLISHED

    asyncio.run(follow())


def test_a_document_is_read_once_in_an_interval_and_a_change_holds_after_it() -> None:
    bucket = Bucket(PUBLIC)

    async def follow() -> None:
        for _ in range(3):
            found = await bucket.documents.find("alpha")
            assert found and found.find_kind("ndvi") is Kind.PUBLIC
        assert bucket.reads == 1
        bucket.content, bucket.now = {"workflows": {}}, 31.0
        assert await bucket.find_settled() == NOTHING_PUBLISHED
        assert bucket.reads == 2

    asyncio.run(follow())


def test_a_workspace_without_a_document_publishes_nothing() -> None:
    assert asyncio.run(Bucket(None).documents.find("alpha")) == NOTHING_PUBLISHED


@pytest.mark.parametrize("wrong", [DOWN, {"workflows": 7}, asyncio.TimeoutError()])
def test_the_last_document_holds_while_the_bucket_fails_and_without_one_nothing_is_known(wrong: Any) -> None:
    async def follow() -> None:
        bucket = Bucket(wrong)
        assert await bucket.documents.find("alpha") is None
        bucket.content = PUBLIC
        # what failed is not kept
        assert await bucket.documents.find("alpha") is not None
        bucket.content, bucket.now = wrong, 31.0
        held = await bucket.find_settled()
        assert held and held.find_kind("ndvi") is Kind.PUBLIC
        assert bucket.reads == 3

    asyncio.run(follow())


def test_requests_at_once_read_a_document_once() -> None:
    async def follow() -> None:
        bucket = Bucket(PUBLIC)
        await asyncio.gather(*(bucket.documents.find("alpha") for _ in range(20)))
        assert bucket.reads == 1

    asyncio.run(follow())


def test_names_that_clients_ask_for_take_a_limited_memory() -> None:
    async def read(_: str) -> None:
        return None

    async def follow() -> int:
        kept = AccessDocuments(read, 30.0, most_bytes=20_000)
        for number in range(100):
            assert await kept.find(f"ws-{number}") == NOTHING_PUBLISHED
        return len(kept._kept)

    assert asyncio.run(follow()) == 20
