"""What the job pod needs to reach sources and results."""

from pathlib import Path

from zoo_runner.config.workspace import list_variables
from zoo_runner.model.errors import SettingsError
from zoo_runner.model.workspace import StorageProfile
from zoo_staging.variables import FILE_VARIABLES


def find_credentials(storage: StorageProfile) -> dict[str, str]:
    """List what stage-in and stage-out need: all of it goes to the Secret of the job pod.

    Of a file of credentials, which no pod has, goes what it holds. Raises `SettingsError` where it cannot be read.
    """
    picked = list_variables(storage)
    for variable in FILE_VARIABLES:
        if path := picked.pop(variable, None):
            picked[f"{variable}_CONTENT"] = _read_credentials(variable, path)
    return picked


def _read_credentials(variable: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"{variable}={path!r} cannot be read: {error}", "Name a file that this user may read, or unset it."
        ) from error
