"""Ctrl-C before there is a job to stop: one line and an exit code, at any moment."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

INTERRUPTED = 130
"""The exit code of a program that Ctrl-C ended: 128 and the signal (POSIX.1-2017, Shell Command Language, 2.8.2)."""


def stop(*_: object) -> NoReturn:
    """Print a line and end the process at once; a signal handler."""
    os.write(2, b"stopped before anything was done\n")
    os._exit(INTERRUPTED)


@contextmanager
def stopping_at_once() -> Iterator[None]:
    """End the process on Ctrl-C while the block runs, unless Ctrl-C is ignored.

    What is done must need no clean-up. A shell starts what runs in the background with Ctrl-C ignored, and so it stays.
    """
    heeded = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heeded:
        signal.signal(signal.SIGINT, stop)
    yield
    if heeded:
        signal.signal(signal.SIGINT, signal.default_int_handler)
