"""What the job pod needs to reach sources and results."""

from pathlib import Path

from zoo_runner.config.workspace import list_variables
from zoo_runner.model.errors import SettingsError
from zoo_runner.model.workspace import StorageProfile
from zoo_staging.variables import FILE_VARIABLES


def find_credentials(storage: StorageProfile) -> dict[str, str]:
    """Return what stage-in and stage-out need: the content of the Secret of the job pod.

    A file of credentials is replaced by its content, because no pod has the file. Raises `SettingsError` if it cannot
    be read.
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
