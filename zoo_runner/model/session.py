"""A login: who it is of, and until when it holds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Session:
    """What the provider said of a person when the session began; times are stored ones, the first by its clock."""

    name: str
    workspaces: tuple[str, ...]
    roles: tuple[str, ...]
    begun: str
    expires: str
