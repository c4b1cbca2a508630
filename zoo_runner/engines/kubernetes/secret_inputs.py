"""Secret inputs on their way to a cluster; pure.

Inputs that a package declares secret (`cwltool:Secrets`) are stored in the Secret of the job. Everywhere else (bundle,
job order, pods, logs) a placeholder replaces the value, as cwltool does for its own jobs. In the container of a step
that uses it, the kubelet inserts the value (Kubernetes documentation, "Define Dependent Environment Variables").
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from zoo_runner.engines.protocol import JobSpec
from zoo_runner.package.extensions import find_secret_inputs

_VARIABLE = "ZOO_RUNNER_SECRET_INPUT_"


def hide_secret_inputs(job: JobSpec) -> tuple[JobSpec, dict[str, str]]:
    """Return the job with placeholders for its secret inputs, and their values by variable."""
    names = [name for name in sorted(find_secret_inputs(job.package)) if isinstance(job.order.get(name), str)]
    variables = {name: f"{_VARIABLE}{number}" for number, name in enumerate(names)}
    placeholders = {name: _placeholder(variable) for name, variable in variables.items()}
    values = {variable: str(job.order[name]) for name, variable in variables.items()}
    return replace(job, order={**job.order, **placeholders}), values


def find_placeholders(values: Mapping[str, str]) -> dict[str, str]:
    """Return the values of secret inputs by their placeholders; `values` has them by variable."""
    return {_placeholder(variable): value for variable, value in values.items()}


def pick_secret_inputs(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the secret inputs in the environment of the job pod, by variable."""
    return {name: value for name, value in variables.items() if name.startswith(_VARIABLE)}


def refer_to_secret_inputs(text: str, variables: Iterable[str]) -> str:
    """Replace the placeholders in a text of a container by references, which the kubelet resolves."""
    for variable in variables:
        text = text.replace(_placeholder(variable), f"$({variable})")
    return text


def build_variables(container: Mapping[str, Any], variables: Iterable[str], secret: str) -> list[dict[str, Any]]:
    """Build the variables of the secret inputs that a container refers to, from the Secret of the job."""
    texts = [*container["args"], *(str(entry["value"]) for entry in container["env"])]
    return [
        {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": variable}}}
        for variable in variables
        if any(f"$({variable})" in text for text in texts)
    ]


def _placeholder(variable: str) -> str:
    # with brackets, so that a shell word is quoted, whatever the value contains
    return f"(secret-{variable})"
