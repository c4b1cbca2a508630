"""Secret inputs on their way to a cluster; pure.

Inputs that a package declares secret (`cwltool:Secrets`) are stored in the Secret of the job. Everywhere else (bundle,
job order, pods, logs) a placeholder replaces the value, as cwltool does for its own jobs. In the container of a step
that uses it, the kubelet inserts the value (Kubernetes documentation, "Define Dependent Environment Variables").
"""

from collections.abc import Iterable, Mapping
from typing import Any

from zoo_runner.engines.secret_inputs import VARIABLE, build_placeholder


def pick_secret_inputs(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the secret inputs in the environment of the job pod, by variable."""
    return {name: value for name, value in variables.items() if name.startswith(VARIABLE)}


def refer_to_secret_inputs(text: str, variables: Iterable[str]) -> str:
    """Replace the placeholders in a text of a container by references, which the kubelet resolves."""
    for variable in variables:
        text = text.replace(build_placeholder(variable), f"$({variable})")
    return text


def build_variables(container: Mapping[str, Any], variables: Iterable[str], secret: str) -> list[dict[str, Any]]:
    """Build the variables of the secret inputs that a container refers to, from the Secret of the job."""
    texts = [*container["args"], *(str(entry["value"]) for entry in container["env"])]
    return [
        {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": variable}}}
        for variable in variables
        if any(f"$({variable})" in text for text in texts)
    ]
