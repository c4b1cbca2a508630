"""Places for requests that take long: who finds none waits for a while, or learns that the server is busy."""

import asyncio

import pytest

from zoo_runner.model.errors import EngineError
from zoo_runner.server.places import Limit, Places


def test_who_waits_longer_than_it_may_is_refused_and_leaves_no_place_taken() -> None:
    places = Places(Limit(2, 1), Limit(2, 1))

    async def try_it() -> None:
        async with places.take("alpha", 60), places.take("beta", 60):
            for workspace in ("alpha", "gamma"):
                with pytest.raises(EngineError) as caught:
                    async with places.take(workspace, 0.01):
                        pass
                assert caught.value.diagnosis.code == "request.busy"
        # as many as before are free
        async with places.take("alpha", 0.01), places.take("gamma", 0.01):
            pass

    asyncio.run(try_it())


def test_who_waits_is_next_and_beyond_the_queue_everyone_is_refused_at_once() -> None:
    places, order = Places(Limit(2, 1), Limit(2, 1)), list[str]()

    async def wait() -> None:
        async with places.take("alpha", 60):
            order.append("second")

    async def try_it() -> None:
        async with places.take("alpha", 60):
            waiting = asyncio.create_task(wait())
            await asyncio.sleep(0)
            with pytest.raises(EngineError):
                async with places.take("alpha", 60):
                    pass
            order.append("first")
        await waiting

    asyncio.run(try_it())
    assert order == ["first", "second"]
