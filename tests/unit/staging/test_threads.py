import asyncio
import threading
from collections.abc import Callable
from contextlib import closing

import pytest

from zoo_staging import short_calls
from zoo_staging.short_calls import SLOW_IN_A_ROW, ShortCalls
from zoo_staging.threads import Workers

pytestmark = pytest.mark.unit


def run_in(calls: list[Callable[[], threading.Thread]]) -> list[threading.Thread]:
    async def run() -> list[threading.Thread]:
        with closing(Workers()) as workers:
            short = ShortCalls(workers.run)
            return [await short.run(call) for call in calls]

    return asyncio.run(run())


def test_quick_calls_run_in_the_event_loop() -> None:
    main = threading.current_thread()
    assert run_in([threading.current_thread] * 20) == [main] * 20


def test_calls_run_in_threads_once_several_in_a_row_were_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(short_calls, "time", type("Clock", (), {"perf_counter": lambda: next(clock)}))
    main = threading.current_thread()
    ran = run_in([threading.current_thread] * (SLOW_IN_A_ROW + 2))
    assert [thread is main for thread in ran] == [True] * SLOW_IN_A_ROW + [False] * 2


def test_a_slow_call_that_fails_counts_and_its_error_is_raised() -> None:
    async def run() -> None:
        with closing(Workers()) as workers:
            await ShortCalls(workers.run).run(lambda: (_ for _ in ()).throw(OSError("gone")))

    with pytest.raises(OSError, match="gone"):
        asyncio.run(run())
