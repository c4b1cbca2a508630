"""How long an answer is waited for."""

import asyncio
import sys
from collections.abc import Awaitable
from typing import TypeVar

if sys.version_info >= (3, 11):
    from asyncio import timeout
else:
    from async_timeout import timeout

T = TypeVar("T")


async def within(seconds: float, answer: Awaitable[T]) -> T:
    """Wait for `answer`; after so many seconds, `TimeoutError` (the built-in one).

    Before Python 3.12, `asyncio.wait_for` forgets that it was cancelled when the answer comes at that very
    moment: a cancelled transfer went on (https://github.com/python/cpython/issues/86296).
    """
    try:
        async with timeout(seconds):
            return await answer
    except asyncio.TimeoutError as error:  # in Python 3.10 not yet the built-in one
        raise TimeoutError from error
