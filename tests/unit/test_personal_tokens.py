"""Personal tokens and the development token: what they are for, and what they never are."""

import pytest
from fastapi import Request

from tests.unit.messages import Check
from zoo_runner.config.identity import IdentitySettings, load_identity_settings
from zoo_runner.model.errors import InputError, SettingsError
from zoo_runner.server.access.actions import ACTIONS
from zoo_runner.server.access.development import ensure_on_this_machine, open_development_token
from zoo_runner.server.access.personal_tokens import (
    PREFIX,
    build_token,
    digest_token,
    ensure_scope,
    is_in_scope,
    list_scopes,
)
from zoo_runner.server.access.tokens import Caller

TEXT = "only-for-tests-of-development"
SETTINGS = IdentitySettings(development_token=TEXT, development_workspaces=("beta",))


def build_caller(*scopes: str) -> Caller:
    return Caller("ada", frozenset({"alpha"}), by="personal-token", scopes=frozenset(scopes), token="1")


def test_a_token_never_makes_tokens_writes_secrets_or_reads_the_audit_log() -> None:
    # with all scopes that there are
    caller, withheld = build_caller(*list_scopes()), []
    for action in set(ACTIONS.values()):
        try:
            ensure_scope(caller, action)
        except InputError:
            withheld.append(action)
    assert withheld
    assert {action.partition(".")[0] for action in withheld} <= {"token", "secret", "audit", "operations"}
    never = ("token.", "audit.", "operations.")
    assert {action for action in ACTIONS.values() if action.startswith(never)} <= set(withheld)


def test_a_page_shows_only_what_the_scopes_of_its_token_are_for() -> None:
    caller = build_caller("job.status", "process.*")
    asked = ("job.status", "process.read", "job.logs", "job.inputs")
    assert [is_in_scope(caller, action) for action in asked] == [True, True, False, False]
    assert is_in_scope(None, "job.logs")
    assert is_in_scope(Caller("ada", frozenset()), "job.logs")


def test_a_scope_is_an_action_or_a_family(check: Check) -> None:
    for scopes in (("job.list",), ("job.*",)):
        ensure_scope(build_caller(*scopes), "job.list")
    for caller in (None, Caller("ada", frozenset())):
        ensure_scope(caller, "token.create")
    with pytest.raises(InputError) as caught:
        ensure_scope(build_caller("job.list"), "job.dismiss")
    check(caught.value, "identity.scope", "job.dismiss", "job.list")


def test_a_token_is_long_random_and_kept_as_a_digest() -> None:
    token, text, digest = build_token("alpha", "ada", {"scopes": ["job.*", "job.*"], "days": 1}, 90)
    _, other, _ = build_token("alpha", "ada", {"scopes": ["job.*"]}, 90)
    assert text.startswith(PREFIX)
    assert len(text) >= 40
    assert text != other
    assert digest == digest_token(text)
    assert text not in repr(token)
    assert token.scopes == ("job.*",)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "eo.example.org", ""])
def test_a_server_with_a_development_token_does_not_listen_elsewhere(host: str) -> None:
    with pytest.raises(SettingsError) as caught:
        ensure_on_this_machine(SETTINGS, host)
    assert TEXT not in str(caught.value)
    ensure_on_this_machine(IdentitySettings(), host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.53", "::1", "localhost"])
def test_a_server_with_a_development_token_listens_on_this_machine(host: str) -> None:
    ensure_on_this_machine(SETTINGS, host)


def test_a_developer_is_known_on_this_machine_only(check: Check) -> None:
    token = open_development_token(SETTINGS, "alpha")
    assert token is not None
    assert token.matches(TEXT)
    assert not token.matches(TEXT[:-1])
    assert token.identify(Request({"type": "http", "client": ("127.0.0.1", 1)})).workspaces == {"alpha", "beta"}
    for client in (("192.0.2.7", 1), None):
        with pytest.raises(InputError) as caught:
            token.identify(Request({"type": "http", "client": client}))
        check(caught.value, "identity.development")


@pytest.mark.parametrize("settings", [{"ZOO_RUNNER_DEVELOPMENT_TOKEN": "short"}, {"ZOO_RUNNER_TOKEN_DAYS": "3661"}])
def test_settings_of_tokens_that_are_not_safe_are_refused(settings: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as caught:
        load_identity_settings(settings)
    ((name, value),) = settings.items()
    assert name in caught.value.diagnosis.cause
    assert name != "ZOO_RUNNER_DEVELOPMENT_TOKEN" or value not in caught.value.diagnosis.cause
