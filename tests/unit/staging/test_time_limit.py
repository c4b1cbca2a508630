import asyncio

import pytest

from zoo_staging.pool import within

pytestmark = pytest.mark.unit


def test_an_answer_in_time_is_given() -> None:
    async def main() -> str:
        return await within(10, asyncio.sleep(0, "here"))

    assert asyncio.run(main()) == "here"


def test_an_answer_that_does_not_come_is_given_up() -> None:
    async def main() -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with pytest.raises(TimeoutError):
            await within(0.01, answer)
        assert answer.cancelled()

    asyncio.run(main())


def test_who_is_cancelled_as_the_answer_comes_is_cancelled() -> None:
    async def main() -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = asyncio.create_task(within(10, answer))
        await asyncio.sleep(0)
        answer.set_result(None)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())
