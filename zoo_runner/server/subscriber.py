"""Whom to call back about a job: the addresses of an execute request, and which of them are allowed."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from zoo_runner.config.server import ServerSettings
from zoo_runner.model.job import Status
from zoo_runner.server.invalid_requests import build_invalid
from zoo_staging.addresses import Reach

MEMBERS = {
    "successUri": (Status.SUCCESSFUL,),
    "inProgressUri": (Status.RUNNING,),
    "failedUri": (Status.FAILED, Status.DISMISSED),
}
"""The addresses of a subscriber (subscriber.yaml), and the statuses that are sent there."""


def find_reach(settings: ServerSettings) -> Reach:
    """Return which hosts may be called back: public ones, and those that the operator lists."""
    return Reach(private=False, hosts=settings.callback_hosts)


def read_subscriber(request: Mapping[str, Any], reach: Reach) -> dict[str, str]:
    """Read the addresses of an execute request, by the status that is sent there; raises `InputError`."""
    subscriber = request.get("subscriber")
    if subscriber is None:
        return {}
    if not isinstance(subscriber, Mapping) or not isinstance(subscriber.get("successUri"), str):
        raise build_invalid(
            "subscriber has no successUri", 'Write {"successUri": "https://…"}.', code="request.subscriber"
        )
    addresses: dict[str, str] = {}
    for name, statuses in MEMBERS.items():
        if (address := subscriber.get(name)) is not None:
            _ensure_allowed(f"subscriber.{name}", address, reach)
            addresses.update({status.value: address for status in statuses})
    return addresses


def _ensure_allowed(name: str, address: Any, reach: Reach) -> None:
    try:
        parts = urlsplit(address) if isinstance(address, str) else None
        # the port too: reading an invalid one raises an error
        host = parts.hostname if parts and parts.scheme in ("http", "https") and parts.port != 0 else None
    except ValueError:
        host = None
    if not host:
        raise build_invalid(f"{name} is not a web address", "Give an http or https address.", code="request.subscriber")
    if why := reach.refuse_host(host):
        raise build_invalid(
            f"{name}: {why}", "Give a public address, or ask the operator to list the host.", code="request.subscriber"
        )
