"""People who log in at a real Keycloak with a browser: what their session lets them do, and what it does not."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from tests.keycloak import PASSWORD, add_client, add_user, find_keycloak, get_token, leave_groups
from tests.people import HTML, Browser, Page
from tests.serving import CWL, Answer, Server, serving
from tests.site import Site
from tests.values import EXAMPLES

PACKAGE = (EXAMPLES / "echo" / "echo.cwl").read_bytes()
SESSION, ATTEMPT = "zoo-runner-session", "zoo-runner-login"
OWN = {"Sec-Fetch-Site": "same-origin"}


@dataclass(frozen=True)
class Place:
    """A server at which people log in, and the provider."""

    server: Server
    site: Site
    keycloak: str

    def log_in(self, user: str = "ada", path: str = "/jobs") -> tuple[Browser, Page]:
        """Log in with a new browser, on the way to a page."""
        browser = Browser()
        return browser, browser.log_in(f"{self.server.url}{path}", user)

    def ask(self, browser: Browser, path: str, method: str = "GET", **headers: str) -> Answer:
        """Send a request with the cookie of a browser, and without anything else that one sends."""
        cookie = browser.find(SESSION)
        assert cookie is not None
        sent = {
            "Cookie": f"{SESSION}={cookie.value}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return self.server.request(method, path, PACKAGE if method == "POST" else None, sent)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    keycloak, folder, client = find_keycloak(), tmp_path_factory.mktemp("login"), f"pages-{uuid4()}"
    site = Site(folder, folder / "cache").having(
        ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"),
        ZOO_RUNNER_WORKSPACE="alpha",
        ZOO_RUNNER_OIDC_ISSUER=f"{keycloak}/realms/eo",
        ZOO_RUNNER_OIDC_AUDIENCE="zoo-runner",
        ZOO_RUNNER_OIDC_CLIENT=client,
        ZOO_RUNNER_OIDC_CLIENT_SECRET=PASSWORD,
    )
    with serving(site.environ, folder) as server:
        add_client(keycloak, client, f"{server.url}/login/callback")
        yield Place(server, site, keycloak)


def read_code(answer: Answer) -> tuple[int, str]:
    return answer.status, str(answer.json["diagnosis"]["code"])


def test_a_person_who_opens_a_page_logs_in_and_gets_there(place: Place) -> None:
    browser, page = place.log_in(path="/jobs?status=failed")
    assert page.status == 200
    assert page.way[-1] == f"{place.server.url}/jobs?status=failed"
    assert "Log out" in page.body
    cookie = browser.find(SESSION)
    assert cookie is not None
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert str(cookie.get_nonstandard_attr("SameSite")).lower() == "lax"
    assert browser.find(ATTEMPT) is None
    answer = place.ask(browser, "/session")
    assert {name: answer.json[name] for name in ("name", "by", "workspaces")} == {
        "name": "ada",
        "by": "session",
        "workspaces": ["alpha"],
    }
    assert answer.headers["cache-control"] == "private"
    # the next login of this browser asks for nothing
    again = browser.get(f"{place.server.url}/login?next=/processes")
    assert (again.status, again.way[-1]) == (200, f"{place.server.url}/processes")
    # programs are not sent there
    assert read_code(place.server.request("GET", "/jobs")) == (401, "identity.missing")


def test_who_is_no_member_logs_in_and_is_not_let_in(place: Place) -> None:
    browser, page = place.log_in("ben")
    assert page.status == 403
    assert read_code(place.ask(browser, "/jobs")) == (403, "identity.workspace")


def test_what_changes_something_has_to_come_from_a_page_of_this_server(place: Place) -> None:
    browser, _ = place.log_in()
    strangers: tuple[dict[str, str], ...] = (
        {},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
        {"Origin": "https://evil.example.org"},
        {"Origin": "null"},
        {"Referer": f"{place.server.url}/processes"},
    )
    for sent in strangers:
        answer = place.ask(browser, "/processes", "POST", Content_Type=CWL, **sent)
        assert read_code(answer) == (403, "request.cross-site"), sent
        answer = place.ask(browser, "/processes/echo/execution?message=x&dryRun=true", **sent)
        assert read_code(answer) == (403, "request.cross-site"), sent
    for sent in ({"Sec_Fetch_Site": "same-origin"}, {"Origin": place.server.url}):
        answer = place.ask(browser, "/processes?dryRun=true", "POST", Content_Type=CWL, **sent)
        assert (answer.status, answer.json["valid"]) == (200, True), answer.body
    # to read is no change
    assert place.ask(browser, "/jobs", Sec_Fetch_Site="cross-site").status == 200
    # a token comes from no page unasked, whatever cookie there is beside it
    answer = place.ask(browser, "/jobs", "POST", Authorization="Bearer a.b.c", Content_Type="application/json")
    assert read_code(answer) == (401, "identity.token")


def test_a_session_is_over_after_logging_out_also_for_who_has_its_cookie(place: Place) -> None:
    browser, _ = place.log_in()
    copied = Browser()
    copied.jar.set_cookie(browser.find(SESSION))  # type: ignore[arg-type]
    refused = browser.post(f"{place.server.url}/logout", {}, HTML | {"Sec-Fetch-Site": "cross-site"})
    assert refused.status == 403
    assert place.ask(copied, "/jobs").status == 200
    page = browser.post(f"{place.server.url}/logout", {})
    assert page.status == 200
    assert f"{place.keycloak}/realms/eo/protocol/openid-connect/logout" in page.body
    assert browser.find(SESSION) is None
    assert read_code(place.ask(copied, "/jobs")) == (401, "identity.session")
    assert read_code(place.ask(copied, "/jobs", "POST", Content_Type=CWL, **{"Sec_Fetch_Site": "same-origin"})) == (
        401,
        "identity.session",
    )


def test_a_login_that_this_browser_has_not_begun_is_refused(place: Place) -> None:
    victim, thief = Browser(), Browser()
    # the thief stops before the code is used, and has the victim open its address
    form = thief.get(f"{place.server.url}/login")
    query = parse_qs(urlsplit(form.way[-1]).query)
    assert query["code_challenge_method"] == ["S256"]
    assert PASSWORD not in form.way[-1]
    callback = f"{place.server.url}/login/callback?code=stolen&state={query['state'][0]}"
    victim.get(f"{place.server.url}/login")
    for browser in (victim, Browser()):
        answer = browser.get(callback, {"Accept": "application/json"})
        assert (answer.status, json.loads(answer.body)["diagnosis"]["code"]) == (400, "login.state")
        assert browser.find(SESSION) is None
    # the right state with a code that Keycloak did not issue
    answer = thief.get(callback, {"Accept": "application/json"})
    assert (answer.status, json.loads(answer.body)["diagnosis"]["code"]) == (502, "login.exchange")
    denied = thief.get(callback.replace("code=stolen", "error=access_denied"), {"Accept": "application/json"})
    assert (denied.status, json.loads(denied.body)["diagnosis"]["code"]) == (403, "login.denied")
    assert thief.find(SESSION) is None


def test_nobody_logs_in_where_others_could_read_the_session(place: Place) -> None:
    answer = place.server.request("GET", "/login", headers={"Host": "192.0.2.1"})
    assert read_code(answer) == (403, "login.insecure")
    answer = place.server.request("GET", "/login?next=https://evil.example.org")
    assert read_code(answer) == (400, "request.invalid")


def test_who_is_taken_out_of_a_group_loses_its_workspace_by_session_and_personal_token(place: Place) -> None:
    eve = f"eve-{uuid4().hex[:12]}"
    add_user(place.keycloak, eve, "alpha")
    browser, _ = place.log_in(eve)
    body, json_type = {"scopes": ["job.list"]}, {"Content-Type": "application/json"}
    bearer = {"Authorization": f"Bearer {get_token(place.keycloak, eve)}"}
    made = place.server.request("POST", "/tokens", body, bearer | json_type)
    assert made.status == 201, made.body
    program = {"Authorization": f"Bearer {made.json['token']}"}

    def ask_all(token: str) -> list[object]:
        """Ask with a new access token, by the session, and with the personal token."""
        answers = (
            place.server.request("GET", "/jobs", headers={"Authorization": f"Bearer {token}"}),
            place.ask(browser, "/jobs"),
            place.server.request("GET", "/jobs", headers=program),
        )
        return [one.status if one.status == 200 else read_code(one) for one in answers]

    assert ask_all(get_token(place.keycloak, eve)) == [200, 200, 200]
    leave_groups(place.keycloak, eve)
    refused = [(403, "identity.workspace"), (403, "identity.workspace"), (401, "identity.owner")]
    assert ask_all(get_token(place.keycloak, eve)) == refused


def test_logins_are_in_the_audit_log_and_their_secrets_nowhere(place: Place, tmp_path: Path) -> None:
    browser, _ = place.log_in()
    secret = str(browser.find(SESSION).value)  # type: ignore[union-attr]
    browser.post(f"{place.server.url}/logout", {})
    entries = [json.loads(line) for line in place.site.command("audit").stdout.splitlines()]
    found = [(one["action"], one["caller"]) for one in entries if one["action"].startswith("session.")]
    assert found[-2:] == [("session.begin", "ada"), ("session.end", "ada")]
    kept = [place.server.log.read_text(errors="replace"), json.dumps(entries)]
    kept += [path.read_text("latin-1") for path in tmp_path.parent.glob("login*/**/runner.db*")]
    for text in kept:
        assert secret not in text
        assert PASSWORD not in text
