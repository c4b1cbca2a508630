"""Generated pages and messages are written by one process only."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import pytest_configure


def configure(**options: Any) -> None:
    config: Any = SimpleNamespace(getoption=lambda name, default=None: options.get(name.strip("-"), default))
    pytest_configure(config)


def test_pages_are_not_written_by_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UPDATE_DOCS", "PYTEST_XDIST_WORKER"):
        monkeypatch.delenv(name, raising=False)
    configure(numprocesses=2)
    configure(**{"write-messages": True, "numprocesses": 0})
    with pytest.raises(pytest.UsageError, match="-n 0"):
        configure(**{"write-messages": True, "numprocesses": 2})
    monkeypatch.setenv("UPDATE_DOCS", "1")
    configure()
    with pytest.raises(pytest.UsageError):
        configure(numprocesses=2)
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    with pytest.raises(pytest.UsageError):
        configure()
