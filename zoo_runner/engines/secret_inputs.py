"""Secret inputs on their way to a run: what is written of the job order has placeholders for them; pure.

cwltool puts the values in the place of these when it starts a step (`cwltool.secrets.SecretStore`), as it does for its
own secrets; on a cluster the kubelet does.
"""

from collections.abc import Mapping
from dataclasses import replace

from zoo_runner.engines.protocol import JobSpec
from zoo_runner.package.extensions import find_secret_inputs

VARIABLE = "ZOO_RUNNER_SECRET_INPUT_"
"""How the variables begin that have the values of secret inputs."""


def hide_secret_inputs(job: JobSpec) -> tuple[JobSpec, dict[str, str]]:
    """Return the job with placeholders for its secret inputs, and their values by variable."""
    names = [name for name in sorted(find_secret_inputs(job.package)) if isinstance(job.order.get(name), str)]
    variables = {name: f"{VARIABLE}{number}" for number, name in enumerate(names)}
    placeholders = {name: build_placeholder(variable) for name, variable in variables.items()}
    values = {variable: str(job.order[name]) for name, variable in variables.items()}
    return replace(job, order={**job.order, **placeholders}), values


def find_placeholders(values: Mapping[str, str]) -> dict[str, str]:
    """Return the values of secret inputs by their placeholders; `values` has them by variable."""
    return {build_placeholder(variable): value for variable, value in values.items()}


def build_placeholder(variable: str) -> str:
    """Build the text that stands for the value of a variable."""
    # with brackets, so that a shell word is quoted, whatever the value contains
    return f"(secret-{variable})"
