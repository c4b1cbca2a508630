"""What a job of a WorkflowTemplate is on Argo Workflows: one Workflow that refers to it, with parameters; pure.

Argo replaces `{{…}}` wherever a template uses a parameter, and again in what came out of it. So no value of a user may
have, begin or complete such braces: within JSON they are escaped, and a string with them is refused.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from zoo_runner.config.argo import ArgoSettings
from zoo_runner.config.kubernetes import KubernetesSettings
from zoo_runner.engines.argo.workflow import INSTANCE_LABEL
from zoo_runner.engines.kubernetes.manifests import count_kept_seconds
from zoo_runner.engines.kubernetes.names import JOB_LABEL, Manifest, Names, build_meta
from zoo_runner.engines.kubernetes.owners import TEMPLATE_LABEL
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.model.errors import InputError
from zoo_runner.package.workflow_template import TemplateUse

_LATE_SECONDS = 60
_LONGEST_LABEL = 63
_BRACES = re.compile(r"\{\{|^\{|\{$")
_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def build_template_workflow(
    names: Names, use: TemplateUse, job: JobSpec, cluster: KubernetesSettings, argo: ArgoSettings
) -> Manifest:
    """Build the Workflow, suspended until its handle is stored; artifacts are without their addresses.

    Raises `InputError` for what Argo would evaluate.
    """
    template = {TEMPLATE_LABEL: use.name[:_LONGEST_LABEL].rstrip("-.")}
    meta = build_meta(names.job, names, labels={**names.labels, **template})
    if argo.instance_id:
        meta["labels"][INSTANCE_LABEL] = argo.instance_id
    limit = job.time_limit_seconds
    optional = {
        "serviceAccountName": argo.template_account,
        "activeDeadlineSeconds": math.ceil(limit) + _LATE_SECONDS if limit else None,
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": meta,
        "spec": {
            "suspend": True,
            "workflowTemplateRef": {"name": use.name},
            "arguments": {"parameters": build_parameters(use, job.order), **build_artifacts(use, job.order)},
            # not managed by zoo-runner: what they may be is not for its admission policy to say
            "podMetadata": {"labels": {JOB_LABEL: names.job, **template}},
            "ttlStrategy": {"secondsAfterCompletion": count_kept_seconds(cluster)},
            **{name: value for name, value in optional.items() if value},
        },
    }


def build_parameters(use: TemplateUse, order: Mapping[str, Any]) -> list[dict[str, str]]:
    """Write a job order as parameters; of an input that is null, the template's own value counts.

    >>> build_parameters(TemplateUse("t", {}, {}), {"bands": [4, 8], "fast": True, "note": None})
    [{'name': 'bands', 'value': '[4, 8]'}, {'name': 'fast', 'value': 'true'}]
    """
    return [
        {"name": name, "value": _write(name, value, use.allowed.get(name))}
        for name, value in order.items()
        if value is not None and name not in use.artifacts
    ]


def build_artifacts(use: TemplateUse, order: Mapping[str, Any]) -> dict[str, Any]:
    """Write the files and folders of a job order as artifacts; a file is never unpacked, whatever is in it."""
    artifacts = [
        {"name": name, "http": {"url": ""}, **({"archive": {"none": {}}} if order[name]["class"] == "File" else {})}
        for name in use.artifacts
        if order.get(name) is not None
    ]
    return {"artifacts": artifacts} if artifacts else {}


def fill_addresses(workflow: Manifest, addresses: Mapping[str, str]) -> Manifest:
    """Give the artifacts of a Workflow their addresses."""
    spec = workflow["spec"]
    arguments = spec["arguments"]
    filled = [{**one, "http": {"url": addresses[one["name"]]}} for one in arguments.get("artifacts", ())]
    return {**workflow, "spec": {**spec, "arguments": {**arguments, **({"artifacts": filled} if filled else {})}}}


def _write(name: str, value: Any, allowed: tuple[str, ...] | None) -> str:
    if not isinstance(value, str):
        text = _JSON_STRING.sub(_escape, json.dumps(value))
        # a brace of the template's own before it would make it two
        return f" {text} " if text.startswith("{") else text
    if allowed is not None and value not in allowed:
        raise InputError(
            f"the value {value!r} of input {name!r} is not allowed", f"Use one of: {', '.join(allowed)}.", code="inputs.value"
        )
    if _BRACES.search(value):
        raise InputError(
            f"the value of input {name!r} has braces that Argo would evaluate: {value!r}",
            "Leave out '{{', and '{' at its beginning and end.",
            code="inputs.value",
        )
    return value


def _escape(match: "re.Match[str]") -> str:
    return match[0].replace("{", "\\u007b").replace("}", "\\u007d")
