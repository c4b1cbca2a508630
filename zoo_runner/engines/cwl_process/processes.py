"""Other processes: which descend from one, and waiting for what they write, or for their end."""

import contextlib
import os
import select
import time
from collections.abc import Iterable

GRACE_SECONDS = 3.0
"""What was asked to end has so long before it is killed."""
_LONGEST_WAIT_SECONDS = 86400.0


def descendants(pid: int) -> list[int]:
    """Every living descendant of a process, by /proc; empty where there is no /proc."""
    children: dict[int, list[int]] = {}
    with contextlib.suppress(OSError):
        for number in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208
            with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{number}/stat") as stat:  # noqa: PTH123
                parent = int(stat.read().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(number))
    found: list[int] = []
    queue = [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found.extend(below)
        queue.extend(below)
    return found


def wait_until_readable(descriptors: Iterable[int], seconds: float | None = None) -> list[int]:
    """Wait until descriptors can be read or are at their end, and return these; none where time is up.

    `select` refuses descriptors above 1,023, which a run of many steps has.
    """
    waiting, until = select.poll(), None if seconds is None else time.monotonic() + seconds
    for descriptor in descriptors:
        waiting.register(descriptor, select.POLLIN)
    while True:
        left = _LONGEST_WAIT_SECONDS if until is None else min(until - time.monotonic(), _LONGEST_WAIT_SECONDS)
        found = waiting.poll(max(0, int(left * 1000) + 1))
        if found or (until is not None and time.monotonic() >= until):
            return [descriptor for descriptor, _ in found]
