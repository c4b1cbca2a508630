"""Handles of libcurl that stay set up: for which requests they may be used again."""

from dataclasses import fields, replace
from typing import Any

import pytest

from zoo_staging.curl import Request, Tls, differs_by_url_only

REQUEST = Request("https://eo.example/a", "eo.example", 443, (), None, None, (), None, 10.0)
OTHER: dict[str, Any] = {
    "host": "other.example",
    "port": 8443,
    "headers": ("Authorization: Bearer x",),
    "body": b"{}",
    "proxy": "http://proxy.example:3128",
    "addresses": ("192.0.2.1",),
    "refuse": lambda address: None,
    "connect_timeout_seconds": 1.0,
    "method": "PUT",
    "tls": Tls(verify=False),
    "no_proxy": "eo.example",
    "slowest_bytes_per_second": 1,
    "patience_seconds": 1.0,
    "multiplexed": True,
}
# what is set for each request, or not given to libcurl
ANY: dict[str, Any] = {"url": "https://eo.example/b", "wake_bytes": 1}


def test_each_field_of_a_request_is_looked_at() -> None:
    assert {field.name for field in fields(Request)} == {*OTHER, *ANY}


@pytest.mark.parametrize("name", OTHER)
def test_a_handle_is_set_up_again_for_a_request_that_differs(name: str) -> None:
    assert not differs_by_url_only(REQUEST, replace(REQUEST, **{name: OTHER[name]}))


@pytest.mark.parametrize("name", ANY)
def test_a_handle_stays_set_up_for_another_address_of_a_host(name: str) -> None:
    assert differs_by_url_only(REQUEST, replace(REQUEST, **{name: ANY[name]}))
