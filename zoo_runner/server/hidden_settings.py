"""Settings of the operator are not shown to clients, neither in answers nor in the diagnosis of a job."""

import logging

from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import RunnerError, SettingsError

logger = logging.getLogger(__name__)


def hide_settings(error: RunnerError) -> RunnerError:
    """Return what a client learns of an error: settings of the operator are in the log of the server only."""
    if not isinstance(error, SettingsError) or error.diagnosis.level is Level.USER:
        return error
    logger.error("%s", error)
    return SettingsError(
        "a setting of this server is invalid or cannot be read",
        "Ask the operator of the server, whose log says which one.",
        code=error.diagnosis.code,
    )
