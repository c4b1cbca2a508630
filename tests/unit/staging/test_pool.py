import asyncio
from collections.abc import Awaitable, Callable

import pytest

from zoo_staging.errors import Kind, RetryableError, StagingError
from zoo_staging.pool import RetryOptions, retry, run_pool

pytestmark = pytest.mark.unit

QUICK = RetryOptions(retries=3, first_wait_seconds=0.001, longest_wait_seconds=0.05)


def busy(retry_after_seconds: float | None = None) -> RetryableError:
    return RetryableError(Kind.SERVICE, "x", "is busy", "Wait.", retry_after_seconds=retry_after_seconds)


class Action:
    """Fails as asked, then gives 7."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.calls = 0

    async def __call__(self) -> int:
        self.calls += 1
        if self._errors:
            raise self._errors.pop(0)
        return 7


def test_a_failure_that_may_pass_is_tried_again() -> None:
    action = Action(busy(), busy())
    assert asyncio.run(retry(action, QUICK)) == 7
    assert action.calls == 3


def test_a_failure_that_stays_is_raised_after_the_last_try() -> None:
    action = Action(*[busy()] * 9)
    with pytest.raises(RetryableError, match="is busy"):
        asyncio.run(retry(action, QUICK))
    assert action.calls == 4


def test_a_lasting_failure_is_not_tried_again() -> None:
    action = Action(StagingError(Kind.NOT_FOUND, "x", "does not exist", "Check."))
    with pytest.raises(StagingError, match="does not exist"):
        asyncio.run(retry(action, QUICK))
    assert action.calls == 1


def test_a_server_that_asks_for_too_long_a_wait_is_not_waited_for() -> None:
    action = Action(busy(3600))
    with pytest.raises(RetryableError):
        asyncio.run(retry(action, QUICK))
    assert action.calls == 1


def test_never_more_run_at_once_than_allowed_and_results_keep_their_order() -> None:
    running, most = 0, 0

    def build(number: int) -> Callable[[], Awaitable[int]]:
        async def action() -> int:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1
            return number

        return action

    results, errors = asyncio.run(run_pool([build(n) for n in range(20)], 3))
    assert results == list(range(20))
    assert errors == []
    assert most == 3


def test_all_problems_are_gathered_in_order() -> None:
    failing = [Action(StagingError(Kind.NOT_FOUND, f"a{n}", "gone", "Check.")) for n in range(3)]
    results, errors = asyncio.run(run_pool([failing[0], Action(), failing[1], failing[2]], 2))
    assert results == [7]
    assert [error.href for error in errors] == ["a0", "a1", "a2"]


def test_with_a_settle_time_nothing_new_starts_after_a_failure_and_the_slow_are_stopped() -> None:
    stopped = []

    async def slow() -> int:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.append(True)
            raise
        return 0

    late = Action()
    failing = Action(StagingError(Kind.NOT_FOUND, "a", "gone", "Check."))
    actions: list[Callable[[], Awaitable[int]]] = [slow, failing, late]
    results, errors = asyncio.run(run_pool(actions, 2, settle_seconds=0.01))
    assert (results, [error.href for error in errors]) == ([], ["a"])
    assert stopped == [True]
    assert late.calls == 0


def test_a_fault_of_ours_is_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(run_pool([Action(ZeroDivisionError()), Action()], 1, settle_seconds=1))
