"""What is let in without asking the provider ends with what it said last of the person."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.server_api import opened_api
from tests.unit.messages import Check
from zoo_runner.model import clock
from zoo_runner.model.errors import InputError
from zoo_runner.model.membership import Membership
from zoo_runner.model.token import PersonalToken
from zoo_runner.server.access.memberships import Memberships, build_membership, ensure_still_member, limit_session
from zoo_runner.server.access.personal_tokens import build_token, find_owner
from zoo_runner.server.access.sessions import Sessions
from zoo_runner.server.access.tokens import Caller
from zoo_runner.server.api import Api

DAYS = 14.0
_DAY_SECONDS = 86_400


def build_caller(*workspaces: str) -> Caller:
    return Caller("ada", frozenset(workspaces), issued=clock.now())


def build_known_token(days: float = 0.0, *, by_operator: bool = False) -> PersonalToken:
    """Build a token that was made so many days ago."""
    made, expires = clock.after(-days * _DAY_SECONDS), clock.after(90 * _DAY_SECONDS)
    return PersonalToken("t1", "alpha", "ada", "", ("job.*",), made, expires, by_operator)


def make_token(api: Api, workspace: str) -> str:
    token, text, digest = build_token(workspace, "ada", {"scopes": ["job.*"]}, 30)
    api.store.tokens.add(digest, token, 10)
    return text


def test_a_personal_token_ends_when_its_owner_left_the_workspace_and_begins_again_with_the_owner(
    tmp_path: Path,
) -> None:
    with opened_api(tmp_path) as api:
        memberships, text = Memberships(api), make_token(api, "alpha")

        async def try_as(*workspaces: str) -> bool:
            await memberships.note(build_caller(*workspaces))
            try:
                found = await find_owner(api, text)
            except InputError as error:
                assert error.diagnosis.code == "identity.owner"
                return False
            return found.workspaces == {"alpha"}

        async def try_all() -> list[bool]:
            # an operator made it for somebody who never came
            first = (await find_owner(api, text)).name == "ada"
            return [first, await try_as("alpha", "beta"), await try_as("beta"), await try_as("alpha")]

        assert asyncio.run(try_all()) == [True, True, False, True]


@pytest.mark.parametrize(
    ("workspaces", "days", "fact"),
    [(("beta",), 0.0, "alpha"), (("alpha",), 15.0, "14 days")],
)
def test_a_refusal_says_why(workspaces: tuple[str, ...], days: float, fact: str, check: Check) -> None:
    seen = "2026-01-01T00:00:00.000Z" if days else clock.now()
    with pytest.raises(InputError) as caught:
        ensure_still_member(build_known_token(), Membership("ada", workspaces, seen), DAYS)
    assert fact in caught.value.diagnosis.cause
    assert caught.value.diagnosis.code == "identity.owner"
    assert caught.value.diagnosis.remedy


def test_an_owner_who_came_lately_keeps_the_token() -> None:
    seen = clock.after(-13 * _DAY_SECONDS)
    ensure_still_member(build_known_token(90), Membership("ada", ("alpha",), seen), DAYS)


def test_a_token_of_an_owner_who_never_came_holds_where_an_operator_made_it_or_for_days(check: Check) -> None:
    ensure_still_member(build_known_token(13), None, DAYS)
    ensure_still_member(build_known_token(90, by_operator=True), None, DAYS)
    old = replace(build_known_token(), created="2026-01-01T00:00:00.000Z")
    with pytest.raises(InputError) as caught:
        ensure_still_member(old, None, DAYS)
    check(caught.value, "identity.owner", "ada", old.created, "14 days")


def test_what_the_provider_issued_last_counts_and_a_token_that_does_not_say_when_says_nothing(tmp_path: Path) -> None:
    with opened_api(tmp_path) as api:
        noted = []

        async def note(*callers: Caller) -> None:
            for caller in callers:
                await Memberships(api).note(caller)
                found = api.store.memberships.find("ada")
                noted.append(found and (found.workspaces, found.seen))

        early, late, now, future = (clock.after(seconds) for seconds in (-60, -30, 0, 3600))
        callers = (
            replace(build_caller("alpha"), issued=None),
            replace(build_caller("alpha", "beta"), issued=early),
            replace(build_caller("beta"), issued=late),
            # still valid, of before
            replace(build_caller("alpha", "beta"), issued=early),
            # of no group any more
            replace(build_caller(), issued=now),
        )
        asyncio.run(note(*callers))
        last = ("beta",), late
        assert noted == [None, (("alpha", "beta"), early), last, last, ((), now)]
        assert build_membership(replace(build_caller(), issued=future)).seen < future


def test_a_session_loses_what_the_provider_took_away_since_its_login_and_gains_nothing(tmp_path: Path) -> None:
    with opened_api(tmp_path) as api:
        sessions = Sessions(api, lambda _: "", is_secure=False)
        secret, _ = sessions.begin(build_caller("alpha", "beta"))
        assert asyncio.run(sessions.find(secret)).workspaces == {"alpha", "beta"}
        begun = clock.now()
        api.store.memberships.put(Membership("ada", ("beta", "gamma"), clock.after(1)))
        assert asyncio.run(sessions.find(secret)).workspaces == {"beta"}
        earlier = Membership("ada", ("beta",), clock.after(-1))
        assert limit_session(build_caller("alpha"), begun, earlier) == {"alpha"}


def test_a_session_loses_what_the_provider_took_away_in_the_second_of_its_login(tmp_path: Path) -> None:
    with opened_api(tmp_path) as api:
        sessions, memberships = Sessions(api, lambda _: "", is_secure=False), Memberships(api)
        second = clock.after(-5)[: len("2026-01-31T12:00:00")] + ".000Z"
        secret, _ = sessions.begin(replace(build_caller("alpha"), issued=second))
        assert asyncio.run(sessions.find(secret)).workspaces == {"alpha"}
        asyncio.run(memberships.note(replace(build_caller(), issued=second)))
        assert asyncio.run(sessions.find(secret)).workspaces == frozenset()
