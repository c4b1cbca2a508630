"""Tokens for the steps of jobs: who gets one, that it is small and kept encrypted, and that it ends with its job."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from tests.contract.stores import PACKAGE, build_job
from tests.unit.messages import Check
from tests.unit.packed import build_package
from tests.unit.test_provider import TOKENS, Site
from tests.unit.test_tokens import CLAIMS, SETTINGS, sign
from tests.values import small_job
from zoo_runner.config.profiles import StepToken, parse_profiles
from zoo_runner.model import clock
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError, SettingsError
from zoo_runner.model.job import Job, Status
from zoo_runner.model.package import Package
from zoo_runner.model.step_token import TOKEN_INPUT, IssuedToken
from zoo_runner.package.extensions import SECRETS
from zoo_runner.server.access.exchange import exchange_token, revoke_token
from zoo_runner.server.api import Api, Call
from zoo_runner.server.jobs import Placement, add_step_token
from zoo_runner.server.step_tokens import Revoker, StepTokens, asks_for_token
from zoo_runner.server.vault import Vault
from zoo_runner.store.sql import SqlStore
from zoo_staging.errors import Kind, StagingError

REVOCATION = "https://login.example.org/revoke"
WANTED = StepToken("catalogue", "catalogue.read")
TEXT = "token-of-the-steps"
KEY = Fernet.generate_key().decode()


class Exchange(Site):
    """A provider at which this server is a client; what it was asked to revoke is noted."""

    def __init__(self, answer: Any, *, revokes: bool = True) -> None:
        super().__init__(replace(SETTINGS, client="runner", client_secret="s"))
        self.document |= {"token_endpoint": TOKENS, **({"revocation_endpoint": REVOCATION} if revokes else {})}
        self.answer, self.revoked = answer, list[str]()

    async def read(
        self, address: str, body: bytes | None = None, media_type: str = "", headers: tuple[str, ...] = ()
    ) -> bytes:
        answer = await super().read(address, body, media_type, headers)
        if address == REVOCATION:
            self.revoked.append(self.sent[-1][0]["token"])
        if address == TOKENS:
            if isinstance(self.answer, Exception):
                raise self.answer
            return json.dumps(self.answer).encode()
        return answer

    def exchange(self) -> IssuedToken:
        return asyncio.run(exchange_token(self.provider, "of-ada", WANTED))


def test_the_token_of_a_caller_is_exchanged_for_one_with_the_audience_and_scope_of_the_profile() -> None:
    site = Exchange({"access_token": TEXT, "expires_in": 600})
    issued = site.exchange()
    assert issued.text == TEXT
    assert 590 < -clock.seconds_since(issued.expires) <= 600
    ((fields, headers),) = site.sent
    assert fields == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": "of-ada",
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "audience": "catalogue",
        "scope": "catalogue.read",
    }
    # the secret of this server is in no body
    assert headers[0].startswith("Authorization: Basic ")
    assert TEXT not in repr(issued)
    asyncio.run(revoke_token(site.provider, issued.text))
    assert site.sent[-1][0] == {"token": TEXT, "token_type_hint": "access_token"}


@pytest.mark.parametrize(
    ("answer", "fact"),
    [
        ({}, "no access_token"),
        ({"access_token": TEXT}, "expires_in"),
        ({"access_token": TEXT, "expires_in": "soon"}, "expires_in"),
        ([], "no access_token"),
        (StagingError(Kind.REFUSED, TOKENS, "the server refused the request", "Look."), "refused"),
        (asyncio.TimeoutError(), "in time"),
    ],
)
def test_what_is_no_token_is_refused_with_the_reason(answer: Any, fact: str, check: Check) -> None:
    with pytest.raises(EngineError) as caught:
        Exchange(answer).exchange()
    assert TEXT not in check(caught.value, "token.exchange", "catalogue", fact).cause


def test_a_token_that_opens_this_server_too_is_revoked_and_given_to_no_step(check: Check) -> None:
    site = Exchange({"access_token": sign(CLAIMS), "expires_in": 600})
    with pytest.raises(EngineError) as caught:
        site.exchange()
    check(caught.value, "token.exchange", "catalogue", "this server")
    assert site.revoked == [sign(CLAIMS)]
    # one of the same provider that is for another service is fine
    other = sign({**CLAIMS, "aud": "catalogue"})
    assert Exchange({"access_token": other, "expires_in": 600}).exchange().text == other


def test_none_is_asked_for_that_could_not_be_revoked(check: Check) -> None:
    site = Exchange({"access_token": TEXT, "expires_in": 600}, revokes=False)
    with pytest.raises(EngineError) as caught:
        site.exchange()
    check(caught.value, "identity.provider", "revocation_endpoint")
    assert site.sent == []


def test_a_profile_says_for_what_there_are_tokens() -> None:
    common = {"audience": "catalogue", "scope": "catalogue.read"}
    found = parse_profiles(json.dumps({"*": {"stepToken": common}, "a": {}, "b": {"stepToken": None}}))
    assert [found[name].step_token for name in "*ab"] == [WANTED, WANTED, None]
    for wrong in ("{}", '"catalogue"', '{"audience": ""}', '{"audience": 7}', '{"audience": "c", "more": "x"}'):
        with pytest.raises(ValueError, match=r"^a\.stepToken"):
            parse_profiles(f'{{"a": {{"stepToken": {wrong}}}}}')


def build_asking(name: str = TOKEN_INPUT, *, secret: bool = True) -> Package:
    """Build a package that has an input of this name."""
    secrets = {"class": SECRETS, "secrets": [name]}
    return build_package({name: ["null", "string"]}, hints=[secrets] if secret else [])


def test_a_package_asks_by_its_secret_input() -> None:
    assert asks_for_token(build_asking())
    assert not asks_for_token(build_asking(secret=False))
    assert not asks_for_token(build_asking("password"))


@pytest.fixture
def allowed(api: Api, tmp_path: Path) -> Api:
    """A server that may have tokens for steps of all workspaces but one."""
    profiles = tmp_path / "profiles.json"
    profiles.write_text('{"*": {"stepToken": {"audience": "catalogue"}}, "none": {"stepToken": null}}')
    return replace(api, settings=replace(api.settings, workspaces=profiles, encryption_keys=(KEY,)))


def add(api: Api, package: Package, call: Call, tmp_path: Path, **placed: Any) -> dict[str, Any]:
    """Return the inputs of a job of a package, after it was given a token if it may have one."""
    configuration = placed.pop("configuration", api.configuration)
    found = Placement(package, call, configuration, placed.pop("deployed_in", None))
    return dict(add_step_token(api, found, replace(small_job(tmp_path), package=package)).order)


def test_the_jobs_of_the_own_processes_of_a_workspace_get_a_token_and_no_others(allowed: Api, tmp_path: Path) -> None:
    asked: list[StepToken] = []

    def exchange(wanted: StepToken) -> IssuedToken:
        asked.append(wanted)
        return IssuedToken(TEXT, clock.after(600))

    call = Call("default", "http://localhost", exchange=exchange)
    assert add(allowed, build_asking(), call, tmp_path)[TOKEN_INPUT] == TEXT
    assert asked == [StepToken("catalogue")]
    borrowed = replace(allowed.configuration, workspace=replace(allowed.configuration.workspace, storage_of="beta"))
    for found in (
        add(allowed, build_asking("password"), call, tmp_path),
        # who deployed it is of another workspace, or it runs there
        add(allowed, build_asking(), call, tmp_path, deployed_in="alpha"),
        add(allowed, build_asking(), call, tmp_path, configuration=borrowed),
        # the operator gives none here
        add(allowed, build_asking(), replace(call, workspace="none"), tmp_path),
        # who calls has a session or a personal token
        add(allowed, build_asking(), replace(call, exchange=None), tmp_path),
    ):
        assert TOKEN_INPUT not in found
    assert len(asked) == 1
    assert not any(TEXT.encode() in path.read_bytes() for path in tmp_path.glob("runner.db*"))


def test_without_a_key_no_token_is_kept(allowed: Api, tmp_path: Path, check: Check) -> None:
    keyless = replace(allowed, settings=replace(allowed.settings, encryption_keys=()))
    call = Call("default", "http://localhost", exchange=lambda _: IssuedToken(TEXT, clock.after(600)))
    with pytest.raises(SettingsError) as caught:
        add(keyless, build_asking(), call, tmp_path)
    check(caught.value, "secret.off")


@pytest.fixture
def tokens(sql_store: SqlStore) -> StepTokens:
    return StepTokens(sql_store.step_tokens, Vault(sql_store.secrets, (KEY,)))


def build_asking_job(number: int, status: Status = Status.ACCEPTED) -> Job:
    return build_job(number, secret_inputs=(TOKEN_INPUT,), status=status)


def test_a_job_finds_its_token_until_it_expires(tokens: StepTokens, sql_store: SqlStore, check: Check) -> None:
    tokens.keep("job-1", IssuedToken(TEXT, clock.after(600)))
    tokens.keep("job-2", IssuedToken(TEXT, "2026-01-01T00:00:00.000Z"))
    job, late = (build_asking_job(number) for number in (1, 2))
    assert tokens.find(job) == {TOKEN_INPUT: TEXT}
    assert tokens.find(build_job(1)) == tokens.find(build_asking_job(3)) == {}
    with pytest.raises(EngineError) as caught:
        tokens.find(late)
    check(caught.value, "token.expired")
    # what runs is followed, and its logs are masked, whatever became of the token
    assert tokens.find(replace(late, handle={"engine": "fake"})) == {TOKEN_INPUT: TEXT}
    other = StepTokens(sql_store.step_tokens, Vault(sql_store.secrets, (Fernet.generate_key().decode(),)))
    with pytest.raises(SettingsError) as lost:
        other.find(job)
    check(lost.value, "secret.key", "job-1")
    # the row of another job gives it nothing
    with sql_store.database.writing() as connection:
        connection.exec_driver_sql("UPDATE step_tokens SET job_id = 'job-3' WHERE job_id = 'job-1'")
    with pytest.raises(SettingsError):
        tokens.find(build_asking_job(3))


def test_a_token_is_revoked_at_every_end_of_its_job_and_until_that_succeeds(
    tokens: StepTokens, sql_store: SqlStore
) -> None:
    statuses = [Status.ACCEPTED, Status.RUNNING, Status.SUCCESSFUL, Status.FAILED, Status.DISMISSED]
    for number, status in enumerate(statuses):
        tokens.keep(f"job-{number}", IssuedToken(f"of-{status.value}", clock.after(600)))
        sql_store.jobs.create(build_asking_job(number, status), PACKAGE)
    tokens.keep("job-never", IssuedToken("of-no-job", clock.after(600)))
    revoked: list[str] = []

    def refuse(text: str) -> None:
        if text == "of-failed":
            raise EngineError("refused", "Wait.", code="token.exchange")
        revoked.append(text)

    away: list[str] = []

    def give_up(text: str) -> None:
        away.append(text)
        raise EngineError("no answer", "Wait.", code="token.exchange", level=Level.PLATFORM)

    assert not tokens.revoke_ended(give_up)
    assert len(away) == 1
    assert not tokens.revoke_ended(refuse)
    assert sorted(revoked) == ["of-dismissed", "of-successful"]
    assert tokens.revoke_ended(revoked.append)
    assert revoked[-1] == "of-failed"
    # a job that is not there may be about to be
    with sql_store.database.writing() as connection:
        connection.exec_driver_sql(f"UPDATE step_tokens SET kept = '{clock.after(-120)}' WHERE job_id = 'job-never'")
    assert tokens.revoke_ended(revoked.append)
    assert revoked[-1] == "of-no-job"
    assert sql_store.step_tokens.find("job-0")
    sql_store.step_tokens.remove_expired(clock.after(601))
    assert sql_store.step_tokens.find("job-0") is None


def test_what_ended_while_no_server_ran_is_revoked_at_its_start_and_at_its_stop(
    tokens: StepTokens, sql_store: SqlStore
) -> None:
    for number in (1, 2):
        sql_store.jobs.create(build_asking_job(number, Status.FAILED), PACKAGE)
    revoked: list[str] = []
    tokens.keep("job-1", IssuedToken("first", clock.after(600)))
    revoker = Revoker(tokens, revoked.append)
    tokens.keep("job-2", IssuedToken("second", clock.after(600)))
    revoker.stop()
    assert sorted(revoked) == ["first", "second"]
