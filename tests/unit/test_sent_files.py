"""Files as answers, such as the log of a job that still grows."""

import asyncio
from pathlib import Path

import pytest
from fastapi import Request
from starlette.types import Message

from zoo_runner.server.answers import answer_file


def send(path: Path, later: bytes, **headers: str) -> tuple[int, str, bytes]:
    """Answer with a file that grows once the answer is built; return its status, stated length and body."""
    given = [(name.encode(), value.encode()) for name, value in headers.items()]
    request = Request({"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": given})
    answer, sent = answer_file(request, path), list[Message]()
    with path.open("ab") as stream:
        stream.write(later)

    async def receive() -> Message:
        # the client stays
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def keep(message: Message) -> None:
        sent.append(message)

    asyncio.run(answer(request.scope, receive, keep))
    length = dict(sent[0]["headers"])[b"content-length"].decode()
    return sent[0]["status"], length, b"".join(message["body"] for message in sent[1:])


@pytest.mark.parametrize("later", [b"", b"456789", b"x" * (1 << 20)])
def test_of_a_file_that_grows_what_was_there_is_sent(tmp_path: Path, later: bytes) -> None:
    (tmp_path / "a.log").write_bytes(b"0123")
    assert send(tmp_path / "a.log", later) == (200, "4", b"0123")


def test_of_a_range_too(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"0123")
    assert send(tmp_path / "a.log", b"45", range="bytes=2-") == (206, "2", b"23")
