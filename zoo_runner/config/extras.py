"""Packages that only an extra of the distribution installs: `pip install 'zoo-runner[kubernetes]'`.

with extra("kubernetes"):
    from kubernetes import client
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import SettingsError

EXTRAS = {
    "alembic": "server",
    "cookiecutter": "testing",
    "dulwich": "harvest",
    "fastapi": "server",
    "hera": "argo",
    "kubernetes": "kubernetes",
    "opentelemetry": "otel",
    "prometheus_client": "server",
    "psycopg": "server",
    "pulsar": "bus",
    "sqlalchemy": "server",
    "cryptography": "server",
    "uvicorn": "server",
}
"""The extra that brings each optional module. (`stageout` uses rasterio, of the extra `raster`, where it is there.)"""


@contextmanager
def extra(module: str) -> Iterator[None]:
    """Import an optional module within the block; raises `SettingsError` that names the extra where it is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != module:
            raise
        raise build_missing_extra(module) from error


def ensure_extra(module: str) -> None:
    """Raise `SettingsError` where an optional module is not installed, without importing it."""
    if find_spec(module) is None:
        raise build_missing_extra(module)


def build_missing_extra(module: str, why: str = "") -> SettingsError:
    """Build the error for a module that is not installed; `why` names the feature that needs it."""
    name = f"zoo-runner[{EXTRAS[module]}]"
    return SettingsError(
        f"{why or f'the Python package {module!r} is not installed'}; install {name}",
        f"pip install '{name}'",
        level=Level.USER,
        code="settings.extra-missing",
    )
