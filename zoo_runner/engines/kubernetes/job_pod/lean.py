"""How the programs of a job pod load their modules, which is half of what they cost."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Load modules in this block without collecting garbage, of which there is none."""
    gc.disable()
    yield
    # what is loaded stays, and is not looked at again
    gc.freeze()
    gc.enable()


def leave_out_tls() -> None:
    """Load `asyncio` as on a Python without TLS: all requests are made by libraries that bring their own."""
    if "asyncio" not in sys.modules and "ssl" not in sys.modules:
        sys.modules["ssl"] = None  # type: ignore[assignment]
        import asyncio  # noqa: F401 it looks for it once

        del sys.modules["ssl"]
