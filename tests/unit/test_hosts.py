"""Which values of `Host` name this server, and what a request to another one is answered."""

import asyncio
import json
import socket
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from zoo_runner.config.server import load_server_settings
from zoo_runner.server.hosts import HostsCompared, list_hosts


def send(hosts: tuple[str, ...], *given: str) -> tuple[int, Any]:
    """Send a request with these values of `Host`; return status and document of the answer."""
    messages: list[Message] = []

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def nothing() -> Message:
        return {"type": "http.request"}

    async def keep(message: Message) -> None:
        messages.append(message)

    scope = {"type": "http", "method": "GET", "headers": [(b"host", value.encode("latin-1")) for value in given]}
    asyncio.run(HostsCompared(answer, hosts)(scope, nothing, keep))
    return messages[0]["status"], json.loads(messages[1]["body"])


def list_for(bound: str, **variables: str) -> tuple[str, ...]:
    return list_hosts(load_server_settings({f"ZOO_RUNNER_{name}": value for name, value in variables.items()}), bound)


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:8080", "LOCALHOST", "localhost.", "test.localhost:1", "127.0.0.1:8080", "[::1]:8080"),
        # a page cannot be rebound to an address: probes use them
        *("10.1.2.3", "[2001:db8::1]", "192.0.2.7:80"),
    ],
)
def test_on_loopback_its_names_and_all_addresses_are_accepted(host: str) -> None:
    assert send(list_for("127.0.0.1"), host)[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8080", "localhost.evil.example", "evillocalhost", "127.0.0.1.evil.example"),
        *("", "[::1", "2130706433", "0x7f.1", "user@evil.example", "localhost@evil.example", "\u00e9"),
    ],
)
def test_other_names_are_refused(host: str) -> None:
    status, problem = send(list_for("127.0.0.1"), host)
    assert (status, problem["status"], problem["diagnosis"]["code"]) == (421, 421, "request.host")


def test_one_wrong_name_of_two_is_enough() -> None:
    assert send(list_for("127.0.0.1"), "localhost", "evil.example")[0] == 421


def test_a_request_without_a_host_is_no_browsers() -> None:
    assert send(list_for("127.0.0.1"))[0] == 200


def test_a_public_name_is_that_of_the_base_url() -> None:
    hosts = list_for("0.0.0.0", BASE_URL="https://eo.example.org:8443/path")
    assert [send(hosts, host)[0] for host in ("eo.example.org", "eo.example.org:8443", "localhost")] == [200] * 3
    assert send(hosts, socket.gethostname() or "other.example")[0] == 421


def test_without_one_the_name_of_the_machine_and_of_the_address_hold() -> None:
    hosts = list_for("eo-host")
    assert [send(hosts, host)[0] for host in ("eo-host", f"{socket.gethostname()}:80", "evil.example")] == [
        *(200, 200, 421)
    ]


def test_listed_names_replace_all_others() -> None:
    hosts = list_for("127.0.0.1", HOSTS="eo.example.org, *.tiles.example.org")
    accepted = ("EO.example.org:80", "a.tiles.example.org", "a.b.tiles.example.org")
    assert [send(hosts, host)[0] for host in accepted] == [200] * 3
    assert [send(hosts, host)[0] for host in ("localhost", "tiles.example.org", "x.example.org")] == [421] * 3


def test_all_names_are_accepted_where_the_operator_says_so() -> None:
    assert send(list_for("127.0.0.1", HOSTS="*"), "evil.example")[0] == 200
