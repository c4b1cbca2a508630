"""PostgreSQL for tests: the server that `make postgres` starts or POSTGRES_URL names, and a schema for each test."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg

from tests.require import require


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
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
        try:
            yield f"{server}{'&' if '?' in server else '?'}options={quote(f'-csearch_path={name}')}"
        finally:
            connection.execute(f"DROP SCHEMA {name} CASCADE".encode())
