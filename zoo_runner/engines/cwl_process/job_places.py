"""The places of a job on its machine that a step may be shown: those of its steps, its inputs, files of its package."""

import os
from collections.abc import Iterable, Set

_WRITABLE = ("out", "tmp", "outputs", "copies", "inputs")


class JobPlaces:
    """Judges paths in which all links were followed.

    The folders of steps in `scratch` may be written to; `readable` (without links) is inputs and files of the package.
    """

    def __init__(self, scratch: str, readable: Iterable[str]) -> None:
        self.own = os.path.realpath(scratch)
        self._writable = {f"{self.own}/{name}" for name in _WRITABLE}
        self._readable = {*readable, *self._writable}

    def is_writable(self, path: str) -> bool:
        """Whether a step may write there."""
        return _is_below(path, self._writable)

    def is_readable(self, path: str) -> bool:
        """Whether a step may read there."""
        return _is_below(path, self._readable)


def _is_below(path: str, places: Set[str]) -> bool:
    while path not in places and path != "/":
        path = os.path.dirname(path)  # noqa: PTH120
    return path in places
