"""What a step gets of this machine, by what its package asks for (CWL ResourceRequirement)."""

import math
from collections.abc import Mapping
from typing import Any


def read_memory_limit(job: Any) -> int | None:
    """Read how much memory (MiB) cwltool's job asks for at most: ramMax, else ramMin; None without either."""
    wanted = job.builder.get_requirement("ResourceRequirement")[0] or {}
    if wanted.get("ramMax") is not None:
        return math.ceil(float(job.builder.do_eval(wanted["ramMax"])))
    return math.ceil(float(job.builder.resources["ram"])) if wanted.get("ramMin") is not None else None


def lower_maximum(
    reserved: Mapping[str, float], wanted: Mapping[str, Any], there: Mapping[str, float]
) -> dict[str, float]:
    """Lower what cwltool reserves for a step to what is there, of each kind without a minimum; pure.

    `wanted` is the ResourceRequirement, whose maximum cwltool takes for the minimum too. A minimum of 0 is none to it.
    Cores are whole, as tools start that many threads (CWL v1.2, Command Line Tool Description, "Runtime environment"):
    a part of one is one, and of `there` only whole ones are given.
    """
    whole = {**there, "cores": max(1, math.floor(there["cores"]))}
    lowered = {kind: min(reserved[kind], amount) for kind, amount in whole.items() if not wanted.get(f"{kind}Min")}
    granted = {**reserved, **lowered}
    return {**granted, "cores": math.ceil(granted["cores"])}
