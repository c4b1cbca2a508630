"""Links to results: what they say is what was signed, until they expire."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.contract.stores import PACKAGE, build_job
from tests.unit.messages import Check
from zoo_runner.model.errors import InputError, RunnerError
from zoo_runner.model.job import Outcome, Results, Status
from zoo_runner.server.api import Api, Call
from zoo_runner.server.shared_results import Grant, ensure_current, read_token, share_result, write_token

SECRET, OTHER = "a" * 32, "b" * 32
GRANT = Grant("ws", "job-1", "text/é message.txt", 1_800_000_000, hub=True)
BASE = "http://eo.example"


@pytest.fixture
def shared(api: Api, tmp_path: Path) -> Api:
    """A server with a secret, and a job that has the file `text/message.txt`."""
    folder = tmp_path / "of-job-1"
    (folder / "text").mkdir(parents=True)
    (folder / "text" / "message.txt").write_text("x")
    (tmp_path / "outside.txt").write_text("secret")
    ended = Outcome(Status.SUCCESSFUL, Results({}, {}, ""))
    api.store.jobs.create(build_job(1, destination=str(folder), status=Status.SUCCESSFUL, outcome=ended), PACKAGE)
    return replace(api, settings=replace(api.settings, link_secret=SECRET))


def test_a_link_is_read_as_it_was_made() -> None:
    assert read_token(write_token(GRANT, SECRET), SECRET) == GRANT


def test_a_link_that_is_changed_anywhere_is_refused(check: Check) -> None:
    token = write_token(GRANT, SECRET)
    letters = "ABCDabcd0123-_."
    changed = [token[:at] + letter + token[at + 1 :] for at in range(len(token)) for letter in letters]
    changed += [token[:at] for at in range(len(token))] + [f"{token}=", f"{token}A", f" {token}", f"{token}.", "é", "."]
    for one in changed:
        if one != token:
            with pytest.raises(InputError) as caught:
                read_token(one, SECRET)
            assert caught.value.diagnosis.code == "link.invalid"
    check(caught.value, "link.invalid")


@pytest.mark.parametrize(("made", "read"), [(OTHER, SECRET), ("", SECRET), ("", ""), (SECRET, "")])
def test_a_link_of_another_secret_or_of_none_is_refused(made: str, read: str) -> None:
    with pytest.raises(InputError):
        read_token(write_token(GRANT, made), read)


def test_a_link_ends_with_its_time(check: Check) -> None:
    ensure_current(GRANT, GRANT.expires - 0.001)
    with pytest.raises(InputError) as caught:
        ensure_current(GRANT, GRANT.expires)
    check(caught.value, "link.expired")


def test_who_may_read_a_result_shares_it(shared: Api) -> None:
    made = share_result(shared, Call("ws", BASE), "job-1", {"path": "text/message.txt", "days": 1})
    assert made["href"].startswith(f"{BASE}/shared/")
    grant = read_token(made["href"].rpartition("/")[2], SECRET)
    assert (grant.workspace, grant.job, grant.path, grant.hub) == ("ws", "job-1", "text/message.txt", False)


def test_a_link_made_below_a_prefix_leads_to_the_server_itself(shared: Api) -> None:
    api = replace(shared, settings=replace(shared.settings, workspace_prefix="/hubs/"))
    call = Call("ws", f"{BASE}/hubs/ws", hub=True, hub_base=f"{BASE}/hubs")
    assert share_result(api, call, "job-1", {"path": "text/message.txt"})["href"].startswith(f"{BASE}/shared/")


@pytest.mark.parametrize(
    ("call", "request_", "code"),
    [
        (Call("ws", BASE, may=lambda action: action != "job.results"), {"path": "text/message.txt"}, "policy.denied"),
        (Call("other", BASE), {"path": "text/message.txt"}, "job.not-found"),
        (Call("ws", BASE), {"path": "../outside.txt"}, "job.not-found"),
        (Call("ws", BASE), {"path": "text"}, "job.not-found"),
        (Call("ws", BASE), {"path": "text/none.txt"}, "job.not-found"),
        (Call("ws", BASE), {}, "request.invalid"),
        (Call("ws", BASE), {"path": ["text/message.txt"]}, "request.invalid"),
        (Call("ws", BASE), {"path": "text/message.txt", "days": 0}, "request.invalid"),
        (Call("ws", BASE), {"path": "text/message.txt", "days": 31}, "request.invalid"),
        (Call("ws", BASE), {"path": "text/message.txt", "days": float("nan")}, "request.invalid"),
        (Call("ws", BASE), {"path": "text/message.txt", "days": True}, "request.invalid"),
        (Call("ws", BASE), {"path": "text/message.txt", "workspace": "other"}, "request.invalid"),
    ],
    ids=lambda value: value.workspace if isinstance(value, Call) else str(value),
)
def test_no_link_is_made_to_what_may_not_be_read(shared: Api, call: Call, request_: Any, code: str) -> None:
    with pytest.raises(RunnerError) as caught:
        share_result(shared, call, "job-1", request_)
    assert caught.value.diagnosis.code == code


def test_without_a_secret_no_link_is_made(shared: Api, check: Check) -> None:
    api = replace(shared, settings=replace(shared.settings, link_secret=""))
    with pytest.raises(RunnerError) as caught:
        share_result(api, Call("ws", BASE), "job-1", {"path": "text/message.txt"})
    check(caught.value, "link.off")
