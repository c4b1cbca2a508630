"""Engines run the CWL. One Protocol, one table; a further engine is one module and one line here."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # the supervisor, and every program of a job pod, imports this package, and none of them opens an engine
    from zoo_runner.config.configuration import Configuration
    from zoo_runner.engines.protocol import Engine
    from zoo_runner.model.package import Package

NEEDS = {"calrissian": "kubernetes"}
"""The optional module that an engine needs."""
ENGINES = {
    "local": "zoo_runner.engines.local.engine:LocalEngine",
    "calrissian": "zoo_runner.engines.calrissian.engine:CalrissianEngine",
    "argo": "zoo_runner.engines.argo.engine:ArgoEngine",
    "argo-native": "zoo_runner.engines.argo.native.engine:NativeEngine",
    "argo-template": "zoo_runner.engines.argo.template.engine:TemplateEngine",
}
_registered: dict[str, str] = {}


def register_engine(name: str, target: str) -> None:
    """Register an engine in this process under a name, as `module:Class`: for tests only; no setting does this."""
    _registered[name] = target


def choose_engine(package: "Package", name: str) -> str:
    """Return the name of the engine that runs a package: `name`, unless the package is not CWL that can be run.

    The one place where kinds of packages differ. Raises `PackageError` for a package that is half of another kind.
    """
    from zoo_runner.package.workflow_template import find_template

    return "argo-template" if find_template(package) else name


def open_engine(name: str, configuration: "Configuration") -> "Engine":
    """Open an engine by its name in the table; raises `SettingsError` that lists the names."""
    from zoo_runner.config.extras import ensure_extra
    from zoo_runner.model.errors import SettingsError

    if name in NEEDS:
        ensure_extra(NEEDS[name])
    try:
        module, _, attribute = {**ENGINES, **_registered}[name].partition(":")
    except KeyError:
        raise SettingsError(f"there is no engine {name!r}", f"Choose one of: {', '.join(ENGINES)}.") from None
    engine: Engine = getattr(import_module(module), attribute)(configuration)
    return engine
