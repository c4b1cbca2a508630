"""Keeps what this process knows from other processes of its user, such as the steps of jobs."""

import contextlib
import ctypes

_PR_SET_DUMPABLE = 4


def hide_process() -> None:
    """Make environment and memory of this process unreadable for its own user, and leave no core dump of it.

    The environment has credentials, and steps on the host run as the same user. Not inherited by programs that are
    started; root reads it nevertheless. Source: prctl(2), PR_SET_DUMPABLE.
    """
    with contextlib.suppress(OSError, AttributeError):  # only Linux has it
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
