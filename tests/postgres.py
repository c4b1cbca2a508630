"""PostgreSQL for tests: the server that `make postgres` starts or POSTGRES_URL names, and a schema for each test."""

import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

from tests.require import require
from tests.serving import find_free_port
from tests.waiting import wait_for


def find_postgres() -> str:
    """Return the URL of the server, or skip the test."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"  # noqa: TID251 where the tests learn of the server
    folder = Path(base).expanduser() / "zoo-runner" / "postgres"
    url = os.environ.get("POSTGRES_URL", f"postgresql://tests@/postgres?host={quote(str(folder), safe='')}")  # noqa: TID251
    require("POSTGRES_URL" in os.environ or (folder / "data" / "postmaster.pid").exists(), "no server: make postgres")  # noqa: TID251
    return url


@contextmanager
def use_schema(server: str) -> Iterator[str]:
    """Give the URL of an empty schema of its own, which is dropped at the end."""
    name = f"test_{uuid.uuid4().hex}"
    # the server may be away in between
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
    try:
        yield f"{server}{'&' if '?' in server else '?'}options={quote(f'-csearch_path={name}')}"
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA {name} CASCADE".encode())


@dataclass
class PrivatePostgres:
    """A PostgreSQL of a test's own, at a port of this machine, which may be killed."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        """The URL of the server."""
        return f"postgresql://tests@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        """Create its data."""
        self._run(
            "initdb", "--username", "tests", "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync"
        )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories={self.folder}"
        log = str(self.folder / "log")
        self._run("pg_ctl", "--log", log, "--silent", "--wait", "--options", options, "start")

    def kill(self) -> None:
        """End all of its processes without any chance to tidy up."""
        main = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        processes = [main, *_find_children(main)]
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        wait_for(lambda: not any(Path(f"/proc/{process}/fd").exists() for process in processes), 30)

    def stop(self) -> None:
        """Stop it."""
        self._run("pg_ctl", "--mode", "immediate", "--silent", "stop")

    def _run(self, program: str, *words: str) -> None:
        # PostgreSQL refuses to run as root: a user namespace gives it another number for the same user
        user = ["unshare", "--user", "--map-user=1000", "--map-group=1000"] if os.getuid() == 0 else []
        path = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
        require(bool(path), "no PostgreSQL: make postgres")
        command = [*user, str(path[-1]), "--pgdata", str(self.folder / "data"), *words]
        done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0, done.stderr


def _find_children(process: int) -> list[int]:
    children = Path(f"/proc/{process}/task/{process}/children").read_text()
    return [int(child) for child in children.split()]


@contextmanager
def own_postgres(folder: Path) -> Iterator[PrivatePostgres]:
    """Run a PostgreSQL of one's own while the block runs."""
    postgres = PrivatePostgres(folder, find_free_port())
    postgres.create()
    postgres.start()
    try:
        yield postgres
    finally:
        postgres.stop()
