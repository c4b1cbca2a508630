"""Secret inputs on their way to a cluster; pure.

What a package names secret (`cwltool:Secrets`) goes into the Secret of the job. Elsewhere (bundle, job order, pods,
logs) a placeholder stands for it, as cwltool has one for its own jobs. In the container of a step that is given it,
the kubelet puts the value in its place (Kubernetes documentation, "Define Dependent Environment Variables").
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from zoo_runner.engines.protocol import JobSpec
from zoo_runner.package.extensions import find_secret_inputs

_VARIABLE = "ZOO_RUNNER_SECRET_INPUT_"


def hide_secret_inputs(job: JobSpec) -> tuple[JobSpec, dict[str, str]]:
    """Return the job with placeholders for its secret inputs, and their values by the variable that brings each."""
    names = [name for name in sorted(find_secret_inputs(job.package)) if isinstance(job.order.get(name), str)]
    variables = {name: f"{_VARIABLE}{number}" for number, name in enumerate(names)}
    placeholders = {name: _placeholder(variable) for name, variable in variables.items()}
    values = {variable: str(job.order[name]) for name, variable in variables.items()}
    return replace(job, order={**job.order, **placeholders}), values


def find_placeholders(values: Mapping[str, str]) -> dict[str, str]:
    """Return the values of secret inputs by their placeholders; `values` has them by variable."""
    return {_placeholder(variable): value for variable, value in values.items()}


def pick_secret_inputs(variables: Mapping[str, str]) -> dict[str, str]:
    """Return what the environment of the job pod has of secret inputs, by variable."""
    return {name: value for name, value in variables.items() if name.startswith(_VARIABLE)}


def refer_to_secret_inputs(text: str, variables: Iterable[str]) -> str:
    """Have the kubelet put the values in the place of the placeholders in what a container is given."""
    for variable in variables:
        text = text.replace(_placeholder(variable), f"$({variable})")
    return text


def build_variables(container: Mapping[str, Any], variables: Iterable[str], secret: str) -> list[dict[str, Any]]:
    """Make the variables of those secret inputs that a container refers to, out of the Secret of the job."""
    texts = [*container["args"], *(str(entry["value"]) for entry in container["env"])]
    return [
        {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": variable}}}
        for variable in variables
        if any(f"$({variable})" in text for text in texts)
    ]


def _placeholder(variable: str) -> str:
    # brackets, so that a shell's word is quoted, whatever the value has in it
    return f"(secret-{variable})"
