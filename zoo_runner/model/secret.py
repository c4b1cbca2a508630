"""A secret of a workspace, as it is stored: encrypted."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StoredSecret:
    """The value of a secret, encrypted; `changed` is a stored time, `caller` who gave it."""

    workspace: str
    name: str
    encrypted: str
    changed: str
    caller: str | None
