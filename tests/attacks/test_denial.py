"""A package, a server or a neighbour keeps a job busy for ever, or makes it remove the files of others."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from stagein.settings import StageInOptions
from stagein.stage import stage_in
from stageout.earlier_results import RECORD
from stageout.model import StageOutOptions
from stageout.stage import stage_out
from tests.attacks.hostile import Host, output, run_here, tool
from tests.site import Site
from zoo_runner.model.errors import PackageError
from zoo_runner.package import prepare
from zoo_staging.errors import StagingError

PIPES = {
    "cwl.output.json": tool("mkfifo cwl.output.json", {"o": "File"}),
    "an output": tool("mkfifo o.txt", output("File", "o.txt")),
    "the content of an output": tool(
        "mkfifo o.txt", output("string", "o.txt", loadContents=True, outputEval="$(self[0].contents)")
    ),
    "a device": tool("ln -s /dev/zero o.txt", output("string", "o.txt", loadContents=True, outputEval="$('x')")),
    "a device as cwl.output.json": tool("ln -s /dev/zero cwl.output.json", {"o": "File"}),
    "a huge cwl.output.json": tool("truncate -s 1T cwl.output.json", {"o": "File"}),
}


@pytest.mark.parametrize("name", PIPES)
@pytest.mark.timeout(120)
def test_no_output_is_waited_for_or_read_for_ever(name: str, site: Site) -> None:
    assert run_here(site, PIPES[name]) is not None


@pytest.fixture
def planted(tmp_path: Path, host: Host) -> Path:
    """A folder of results in which a neighbour has put a link to the host."""
    results = tmp_path / "results"
    results.mkdir()
    (results / "data").symlink_to(host.folder)
    (results / "collection.json").write_text("{}")
    return results


def put(results: Path, tmp_path: Path) -> None:
    (tmp_path / "o.txt").write_text("o")
    options = StageOutOptions(job_id="j1", outputs_folder=tmp_path)
    stage_out({"data": {"class": "File", "path": str(tmp_path / "o.txt")}}, str(results), options)


@pytest.mark.parametrize(
    "keys", [["data/secret.txt"], ["data/below/secret.txt"], ["data/../../host/secret.txt"], ["data"]]
)
def test_a_planted_record_and_link_remove_nothing_elsewhere(
    keys: list[str], planted: Path, tmp_path: Path, host: Host
) -> None:
    before = host.read()
    (planted / RECORD).write_text(json.dumps({"keys": keys}))
    with suppress(StagingError):
        put(planted, tmp_path)
    assert host.read() == before


def test_a_planted_link_has_nothing_written_elsewhere(planted: Path, tmp_path: Path, host: Host) -> None:
    before = host.read()
    with suppress(StagingError):
        put(planted, tmp_path)
    assert host.read() == before
    assert sorted(path.name for path in host.folder.rglob("*")) == ["below", "secret.json", "secret.txt", "secret.txt"]


@pytest.mark.timeout(60)
def test_a_pipe_as_record_of_earlier_results_is_not_waited_for(tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    os.mkfifo(results / RECORD)
    with pytest.raises(StagingError):
        put(results, tmp_path)


@pytest.fixture
def dripping() -> Iterator[int]:
    """A server that sends a byte again and again, but never many."""
    server, over = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not over.wait(0.2):
                connection.sendall(b"x")

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=drip, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    over.set()
    server.shutdown(socket.SHUT_RDWR)
    server.close()


@pytest.mark.timeout(60)
def test_a_server_that_sends_byte_by_byte_is_not_waited_for_for_ever(dripping: int, tmp_path: Path) -> None:
    options = StageInOptions(read_timeout_seconds=2.0, retries=0)
    order = {"x": {"class": "File", "location": f"http://127.0.0.1:{dripping}/a.txt"}}
    with pytest.raises(StagingError):
        stage_in(order, tmp_path, options)


def test_a_package_that_takes_too_long_to_resolve_is_refused(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = {f"i{number}": "string?" for number in range(2000)}
    (tmp_path / "wide.cwl").write_text(json.dumps(tool("true", {}, inputs=inputs)))
    monkeypatch.setattr(prepare, "LONGEST_CPU_SECONDS", 1)
    with pytest.raises(PackageError) as caught:
        prepare.prepare_package(str(tmp_path / "wide.cwl"), site.settings)
    assert caught.value.diagnosis.code == "package.too-large"
