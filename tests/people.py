"""A person with a browser for tests: keeps cookies, follows redirects, and fills in the login form of Keycloak."""

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from html.parser import HTMLParser
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from typing import Any

from tests.keycloak import PASSWORD, SECONDS

HTML = {"Accept": "text/html"}
_MOST_REDIRECTS = 10


@dataclass(frozen=True)
class Page:
    """What a browser got at last, and the addresses on the way there."""

    status: int
    headers: Message
    body: str
    way: tuple[str, ...]


class _Unfollowed(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


@dataclass
class Browser:
    """A browser; it says who sends its requests as browsers do (`Sec-Fetch-Site`), unless a header is given."""

    # as browsers do, it trusts this machine with cookies for https
    jar: CookieJar = field(default_factory=lambda: CookieJar(DefaultCookiePolicy(secure_protocols=("https", "http"))))

    def get(self, url: str, headers: Mapping[str, str] = HTML) -> Page:
        """Follow a link."""
        return self._follow("GET", url, None, headers)

    def post(self, url: str, fields: Mapping[str, str], headers: Mapping[str, str] = HTML) -> Page:
        """Send a form of a page of the same site."""
        body = urllib.parse.urlencode(fields).encode()
        return self._follow("POST", url, body, {"Sec-Fetch-Site": "same-origin", **headers})

    def log_in(self, url: str, user: str) -> Page:
        """Go to a page that asks who one is, and say so to Keycloak."""
        form = self.get(url)
        return self.post(read_action(form.body), {"username": user, "password": PASSWORD})

    def find(self, name: str) -> Cookie | None:
        """Return a cookie."""
        return next((one for one in self.jar if one.name == name), None)

    def _follow(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Page:
        opener = urllib.request.build_opener(_Unfollowed, urllib.request.HTTPCookieProcessor(self.jar))
        way = [url]
        while len(way) < _MOST_REDIRECTS:
            request = urllib.request.Request(way[-1], body, dict(headers), method=method)
            try:
                with opener.open(request, timeout=SECONDS) as response:
                    return Page(response.status, response.headers, response.read().decode(), tuple(way))
            except urllib.error.HTTPError as error:
                if error.code not in (302, 303) or "location" not in error.headers:
                    return Page(error.code, error.headers, error.read().decode(), tuple(way))
                way.append(urllib.parse.urljoin(way[-1], error.headers["location"]))
                error.close()
            method, body = "GET", None
        raise AssertionError(f"too many redirects: {way}")


class _Form(HTMLParser):
    action = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of the first form."""
        if tag == "form" and not self.action:
            self.action = dict(attrs)["action"] or ""


def read_action(html: str) -> str:
    """Return the address to which the form of a page is sent."""
    form = _Form()
    form.feed(html)
    assert form.action, html[:500]
    return form.action
