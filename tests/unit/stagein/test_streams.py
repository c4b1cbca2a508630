"""How many streams may be open at once, as files turn out small or large and servers fail."""

import asyncio

from stagein.streams import SLOW_ANSWER_SECONDS, Streams


async def _count_open(streams: Streams, asked: int) -> int:
    """Ask for places at once; return how many are given."""
    given = 0

    async def hold(stop: asyncio.Event) -> None:
        nonlocal given
        async with streams.open():
            given += 1
            await stop.wait()

    stop = asyncio.Event()
    tasks = [asyncio.create_task(hold(stop)) for _ in range(asked)]
    for _ in range(asked):
        await asyncio.sleep(0)
    held = given
    stop.set()
    await asyncio.gather(*tasks)
    return held


def test_small_files_raise_the_limit_and_a_large_one_ends_that() -> None:
    async def run() -> list[int]:
        streams = Streams(2, 5)
        counts = [await _count_open(streams, 9)]
        streams.note_small(SLOW_ANSWER_SECONDS, 1)
        counts.append(await _count_open(streams, 9))
        for _ in range(9):
            streams.note_small(SLOW_ANSWER_SECONDS, 1)
        counts.append(await _count_open(streams, 9))
        streams.note_large()
        return [*counts, await _count_open(streams, 9)]

    assert asyncio.run(run()) == [2, 4, 5, 2]


def test_a_server_that_answers_at_once_gets_no_more() -> None:
    streams = Streams(2, 5)
    streams.note_small(SLOW_ANSWER_SECONDS / 2, 1)
    assert streams.limit == 2


def test_a_failing_server_gets_half_as_many_and_never_less_than_the_least() -> None:
    streams = Streams(3, 100)
    for _ in range(25):
        streams.note_small(SLOW_ANSWER_SECONDS, 1)
    streams.note_trouble()
    assert streams.limit == 26
    for _ in range(9):
        streams.note_trouble()
    assert streams.limit == 3


def test_small_files_that_are_rather_large_get_as_many_as_memory_has_room_for() -> None:
    streams = Streams(8, 256)
    for _ in range(200):
        streams.note_small(SLOW_ANSWER_SECONDS, 64 << 10)
    assert streams.limit == 256
    streams.note_small(SLOW_ANSWER_SECONDS, 1 << 20)
    assert streams.limit == 48


async def _hold(streams: Streams, opened: list[str], name: str) -> None:
    async with streams.open():
        opened.append(name)


def test_a_limit_that_has_fallen_holds_once_those_that_are_open_have_ended() -> None:
    async def run() -> list[list[str]]:
        streams, opened, seen = Streams(1, 3), list[str](), []
        streams.note_small(SLOW_ANSWER_SECONDS, 1)
        async with streams.open():
            async with streams.open():
                streams.note_large()
                waiting = asyncio.create_task(_hold(streams, opened, "third"))
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            seen.append([*opened])
        await waiting
        return [*seen, opened]

    assert asyncio.run(run()) == [[], ["third"]]


def test_a_cancelled_wait_takes_no_place() -> None:
    async def run() -> list[str]:
        streams, opened = Streams(1, 1), list[str]()
        async with streams.open():
            waiting = asyncio.create_task(_hold(streams, opened, "cancelled"))
            await asyncio.sleep(0)
        # its place came free, and its wait is cancelled, at the same moment
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await _hold(streams, opened, "next")
        return opened

    assert asyncio.run(run()) == ["next"]
