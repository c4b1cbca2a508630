"""Reads small documents of the services that the operator names: the provider of identities, the policy agent."""

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from urllib.parse import urlsplit

from zoo_staging.addresses import Reach
from zoo_staging.http import Answer, HttpClient, HttpOptions
from zoo_staging.proxies import NO_PROXIES, Proxies

MOST_BYTES = 1 << 20
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


class Service:
    """One such service, with connections kept open; used in one event loop.

    Its host may be in a private network, as the operator named it; others that it names itself may not. No redirect is
    followed. An answer has to be complete within `seconds`.
    """

    def __init__(self, address: str, seconds: float, proxies: Proxies = NO_PROXIES) -> None:
        reach = Reach(private=False, hosts=(urlsplit(address).hostname or "",))
        self._options = HttpOptions(reach, seconds, seconds, proxies=proxies, redirects=False)
        self._seconds = seconds
        self._opened = AsyncExitStack()
        self._client: HttpClient | None = None

    async def read(
        self, address: str, body: bytes | None = None, media_type: str = JSON, headers: tuple[str, ...] = ()
    ) -> bytes:
        """Return the document at an address, the answer to `body` if there is one.

        Raises `StagingError`, `asyncio.TimeoutError`, and `ValueError` for one of more than `MOST_BYTES`.
        """
        if self._client is None:
            self._client = await self._opened.enter_async_context(HttpClient(self._options))
        sent = self._client.get(address, body=body, media_type=media_type, headers=headers)
        return await asyncio.wait_for(_read(sent), self._seconds)

    async def close(self) -> None:
        """Close the connections."""
        await self._opened.aclose()


async def _read(sent: AbstractAsyncContextManager[Answer]) -> bytes:
    found = b""
    async with sent as answer:
        async for chunk in answer.chunks:
            found += chunk
            if len(found) > MOST_BYTES:
                raise ValueError(f"its answer has more than {MOST_BYTES} bytes")
    return found
