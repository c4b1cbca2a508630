"""A database of its own in the PostgreSQL of tests, for a measurement."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.postgres import find_postgres


@contextmanager
def use_database() -> Iterator[str]:
    """Give the URL of a database of its own, whose statistics are of nothing else."""
    server, name = find_postgres(), f"zoo_runner_scale_{time.time_ns()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    try:
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
