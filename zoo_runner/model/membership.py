"""The workspaces of a person, as the provider said last."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Membership:
    """Of whom, of which workspaces, and when the provider said so (a stored time)."""

    name: str
    workspaces: tuple[str, ...]
    seen: str
