"""Repositories that are read over ssh: the program ssh, a server on this machine with keys of its own, and git."""

import asyncio
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import asyncssh
import pytest

from tests.gitserver import Repository, create_repository
from tests.site import Site
from zoo_runner.harvest.fetching import find_commit, read_commit
from zoo_runner.harvest.sources import Source
from zoo_runner.model.errors import EngineError, RunnerError

START_SECONDS = 60


class SshServer:
    """Runs `git upload-pack` for whoever has a key that it accepts, and nothing else."""

    def __init__(self, host_key: asyncssh.SSHKey, accepted: str) -> None:
        self._host_key, self._accepted = host_key, accepted
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self.port = 0
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _listen(self) -> None:
        self._listener = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[self._host_key],
            authorized_client_keys=asyncssh.import_authorized_keys(self._accepted),
            process_factory=_serve,
            encoding=None,
        )
        self.port = self._listener.get_port()
        self._ready.set()

    def start(self) -> None:
        """Listen in a thread."""
        self._thread.start()
        assert self._ready.wait(START_SECONDS)

    def stop(self) -> None:
        """Close all connections."""

        async def close() -> None:
            self._listener.close()
            await self._listener.wait_closed()

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(START_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_SECONDS)


async def _serve(process: "asyncssh.SSHServerProcess[bytes]") -> None:
    program, _, path = (process.command or "").partition(" ")
    if program != "git-upload-pack":
        process.exit(127)
        return
    child = await asyncio.create_subprocess_exec(
        "git", "upload-pack", path.strip("'"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={"PATH": os.defpath},
    )  # fmt: skip
    assert child.stdin
    assert child.stdout
    assert child.stderr
    sending = asyncio.create_task(_send(process, child.stdin))
    await asyncio.gather(_pump(child.stdout, process.stdout), _pump(child.stderr, process.stderr))
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    process.exit(await child.wait())


async def _send(process: "asyncssh.SSHServerProcess[bytes]", target: asyncio.StreamWriter) -> None:
    while data := await process.stdin.read(1 << 16):
        target.write(data)
        await target.drain()
    target.close()


async def _pump(source: asyncio.StreamReader, target: "asyncssh.SSHWriter[bytes]") -> None:
    while data := await source.read(1 << 16):
        target.write(data)
        await target.drain()


@dataclass(frozen=True)
class Field:
    """A repository, the server that offers it, and what a client needs to read it."""

    site: Site
    repository: Repository
    source: Source
    folder: Path

    def write_key(self, name: str) -> str:
        """Write a new private key that the server does not know."""
        return write_key(self.folder / name, asyncssh.generate_private_key("ssh-ed25519"))

    def fail(self, source: Source) -> RunnerError:
        """Read a source that cannot be read; return the error."""
        with pytest.raises(EngineError) as raised:
            find_commit(source, self.site.settings)
        return raised.value


def write_key(path: Path, key: asyncssh.SSHKey) -> str:
    path.write_bytes(key.export_private_key())
    path.chmod(0o600)
    return str(path)


@pytest.fixture
def field(tmp_path: Path, package_cache: Path) -> Iterator[Field]:
    host, own = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    repository = create_repository(tmp_path)
    server = SshServer(host, own.export_public_key().decode())
    server.start()
    # a name with what ssh would split or replace
    folder = tmp_path / "files of %h"
    folder.mkdir()
    known = folder / "known hosts"
    known.write_text(f"[127.0.0.1]:{server.port} {host.export_public_key().decode()}")
    source = Source(
        f"ssh://git@127.0.0.1:{server.port}{repository.bare}",
        key_file=write_key(folder / "key", own),
        known_hosts_file=str(known),
    )
    try:
        yield Field(Site(tmp_path, package_cache), repository, source, folder)
    finally:
        server.stop()


def test_documents_are_read_with_a_key_from_a_host_that_is_known(field: Field) -> None:
    commit = field.repository.push({"a.cwl": "cwlVersion: v1.2\n", "b.tif": "no document"})
    assert find_commit(field.source, field.site.settings) == commit
    tree = read_commit(field.source, field.site.settings, commit, field.folder)
    assert tree.documents == {"a.cwl": "cwlVersion: v1.2\n"}
    later = field.repository.push({"a.cwl": "cwlVersion: v1.0\n"}, branch="main", rewrite=True)
    assert find_commit(replace(field.source, branch="main"), field.site.settings) == later


@pytest.mark.parametrize("known", ["empty", "other"])
def test_a_host_whose_key_is_not_known_is_refused_before_anybody_logs_in(field: Field, known: str) -> None:
    field.repository.push({"a.cwl": ""})
    path = field.folder / "others"
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    place = Path(field.source.known_hosts_file).read_text().partition(" ")[0]
    path.write_text(f"{place} {other}" if known == "other" else "")
    error = field.fail(replace(field.source, known_hosts_file=str(path)))
    assert error.diagnosis.code == "harvest.host-key"
    assert "127.0.0.1" in error.diagnosis.cause
    assert "known-hosts-file" in error.diagnosis.remedy
    # and it was not learned
    assert path.read_text() == (f"{place} {other}" if known == "other" else "")


def test_a_key_that_the_server_does_not_know_is_refused(field: Field) -> None:
    error = field.fail(replace(field.source, key_file=field.write_key("other")))
    assert error.diagnosis.code == "harvest.repository"
    assert "Permission denied" in error.diagnosis.cause
    assert "key-file" in error.diagnosis.remedy


def test_a_repository_that_is_not_there_is_named(field: Field) -> None:
    error = field.fail(replace(field.source, url=f"{field.source.url}-none"))
    assert error.diagnosis.code == "harvest.repository"
    assert "-none" in error.diagnosis.cause


def test_without_the_program_the_error_says_so(field: Field) -> None:
    empty = field.folder / "empty"
    empty.mkdir()
    settings = replace(field.site.settings, pull_variables={"PATH": str(empty)})
    with pytest.raises(EngineError) as raised:
        find_commit(field.source, settings)
    assert "program ssh" in raised.value.diagnosis.cause
