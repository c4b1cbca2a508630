"""The hook contract: what a site may do before and after a job, under the names of existing handlers.

The order of calls: `get_namespace`, `pre_execution_hook`, `get_secrets`, `set_job_id`, `get_service_account` (in a
namespace of the site's own), `get_additional_parameters`, `get_pod_env_vars`, `get_pod_node_selector`, the job,
`handle_outputs`, `post_execution_hook`.
"""

import inspect
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from zoo_runner.model.errors import EngineError, SettingsError
from zoo_runner.zoo.conf import Conf, build_temp_url, get_section

ENTRY_POINTS = "zoo_runner.handlers"


class HookError(EngineError):
    """A hook of the site failed; the operator has to fix it."""

    default_code = "engine.hook"


class ExecutionHandler:
    """Base class of handlers: a site overrides what it needs.

    Keyword arguments become attributes; a service gives `conf`, `inputs` and `outputs`.
    """

    def __init__(self, **kwargs: Any) -> None:
        self.conf: Conf = {}
        self.inputs: dict[str, dict[str, Any]] = {}
        self.outputs: dict[str, dict[str, Any]] = {}
        self.job_id: str | None = None
        self.results: Any = None
        self.__dict__.update(kwargs)

    def set_job_id(self, job_id: str) -> None:
        """Receive the name of the run on the platform."""
        self.job_id = job_id

    def get_namespace(self) -> str | None:
        """Return the namespace that the job runs in; None: the engine's choice."""
        return None

    def get_service_account(self) -> str | None:
        """Return the service account of the job; None: the engine's choice."""
        return None

    def pre_execution_hook(self) -> None:
        """Act before the job; settings that it puts into `os.environ` and `conf` are used."""

    def get_secrets(self) -> Any:
        """Return image pull secrets: names, Docker configurations (`{"auths": ...}`), or what pycalrissian accepts."""
        return None

    def get_additional_parameters(self) -> dict[str, Any]:
        """Return settings of this job (`STAGEIN_…`, `STAGEOUT_…`) and values for inputs that the client did not give.

        A package receives only those that the operator lists in `ZOO_RUNNER_PLATFORM_INPUTS`.
        """
        return dict(get_section(self.conf, "additional_parameters"))

    def get_pod_env_vars(self) -> dict[str, str]:
        """Return environment variables of the steps."""
        return dict(get_section(self.conf, "pod_env_vars"))

    def get_pod_node_selector(self) -> dict[str, str]:
        """Return labels of the nodes that the steps may run on."""
        return dict(get_section(self.conf, "pod_node_selector"))

    def handle_outputs(self, log: Any, output: Any, usage_report: Any, tool_logs: list[str]) -> None:
        """Link the logs of the steps from the job's status; `tool_logs` are their paths in the temp folder.

        `log` is the text of the job log, `output` the results by name (`value` is the address), with
        `StacCatalogUri` for the STAC document of all of them; empty where the job failed.
        """
        links = [(f"{self._log_url()}/{Path(path).name}", f"Tool log {Path(path).name}") for path in tool_logs]
        add_service_logs(self.conf, links)

    def post_execution_hook(self, log: Any, output: Any, usage_report: Any, tool_logs: list[str]) -> None:
        """Act once the job has ended, well or not."""

    def _log_url(self) -> str:
        main, lenv = get_section(self.conf, "main"), get_section(self.conf, "lenv")
        folder = build_temp_url(str(main.get("tmpUrl", "")), Path(str(main.get("tmpPath", ""))))
        return f"{folder}/{lenv.get('Identifier')}-{lenv.get('usid')}"


def read_service_logs(conf: Conf) -> list[tuple[str, str]]:
    """The links that stand in `conf["service_logs"]`, as (URL, title)."""
    section = get_section(conf, "service_logs")
    found = []
    for index in range(int(section.get("length") or bool(section))):
        suffix = f"_{index}" if index else ""
        if url := section.get(f"url{suffix}"):
            found.append((str(url), str(section.get(f"title{suffix}") or url)))
    return found


def add_service_logs(conf: Conf, links: Iterable[tuple[str, str]]) -> None:
    """Add links, (URL, title), to what a kernel shows in the status of a job; none appears twice."""
    merged: dict[str, str] = {}
    for url, title in [*read_service_logs(conf), *links]:
        merged.setdefault(url, title)
    section = {"length": str(len(merged))}
    for index, (url, title) in enumerate(merged.items()):
        suffix = f"_{index}" if index else ""
        section |= {f"url{suffix}": url, f"title{suffix}": title, f"rel{suffix}": "related"}
    if merged:
        conf["service_logs"] = section


def load_handler(name: str, **given: Any) -> Any:
    """Create the site's handler: `module:Class`, an entry point of the group `zoo_runner.handlers`, or our own.

    Of `conf`, `inputs` and `outputs` the constructor is given those that it accepts. Raises `SettingsError`,
    `HookError`.
    """
    make = _find_handler(name) if name else ExecutionHandler
    accepted = inspect.signature(make).parameters.values()
    if not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in accepted):
        given = {parameter.name: given[parameter.name] for parameter in accepted if parameter.name in given}
    return call_hook(make, "__init__", **given)


def _find_handler(name: str) -> Callable[..., Any]:
    try:
        handler: Callable[..., Any] = _find_object(name) if ":" in name else _find_entry_point(name)
    except (ImportError, AttributeError) as error:
        raise SettingsError(
            f"ZOO_RUNNER_HANDLER={name!r} cannot be loaded: {error}",
            "Install the module where the services find it ([env] PYTHONPATH in main.cfg), or correct the name.",
            code="settings.handler",
        ) from error
    return handler


def _find_object(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)


def _find_entry_point(name: str) -> Any:
    from importlib.metadata import entry_points

    points = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name not in points:
        raise SettingsError(
            f"ZOO_RUNNER_HANDLER={name!r} is not an entry point of the group {ENTRY_POINTS}",
            f"Use one of: {', '.join(sorted(points)) or 'none is installed'}; or module:Class.",
            code="settings.handler",
        )
    return points[name].load()


def call_hook(hook: Callable[..., Any], name: str, *args: Any, **kwargs: Any) -> Any:
    """Call a hook; whatever it raises, `SystemExit` included, becomes a `HookError` that names the hook."""
    try:
        return hook(*args, **kwargs)
    except BaseException as error:  # the code of a site
        owner = type(getattr(hook, "__self__", None)).__name__ if hasattr(hook, "__self__") else hook.__qualname__
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise HookError(
            f"the hook {name} of the site's handler {owner} failed: {said}",
            "Ask the platform's operator to fix the handler; the package and the inputs are not the cause.",
        ) from error


def call_optional(handler: Any, name: str, default: Any = None) -> Any:
    """Return a value of a handler; `default` if it has no such method or returns None."""
    hook = getattr(handler, name, None)
    answer = call_hook(hook, name) if hook else None
    return default if answer is None else answer
