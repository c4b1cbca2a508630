"""Files of results that are sent from a bucket: so many at once, a few that wait, and an answer for the others."""

import select
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

from tests.servers import S3Server, serve_s3
from tests.serving import Server, serving
from tests.site import Site
from tests.values import EXAMPLES

# far more than the buffers of two connections hold
LARGE_BYTES = 64 << 20


@pytest.fixture
def in_bucket(tmp_path: Path, package_cache: Path) -> Iterator[tuple[Server, S3Server]]:
    """A server that sends two files from its bucket at once, one to each workspace."""
    with serve_s3(tmp_path / "s3") as s3:
        (s3.folder / "downloads").mkdir(parents=True)
        options = s3.options
        site = Site(tmp_path, package_cache).having(
            STAGEOUT_OUTPUT="s3://downloads/here",
            ZOO_RUNNER_DOWNLOADS="2",
            AWS_ENDPOINT_URL=str(options.endpoint),
            AWS_ACCESS_KEY_ID=str(options.access_key_id),
            AWS_SECRET_ACCESS_KEY=str(options.secret_access_key),
            AWS_REGION=options.region,
        )
        with serving(site.environ, tmp_path) as server:
            yield server, s3


def ask(server: Server, path: str) -> HTTPConnection:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", path)
    return connection


def test_more_downloads_than_there_are_places_wait_or_are_refused(in_bucket: tuple[Server, S3Server]) -> None:
    server, s3 = in_bucket
    server.deploy(EXAMPLES / "echo" / "echo.cwl")
    job = server.execute("echo", {})
    server.wait(job, "successful")
    (collection,) = (s3.folder / "downloads").rglob("collection.json")
    large = collection.with_name("large.bin")
    with large.open("wb") as file:
        file.truncate(LARGE_BYTES)
    path = f"/jobs/{job}/files/large.bin"
    with closing(ask(server, path)) as first:
        begun = first.getresponse()
        assert (begun.status, begun.read(1)) == (200, b"\0")
        # it is not read on, and keeps its place: of two others one waits for it
        others = [ask(server, path), ask(server, path)]
        (ready, *more), _, _ = select.select([one.sock for one in others], [], [], 60)
        assert more == []
        (refused,) = [one for one in others if one.sock is ready]
        (waiting,) = [one for one in others if one.sock is not ready]
        answer: HTTPResponse = refused.getresponse()
        assert (answer.status, b"request.busy" in answer.read()) == (503, True)
        assert int(answer.headers["Retry-After"]) > 0
        # what is not sent from a bucket needs no place
        assert server.request("GET", f"/jobs/{job}/results").status == 200
        begun.close()
    with closing(waiting):
        found = waiting.getresponse()
        assert (found.status, len(found.read())) == (200, LARGE_BYTES)
    refused.close()
    assert server.request("GET", path, headers={"Range": "bytes=0-4"}).body == b"\0" * 5
