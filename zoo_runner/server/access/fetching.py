"""Reads small documents of the services that the operator names: the provider of identities, the policy agent."""

import asyncio
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

from zoo_staging.addresses import Reach
from zoo_staging.http import HttpClient, HttpOptions
from zoo_staging.proxies import NO_PROXIES, Proxies

MOST_BYTES = 1 << 20


class Service:
    """One such service, with connections kept open; used in one event loop.

    Its host may be in a private network, as the operator named it; others that it names itself may not. No redirect is
    followed. An answer has to be complete within `seconds`.
    """

    def __init__(self, address: str, seconds: float, proxies: Proxies = NO_PROXIES) -> None:
        reach = Reach(private=False, hosts=(urlsplit(address).hostname or "",))
        self._options = HttpOptions(reach, seconds, seconds, proxies=proxies, redirects=False)
        self._seconds = seconds
        self._client: HttpClient | None = None

    async def read(self, address: str, body: bytes | None = None) -> bytes:
        """Return the document at an address, the answer to `body` (JSON) if there is one.

        Raises `StagingError`, `asyncio.TimeoutError`, and `ValueError` for one of more than `MOST_BYTES`.
        """
        if self._client is None:
            self._client = await AsyncExitStack().enter_async_context(HttpClient(self._options))
        return await asyncio.wait_for(self._read(self._client, address, body), self._seconds)

    async def _read(self, client: HttpClient, address: str, body: bytes | None) -> bytes:
        found = b""
        async with client.get(address, body=body) as answer:
            async for chunk in answer.chunks:
                found += chunk
                if len(found) > MOST_BYTES:
                    raise ValueError(f"its answer has more than {MOST_BYTES} bytes")
        return found
