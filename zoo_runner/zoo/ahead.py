"""Starts the launcher of a job's local engine before the rest of a service is imported."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from zoo_runner.config.interpreter import find_python
from zoo_runner.config.settings import Settings
from zoo_runner.engines.local.ahead import launcher_ahead
from zoo_runner.model.errors import SettingsError


@contextmanager
def starting_ahead(conf: Mapping[str, Any]) -> Iterator[None]:
    """Have a launcher ready where the service will need one; the service reports what cannot be started."""
    with ExitStack() as stack:
        if _read(conf, "engine") in ("", "local"):
            with suppress(SettingsError, OSError):
                python = find_python(Settings(python=_read(conf, "python")))
                stack.enter_context(launcher_ahead(python))
        yield


def _read(conf: Mapping[str, Any], name: str) -> str:
    """Read a setting from the section of main.cfg, else from the environment; empty where it is not set."""
    section, variable = conf.get("zoo_runner"), f"ZOO_RUNNER_{name.upper()}"
    given = section.get(name) or section.get(variable) if isinstance(section, dict) else None
    return str(given or os.environ.get(variable, ""))  # noqa: TID251 entry point
