"""WorkflowTemplates of the cluster: only those that the operator allows, as packages."""

import json
from collections.abc import Mapping
from typing import Any

from zoo_runner.config.configuration import Configuration
from zoo_runner.engines.argo.server import read_template_by_server
from zoo_runner.engines.kubernetes.client import connect
from zoo_runner.engines.kubernetes.names import name_namespace
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError, PackageError
from zoo_runner.model.package import Package
from zoo_runner.package.workflow_template import TemplateUse, build_document, build_use, find_template

_REMEDY = "Ask the operator to add it to ZOO_RUNNER_ARGO_TEMPLATES, or deploy one of: {}."


def find_namespace(configuration: Configuration) -> str:
    """Return the namespace of templates and their Workflows. Raises `SettingsError`."""
    return configuration.argo.template_namespace or name_namespace(configuration.workspace)


def ensure_allowed(configuration: Configuration, name: str) -> None:
    """Refuse a template that the operator does not allow: whoever writes a package could name any."""
    allowed = configuration.argo.templates
    if not configuration.argo.allows_template(name):
        raise PackageError(
            f"the WorkflowTemplate {name!r} may not be run here",
            _REMEDY.format(", ".join(allowed) or "none is allowed"),
            code="package.template-not-allowed",
        )


def ensure_same_place(package: Package, deploying: Configuration, executing: Configuration) -> None:
    """Refuse to run a template of one workspace in another where its name stands for another template.

    Raises `PackageError`.
    """
    wanted, found = find_namespace(deploying), find_namespace(executing)
    if wanted != found and (use := find_template(package)):
        raise PackageError(
            f"the process stands for the WorkflowTemplate {use.name} in namespace {wanted}, and jobs of this caller run those"
            f" in namespace {found}",
            "Ask its owner to make it a user service, or the operator to set ZOO_RUNNER_ARGO_TEMPLATE_NAMESPACE for both.",
            code="package.template-not-allowed",
        )


def load_template(configuration: Configuration, name: str) -> str:
    """Return a template as a package, a CWL document. Raises `PackageError`, `EngineError`."""
    ensure_allowed(configuration, name)
    return json.dumps(build_document(read_template(configuration, name)), indent=2)


def read_template(configuration: Configuration, name: str) -> Mapping[str, Any]:
    """Read a template, through the Argo server where one is set. Raises `EngineError`."""
    namespace, argo = find_namespace(configuration), configuration.argo
    if argo.server:
        found = read_template_by_server(argo, namespace, name)
    else:
        found = connect(configuration.kubernetes).get("WorkflowTemplate", namespace, name)
    if found is None:
        raise EngineError(
            f"the WorkflowTemplate {name} does not exist in namespace {namespace}",
            "Check its name, and ZOO_RUNNER_ARGO_TEMPLATE_NAMESPACE; `argo template list` shows those that exist.",
            level=Level.USER,
            code="cluster.not-found",
        )
    return found


def ensure_unchanged(configuration: Configuration, use: TemplateUse) -> None:
    """Refuse to run a package whose inputs or outputs are others than those of its template now.

    The template may have changed, or the package was written by somebody else than `build_document`, to pass values that
    the template does not allow.
    """
    if build_use(build_document(read_template(configuration, use.name))) != use:
        raise EngineError(
            f"the WorkflowTemplate {use.name} has other inputs or outputs than the package that was deployed for it",
            f"Deploy it again: `zoo-runner hera package template/{use.name}`",
            code="package.template-changed",
        )
