"""What `/metrics` counts of requests, also of those that end in an internal error."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import Message, Receive, Scope, Send

from zoo_runner.server.metrics import Counted


def send_request(begins: bool) -> dict[str, float]:
    """Send a request to an application that fails before or after its answer begins; return what was counted."""
    registry = CollectorRegistry()
    requests = Counter("requests", "Requests.", ("path", "method", "status"), registry=registry)
    seconds = Histogram("seconds", "Seconds.", ("path", "method"), registry=registry)

    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        if begins:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise LookupError

    async def nothing() -> Message:
        return {"type": "http.request"}

    async def ignore(message: Message) -> None:
        return

    counted = Counted(fail, requests, seconds)
    with pytest.raises(LookupError):
        asyncio.run(counted({"type": "http", "method": "GET"}, nothing, ignore))
    samples = [sample for family in registry.collect() for sample in family.samples if sample.name == "requests_total"]
    return {sample.labels["status"]: sample.value for sample in samples}


@pytest.mark.parametrize(("begins", "counted"), [(False, {"500": 1.0}), (True, {"200": 1.0})])
def test_a_request_that_ends_in_an_internal_error_is_counted_once(begins: bool, counted: dict[str, float]) -> None:
    assert send_request(begins) == counted
