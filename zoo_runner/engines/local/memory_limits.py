"""How much memory a step may use, by what its package asks for."""

import math
from typing import Any


def read_memory_limit(job: Any) -> int | None:
    """Read how much memory (MiB) cwltool's job asks for at most: ramMax, else ramMin; None without either."""
    wanted = job.builder.get_requirement("ResourceRequirement")[0] or {}
    if wanted.get("ramMax") is not None:
        return math.ceil(float(job.builder.do_eval(wanted["ramMax"])))
    return math.ceil(float(job.builder.resources["ram"])) if wanted.get("ramMin") is not None else None
