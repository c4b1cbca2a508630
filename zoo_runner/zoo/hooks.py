"""Call a site's handler before and after a job, in the order that existing handlers expect."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo_runner.config.folders import JobPaths
from zoo_runner.handler import call_hook, call_optional
from zoo_runner.model.job import Results
from zoo_runner.zoo.conf import Conf, Site, get_section

# how pycalrissian groups what a handler returns
_LISTS = ("imagePullSecrets", "additionalImagePullSecrets")
_DOCKER_DATA = ".dockerconfigjson"


class Hooks:
    """Calls a handler in the order that existing handlers expect."""

    def __init__(self, handler: Any) -> None:
        self.handler = handler

    def prepare(self, site: Site, conf: Conf, namespace: str | None) -> dict[str, Any]:
        """Call the hooks before a job; return their parameters, with those for pods as settings."""
        handler = self.handler
        namespace = namespace or call_optional(handler, "get_namespace")
        call_optional(handler, "pre_execution_hook")
        secrets = call_optional(handler, "get_secrets")
        pods: dict[str, Any] = {
            "IMAGE_PULL_SECRETS": ",".join(find_secret_names(secrets)),
            "ZOO_RUNNER_PULL_CREDENTIALS": find_docker_configs(secrets),
        }
        if hasattr(handler, "set_job_id"):
            call_hook(handler.set_job_id, "set_job_id", job_id=build_namespace_name(site, namespace))
        if namespace:
            pods["ZOO_RUNNER_NAMESPACE"] = str(namespace)
            pods["ZOO_RUNNER_SERVICE_ACCOUNT"] = call_optional(handler, "get_service_account")
        parameters = call_optional(handler, "get_additional_parameters", {})
        pods["POD_ENV_VARS"] = call_optional(handler, "get_pod_env_vars")
        pods["POD_NODE_SELECTOR"] = call_optional(handler, "get_pod_node_selector")
        pods["POD_ANNOTATIONS"] = get_section(conf, "pod_annotations")
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in pods.items() if value}
        return {**parameters, **texts}

    def finish(self, paths: JobPaths, output: dict[str, Any]) -> None:
        """Call the hooks after a job, both with the same keyword arguments."""
        given = {
            "log": _read_text(paths.kept_log),
            "output": output,
            "usage_report": json.loads(_read_text(paths.usage) or "{}"),
            "tool_logs": [str(path) for path in sorted(paths.log_folder.glob("*.log"))],
        }
        for name in ("handle_outputs", "post_execution_hook"):
            if hook := getattr(self.handler, name, None):
                call_hook(hook, name, **given)


def find_secret_names(secrets: Any) -> list[str]:
    """Find the names of pull secrets in what a handler returns: a name, `{"name": ...}`, or any nesting of those."""
    if isinstance(secrets, str):
        return [secrets]
    if isinstance(secrets, Mapping):
        if isinstance(secrets.get("name"), str) and "data" not in secrets:
            return [secrets["name"]]
        secrets = [secrets.get(key) for key in _LISTS]
    return [name for secret in secrets or () for name in find_secret_names(secret)]


def find_docker_configs(secrets: Any) -> list[Any]:
    """Find the Docker configurations in what a handler returns: one as it is, the data of a Secret, or any nesting."""
    if isinstance(secrets, Mapping):
        if isinstance(secrets.get("auths"), Mapping):
            return [secrets]
        data = secrets.get("data")
        if isinstance(data, Mapping) and isinstance(data.get(_DOCKER_DATA), str):
            return [_read_data(data[_DOCKER_DATA])]
        secrets = [secrets.get(key) for key in _LISTS]
    if not isinstance(secrets, list):
        return []
    return [config for secret in secrets for config in find_docker_configs(secret)]


def _read_data(text: str) -> Any:
    """Read a value of a Secret's data; None, which the settings refuse, if it is not a configuration."""
    try:
        return json.loads(base64.b64decode(text))
    except ValueError:
        return None


def build_namespace_name(site: Site, namespace: str | None = None) -> str:
    """Build the name by which existing handlers know a job: the site's namespace, or process and job id."""
    name = namespace or f"{site.process_id.replace('_', '-')}-{site.job_id}"
    return name[:63].rstrip("-")


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def build_hook_output(results: Results) -> dict[str, Any]:
    """Build the results for hooks: for each output its address as `value`, and the STAC document of all of them."""
    named = {name: _with_value(value) for name, value in results.document.items()}
    return named | {"StacCatalogUri": results.collection_href}


def _with_value(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_value(item) for item in value]
    return {**value, "value": value["href"]} if isinstance(value, Mapping) and "href" in value else value
