"""Progress of a transfer as plain values; the library never prints."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Transferred:
    """Progress of a stage, after bytes of the file `href` were transferred.

    `bytes_total` is None while the size of a file is unknown; secrets in `href` are masked.
    """

    stage: Literal["stage-in", "stage-out"]
    href: str
    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int | None


Report = Callable[[Transferred], None]


def ignore(_: Transferred) -> None:
    """Ignore progress: the default."""
