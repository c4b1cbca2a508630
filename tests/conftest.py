"""A tier that cannot run is skipped with the reason; under `CI=true` that is a failure. Every test has a time limit."""

import gc
import os
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.remote import Producer

    from tests.sharing import SharingByFile

CI = os.environ.get("CI") == "true"  # noqa: TID251 where the tests learn that they run unattended
NEEDS_SERVER = "needs_server"
TIMEOUT_SECONDS = {"unit": 60, "contract": 300, "attacks": 300, "live": 900}
"""The longest time for a test of each tier, with the fixtures that are set up for it."""
LONG_TIMEOUT_SECONDS = 3600


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that writes the snapshot of messages."""
    parser.addoption("--write-messages", action="store_true", help="write tests/unit/messages.json")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to write generated pages and messages in several processes: each would undo what the others write."""
    writes = config.getoption("--write-messages") or os.environ.get("UPDATE_DOCS")  # noqa: TID251 as above
    if writes and (config.getoption("numprocesses", None) or os.environ.get("PYTEST_XDIST_WORKER")):  # noqa: TID251
        raise pytest.UsageError(
            "--write-messages and UPDATE_DOCS write whole files, and several processes would undo each other's changes;"
            " run pytest without -n, or with -n 0"
        )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> "SharingByFile":
    """Share tests out by file."""
    from tests.sharing import SharingByFile

    return SharingByFile(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import all tests without the garbage collector, and have it leave out what they imported: it stays to the end.

    It would take a sixth of the time of the unit tests.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark each test with the tier that it lies in."""
    tier = item.path.relative_to(item.config.rootpath / "tests").parts[0]
    if tier in TIMEOUT_SECONDS:
        item.add_marker(tier)
        if not item.get_closest_marker("timeout"):
            seconds = LONG_TIMEOUT_SECONDS if item.get_closest_marker("long") else TIMEOUT_SECONDS[tier]
            item.add_marker(pytest.mark.timeout(seconds))


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty SQLite with the newest schema; to copy it takes a twentieth of the migrations' time."""
    # tests that need no database do not wait for SQLAlchemy
    from zoo_runner.store.sql import open_sql_store

    path = tmp_path_factory.mktemp("database") / "runner.db"
    with closing(open_sql_store(f"sqlite:///{path}")):
        return path


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure in CI, except for tests of servers that only some have."""
    report = yield
    if CI and report.skipped and not hasattr(report, "wasxfail") and not item.get_closest_marker(NEEDS_SERVER):
        _fail(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself."""
    report = yield
    if CI and report.skipped:
        _fail(report)
    return report


def _fail(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"under CI=true what cannot run fails: {reason.removeprefix('Skipped: ')}"
