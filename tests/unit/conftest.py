"""Property tests of this tier are short; tests/contract/test_fuzz.py looks longer. Messages have one snapshot."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.unit.messages import Check, Messages

if TYPE_CHECKING:
    from zoo_runner.server.api import Api
    from zoo_runner.store.sql import SqlStore

# how busy the machine is says nothing of the code
settings.register_profile("unit", max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unit")


@pytest.fixture(scope="session")
def messages(request: pytest.FixtureRequest) -> Iterator[Messages]:
    """The snapshot of messages; written at the end where that is asked for."""
    messages = Messages.read()
    yield messages
    if request.config.getoption("--write-messages"):
        messages.write()


@pytest.fixture
def check(request: pytest.FixtureRequest, messages: Messages) -> Check:
    """Assert what an error says, and hold its words in the snapshot."""
    test = f"{request.node.path.stem}.{request.node.originalname}"
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    return Check(test, messages, request.config.getoption("--write-messages"), folder)


@pytest.fixture
def sql_store(empty_database: Path, tmp_path: Path) -> "Iterator[SqlStore]":
    """An empty store in SQLite, in the file `runner.db` of the test's folder."""
    # tests that need no database do not wait for SQLAlchemy
    from zoo_runner.store.sql import open_sql_store

    shutil.copy(empty_database, tmp_path / "runner.db")
    with closing(open_sql_store(f"sqlite:///{tmp_path / 'runner.db'}")) as store:
        yield store


@pytest.fixture
def api(sql_store: "SqlStore", tmp_path: Path) -> "Api":
    """The parts of a server over that store, without a listener; records and results are in the test's folder."""
    from tests.server_api import build_api

    return build_api(sql_store, tmp_path)
