"""Settings of the runner: read once, frozen, typed, each with its variable, default and meaning in one place."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from zoo_runner.model.errors import SettingsError

Containers = Literal["auto", "podman", "docker", "none"]
ResultsForm = Literal["auto", "collection", "links"]


def _setting(variable: str, default: Any, meaning: str) -> Any:
    return field(default=default, metadata={"variable": variable, "meaning": meaning})


@dataclass(frozen=True)
class Settings:
    """How this installation runs jobs.

    `environ` is what the settings were read from: the stagers take their own settings, credentials among them,
    from there, and a run inherits a few harmless variables. It is never shown.
    """

    engine: str = _setting("ZOO_RUNNER_ENGINE", "local", "Engine that runs the CWL.")
    containers: Containers = _setting(
        "ZOO_RUNNER_CONTAINERS",
        "auto",
        "Containers of the local engine: podman, docker, none, or auto (whichever answers first).",
    )
    temp: Path = _setting(
        "ZOO_RUNNER_TEMP",
        Path("~/.local/state/zoo-runner/temp"),
        "Folder of job and step logs; may be public, everything in it is masked.",
    )
    state: Path = _setting(
        "ZOO_RUNNER_STATE", Path("~/.local/state/zoo-runner/jobs"), "Private folder of the job records."
    )
    scratch: Path = _setting(
        "ZOO_RUNNER_SCRATCH",
        Path("~/.cache/zoo-runner/scratch"),
        "Folder for staged inputs and intermediate files; a job's part is removed at its end.",
    )
    cache: Path = _setting(
        "ZOO_RUNNER_CACHE",
        Path("~/.cache/zoo-runner/packages"),
        "Folder of resolved packages and fetched CWL.",
    )
    time_limit_seconds: float | None = _setting(
        "ZOO_RUNNER_TIME_LIMIT", None, "Longest time a job may take, in seconds; unset: no limit."
    )
    package_hosts: tuple[str, ...] = _setting(
        "ZOO_RUNNER_PACKAGE_HOSTS",
        (),
        "Hosts that CWL may be fetched from, comma-separated; unset: any public one.",
    )
    package_max_mib: float = _setting("ZOO_RUNNER_PACKAGE_MAX_MIB", 16.0, "Largest CWL file that is read, in MiB.")
    python: str = _setting(
        "ZOO_RUNNER_PYTHON",
        "",
        "Python that runs the local engine's programs; unset: the one that runs the service, or its installation's.",
    )
    handler: str = _setting(
        "ZOO_RUNNER_HANDLER",
        "",
        "ZOO services: the site's execution handler, as module:Class or the name of an entry point in the group"
        " zoo_runner.handlers; unset: our own.",
    )
    results: ResultsForm = _setting(
        "ZOO_RUNNER_RESULTS",
        "auto",
        "ZOO services: what a file output gives: collection (one STAC Collection of everything), links, or auto"
        " (the Collection where the package has one such output, links where it has several).",
    )
    platform_inputs: tuple[str, ...] = _setting(
        "ZOO_RUNNER_PLATFORM_INPUTS",
        (),
        "ZOO services: names of inputs, comma-separated, that the platform adds to requests; only the handler sees"
        " those that the package does not have.",
    )
    dismiss_check_seconds: float = _setting(
        "ZOO_RUNNER_DISMISS_CHECK",
        2.0,
        "ZOO services: seconds between looks at the job's folder for a dismissal from another machine.",
    )
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)


SETTINGS = tuple(setting for setting in fields(Settings) if setting.metadata)
"""The documented settings, in order; `metadata` has `variable` and `meaning`."""


def _convert(kind: Any, text: str) -> Any:
    if kind is Path:
        return _folder(text)
    if kind == tuple[str, ...]:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if kind in (float, float | None):
        return _positive(text)
    if get_origin(kind) is Literal and text not in get_args(kind):
        raise ValueError(f"must be one of {', '.join(get_args(kind))}")
    return text


def _folder(text: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise ValueError("there is no such user") from error


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError("it is not a number") from None
    if not 0 < number <= threading.TIMEOUT_MAX:
        raise ValueError(f"must be above 0 and at most {threading.TIMEOUT_MAX:.0f}")
    return number


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings from an environment; an empty value counts as unset.

    Raises `SettingsError` naming the variable, its value and what is accepted.
    """
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        variable = setting.metadata["variable"]
        text = environ.get(variable) or None
        if text is None:
            values[setting.name] = _convert(Path, str(setting.default)) if setting.type is Path else setting.default
            continue
        try:
            values[setting.name] = _convert(setting.type, text)
        except ValueError as error:
            raise SettingsError(
                f"{variable}={text!r} cannot be used: {error}", f"{setting.metadata['meaning']}"
            ) from error
    return Settings(**values, environ=dict(environ))
