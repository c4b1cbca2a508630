"""How jobs of a scattered step share pods; pure.

To start and watch a pod takes a cluster seconds, whatever runs in it. So where a step asks for little, and there are
more of its jobs than run well beside each other, several run in one pod, one after the other.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

LEAST_PODS = 10
"""So many jobs run beside each other before any of them share a pod."""
_SMALL_CORES, _SMALL_RAM_MIB = 0.1, 256.0


def count_sharing(cores: float, ram_mib: float, most: int) -> int:
    """Count how many jobs of a step may share a pod: `most` where it asks for little."""
    return most if cores <= _SMALL_CORES and ram_mib <= _SMALL_RAM_MIB else 1


def share_pods(jobs: Sequence[int], most: int) -> list[list[int]]:
    """Give each pod its jobs, in their order, about as many to each and at most `most`.

    >>> share_pods([0, 1, 2], 10)
    [[0], [1], [2]]
    >>> [len(jobs) for jobs in share_pods(range(24), 10)]
    [3, 3, 3, 3, 2, 2, 2, 2, 2, 2]
    >>> len(share_pods(range(500), 10))
    50
    """
    pods = max(math.ceil(len(jobs) / most), min(len(jobs), LEAST_PODS))
    size, larger = divmod(len(jobs), pods or 1)
    starts = [number * size + min(number, larger) for number in range(pods + 1)]
    return [list(jobs[begin:end]) for begin, end in pairwise(starts)]
