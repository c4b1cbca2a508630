"""Concurrent work: one bounded pool, retries with waits, and time limits."""

import asyncio
import random
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from zoo_staging.errors import RetryableError, StagingError

if sys.version_info >= (3, 11):
    from asyncio import timeout
else:
    from async_timeout import timeout

T = TypeVar("T")


@dataclass(frozen=True)
class RetryOptions:
    """How often and how slowly to try again: waits double from the first to the longest, with jitter."""

    retries: int = 4
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 60.0


async def retry(action: Callable[[], Awaitable[T]], options: RetryOptions) -> T:
    """Run `action`, again after a `RetryableError`; wait at least as long as the server asked for.

    If the server asks for more than the longest wait, its error is raised at once.
    """
    for number in range(options.retries):
        try:
            return await action()
        except RetryableError as error:
            asked = error.retry_after_seconds or 0.0
            if asked > options.longest_wait_seconds:
                raise
        longest = min(options.longest_wait_seconds, options.first_wait_seconds * 2**number)
        # random, so that transfers that failed together do not retry together
        await asyncio.sleep(max(asked, random.uniform(0, longest)))
    return await action()


async def run_pool(
    actions: Sequence[Callable[[], Awaitable[T]]], concurrency: int, *, settle_seconds: float | None = None
) -> tuple[list[T], list[StagingError]]:
    """Run `actions`, at most `concurrency` at a time; return results and errors, each in order.

    With `settle_seconds`, the first error stops the rest: nothing new starts, and running actions get
    that long to finish or fail, so that several problems are reported at once.
    """
    outcomes: dict[int, T | StagingError] = {}
    queue = iter(enumerate(actions))
    failed = False

    async def work() -> None:
        nonlocal failed
        for index, action in queue:
            try:
                outcomes[index] = await action()
            except StagingError as error:
                outcomes[index], failed = error, True
            if failed and settle_seconds is not None:
                return

    workers = [asyncio.create_task(work()) for _ in range(min(concurrency, len(actions)))]
    try:
        await _finish(workers, lambda: failed, settle_seconds)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    ordered = [outcomes[index] for index in sorted(outcomes)]
    errors = [outcome for outcome in ordered if isinstance(outcome, StagingError)]
    return [outcome for outcome in ordered if not isinstance(outcome, StagingError)], errors


async def _finish(workers: list[asyncio.Task[None]], failed: Callable[[], bool], settle_seconds: float | None) -> None:
    """Wait for all workers, or until one failed and the others had `settle_seconds`."""
    pending = set(workers)
    while pending and not (failed() and settle_seconds is not None):
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for worker in done:
            worker.result()
    if pending:
        await asyncio.wait(pending, timeout=settle_seconds)


async def within(seconds: float, answer: Awaitable[T]) -> T:
    """Wait for `answer`; after the given number of seconds, raise `TimeoutError` (the built-in one).

    Before Python 3.12, `asyncio.wait_for` forgets that it was cancelled when the answer comes at that very
    moment: a cancelled transfer went on (https://github.com/python/cpython/issues/86296).
    """
    try:
        async with timeout(seconds):
            return await answer
    except asyncio.TimeoutError as error:  # in Python 3.10 not yet the built-in one
        raise TimeoutError from error
