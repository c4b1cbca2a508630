"""What the page of a workspace shows beside its usage: bars, and the pages that the client may open."""

from dataclasses import dataclass
from typing import Any, cast

from zoo_runner.server.api import Call
from zoo_runner.server.documents import Usage, Used

_TITLES = (
    ("runningJobs", "Jobs that run", ""),
    ("queuedJobs", "Jobs that wait", ""),
    ("cores", "Cores", ""),
    ("memoryMiB", "Memory", "MiB"),
    ("resultsMiB", "Results stored", "MiB"),
)


@dataclass(frozen=True)
class Gauge:
    """What is used of a quota; `most` is None where there is no limit."""

    title: str
    unit: str
    used: float
    most: float | None


@dataclass(frozen=True)
class WorkspacePage:
    """The gauges of a workspace, and what else the client may open: its tokens, its secrets, the operators' page."""

    gauges: tuple[Gauge, ...]
    has_tokens: bool
    has_secrets: bool
    has_operations: bool
    may_remove: bool


def build_workspace_page(usage: Usage, call: Call) -> WorkspacePage:
    """Build the page of a workspace; tokens have owners, and so are for callers who are known."""
    return WorkspacePage(
        tuple(_build_gauge(cast(dict[str, Any], usage)[name], title, unit) for name, title, unit in _TITLES),
        has_tokens=call.caller is not None and call.may("token.list"),
        has_secrets=call.may("secret.list"),
        has_operations=call.may("operations.read"),
        may_remove=call.may("job.remove-results"),
    )


def _build_gauge(used: Used, title: str, unit: str) -> Gauge:
    return Gauge(title, unit, used["used"], used.get("most"))
