"""A deployed package: what clients list, describe and execute."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Process:
    """A package deployed in a workspace under an id.

    `package` is the digest of the packed package, which the store keeps once; `description` the process description of
    OGC API - Processes without links; `number` counts the deployments under this id, from 1. Times are ISO 8601 in
    UTC.
    """

    workspace: str
    id: str
    package: str
    description: Mapping[str, Any]
    created: str
    updated: str
    caller: str | None = None
    number: int = 0
