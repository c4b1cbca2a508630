"""Progress of a transfer as plain values; the library never prints."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Transferred:
    """How far a stage is, after some bytes of the file `href` moved.

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
    """Drop progress: the default where nobody looks."""
