"""Which proxy an address is reached through, by the variables of a workspace alone."""

import pytest

from zoo_staging.proxies import NO_PROXIES, load_proxies
from zoo_staging.variables import pick_variables

PROXY, OTHER = "http://proxy.example:3128", "http://other.example:3128"


def test_without_variables_all_is_reached_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", PROXY)
    assert load_proxies({}) == NO_PROXIES
    assert NO_PROXIES.find("http", "data.example") is None


@pytest.mark.parametrize(
    ("variables", "scheme", "proxy"),
    [
        ({"http_proxy": PROXY}, "http", PROXY),
        ({"http_proxy": PROXY}, "https", None),
        ({"HTTPS_PROXY": PROXY}, "https", PROXY),
        ({"HTTPS_PROXY": OTHER, "https_proxy": PROXY}, "https", PROXY),
        ({"all_proxy": PROXY}, "https", PROXY),
        ({"all_proxy": OTHER, "http_proxy": PROXY}, "http", PROXY),
        ({"HTTP_PROXY": ""}, "http", None),
    ],
)
def test_the_proxy_of_a_scheme(variables: dict[str, str], scheme: str, proxy: str | None) -> None:
    assert load_proxies(variables).find(scheme, "data.example") == proxy


@pytest.mark.parametrize("excluded", ["data.example", ".example", "other, data.example:80", "*"])
def test_a_host_that_needs_no_proxy(excluded: str) -> None:
    assert load_proxies({"http_proxy": PROXY, "no_proxy": excluded}).find("http", "data.example:80") is None


def test_a_header_of_a_cgi_request_is_no_proxy() -> None:
    request = {"REQUEST_METHOD": "GET", "HTTP_PROXY": OTHER}
    assert load_proxies(pick_variables(request)) == NO_PROXIES
    assert load_proxies(pick_variables({**request, "http_proxy": PROXY})).find("http", "data.example") == PROXY


def test_no_password_of_a_proxy_is_shown() -> None:
    assert "hidden" not in repr(load_proxies({"http_proxy": "http://me:hidden@proxy.example"}))
