"""Storing what is known of a job, also where the store does not answer for a while."""

import threading
from collections.abc import Callable
from time import monotonic
from typing import TypeVar

from zoo_runner.model.errors import NotReachedError

T = TypeVar("T")

_LONGEST_SECONDS, _PAUSE_SECONDS = 3600.0, 0.5


def insist(act: Callable[[], T], seconds: float = _LONGEST_SECONDS) -> T:
    """Do what needs the store, and again while it does not answer, for so long; then raises `NotReachedError`.

    Where only the answer was lost, it is done twice: `act` has to allow that.
    """
    deadline, pause = monotonic() + seconds, threading.Event()
    while True:
        try:
            return act()
        except NotReachedError:
            if monotonic() > deadline:
                raise
        pause.wait(_PAUSE_SECONDS)
