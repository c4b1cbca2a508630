"""Workflows in files: read one, and give its parameters their values."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from zoo_runner.hera.argo_server import Workflow
from zoo_runner.model.errors import UserSettingsError


def read_workflow(path: Path, parameters: Mapping[str, str]) -> Workflow:
    """Read the manifest of a Workflow (YAML or JSON); `parameters` replace values of its arguments.

    Raises `SettingsError` naming the file and what is wrong.
    """
    try:
        manifest = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise UserSettingsError(f"cannot read {path}: {error}", "Check the path and the syntax.") from error
    if (
        not isinstance(manifest, dict)
        or manifest.get("kind") != "Workflow"
        or not isinstance(manifest.get("spec"), dict)
    ):
        raise UserSettingsError(f"{path} is not one Argo Workflow", "Use a file with `kind: Workflow` and `spec`.")
    return {**manifest, "spec": _set_parameters(manifest["spec"], parameters, path)}


def _set_parameters(spec: dict[str, Any], parameters: Mapping[str, str], path: Path) -> dict[str, Any]:
    arguments = spec.get("arguments") or {}
    declared = arguments.get("parameters") or []
    if unknown := sorted(parameters.keys() - {one["name"] for one in declared}):
        names = ", ".join(str(one["name"]) for one in declared) or "none"
        raise UserSettingsError(f"{path} has no parameter {unknown[0]!r}", f"Its parameters: {names}.")
    if not parameters:
        return spec
    given = [{**one, "value": parameters[one["name"]]} if one["name"] in parameters else one for one in declared]
    return {**spec, "arguments": {**arguments, "parameters": given}}
