"""What services have by default, and the command line of a person has not: packages and callers are not trusted."""

from collections.abc import Mapping
from dataclasses import replace

from zoo_runner.config.configuration import Configuration, load_configuration

SERVICE_DEFAULTS: Mapping[str, str] = {
    "ZOO_RUNNER_ISOLATION": "isolated",
    "ZOO_RUNNER_TIME_LIMIT": str(24 * 60 * 60),
    "ZOO_RUNNER_SCRATCH_MAX_BYTES": str(300 << 30),
    "ZOO_RUNNER_MAX_INPUT_VALUES": "100000",
    "STAGEIN_ALLOW_PRIVATE": "false",
    "STAGEIN_MAX_BYTES": str(100 << 30),
    "STAGEIN_MAX_FILES": "100000",
    "STAGEOUT_MAX_BYTES": str(100 << 30),
    "STAGEOUT_MAX_FILES": "100000",
}
"""Settings of services where the operator sets no others; those that are not here have the default of all."""


def load_service_configuration(environ: Mapping[str, str]) -> Configuration:
    """Read the configuration of a service; an empty value counts as unset. Raises `SettingsError`.

    Local inputs come from folders that the operator lists only, and packages refer to their own folder only.
    """
    given = {name: text for name, text in environ.items() if text}
    configuration = load_configuration({**SERVICE_DEFAULTS, **given})
    settings, workspace = configuration.settings, configuration.workspace
    storage = replace(workspace.storage, allowed_roots=workspace.storage.allowed_roots or ())
    return replace(
        configuration,
        settings=replace(settings, confined=True),
        workspace=replace(workspace, storage=storage),
    )
