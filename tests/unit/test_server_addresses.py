"""Addresses of a server that are refused before it starts."""

import socket

import pytest

from zoo_runner.config.server import load_server_settings
from zoo_runner.model.errors import SettingsError
from zoo_runner.server.serving import ensure_free


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_port_in_use_is_refused_and_a_free_one_is_not(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SettingsError, match=f"port {port}"):
            ensure_free(host, port)
    ensure_free(host, port)
    ensure_free(host, 0)


def test_a_host_that_is_not_this_machine_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"192\.0\.2\.1"):
        ensure_free("192.0.2.1", 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ZOO_RUNNER_BASE_URL", "processes.example.org"),
        ("ZOO_RUNNER_BASE_URL", "https://"),
        ("ZOO_RUNNER_TRUSTED_PROXIES", "10.0.0.5,proxy"),
    ],
)
def test_an_address_that_is_none_is_refused_with_its_setting(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load_server_settings({name: value})


@pytest.mark.parametrize("proxies", ["*", "10.0.0.5,10.1.2.3/16,::1"])
def test_addresses_and_networks_of_proxies_are_taken(proxies: str) -> None:
    assert ",".join(load_server_settings({"ZOO_RUNNER_TRUSTED_PROXIES": proxies}).trusted_proxies) == proxies
