"""Waits for what is to come about. The limit is for what never does, and is no measure of how quick it should be."""

import threading
import time
from collections.abc import Callable

LONGEST_SECONDS = 120.0


def wait_for(ready: Callable[[], object], seconds: float = LONGEST_SECONDS) -> None:
    """Wait until something is so; fail after so many seconds."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not ready():
        assert time.monotonic() < deadline, f"not so after {seconds:g} s"
        pause.wait(0.05)
