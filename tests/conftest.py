"""A tier that cannot run says so; under `CI=true` that is a failure, not a skip. No test waits for ever."""

import os
from collections.abc import Generator

import pytest

CI = os.environ.get("CI") == "true"  # noqa: TID251 where the tests learn that nobody looks
NEEDS_SERVER = "needs_server"
TIMEOUT_SECONDS = {"unit": 60, "contract": 300, "live": 900}
"""What a test of a tier may take at most, with the fixtures that it is the first to use."""
LONG_TIMEOUT_SECONDS = 3600


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark each test with the tier that it lies in."""
    tier = item.path.relative_to(item.config.rootpath / "tests").parts[0]
    if tier in TIMEOUT_SECONDS:
        item.add_marker(tier)
        if not item.get_closest_marker("timeout"):
            seconds = LONG_TIMEOUT_SECONDS if item.get_closest_marker("long") else TIMEOUT_SECONDS[tier]
            item.add_marker(pytest.mark.timeout(seconds))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure in CI, but for tests of servers that only some have."""
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
