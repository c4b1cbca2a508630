"""Waits for what is to come about. The limit is for what never does, and is no measure of how quick it should be."""

import threading
import time
import urllib.request
from collections.abc import Callable

LONGEST_SECONDS = 120.0


def wait_for(ready: Callable[[], object], seconds: float = LONGEST_SECONDS) -> None:
    """Wait until something is so; fail after so many seconds."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not ready():
        assert time.monotonic() < deadline, f"not so after {seconds:g} s"
        pause.wait(0.05)


def answers(url: str, seconds: float = LONGEST_SECONDS) -> bool:
    """Whether a server answers with 200; nobody has to be there yet."""
    try:
        with urllib.request.urlopen(url, timeout=seconds) as response:
            return bool(response.status == 200)
    except OSError:
        return False
