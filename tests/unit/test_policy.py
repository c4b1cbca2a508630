"""Decisions of a policy agent: what is no decision lets nobody in, and a decision holds for its time only."""

import asyncio
import json
import re
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fastapi import Request

from tests.operations import list_routes
from tests.unit.messages import Check
from tests.values import ROOT
from zoo_runner.model.errors import RunnerError
from zoo_runner.server.access.actions import ACTIONS, FURTHER
from zoo_runner.server.access.admission import Asked
from zoo_runner.server.access.audit import Note
from zoo_runner.server.access.policy import MOST_KEPT_BYTES, Decision, Policy
from zoo_runner.server.api import Api
from zoo_staging.errors import Kind, StagingError

QUESTION = {"action": "job.list", "workspace": "alpha", "caller": {"name": "ada", "workspaces": ["alpha"]}}


class Agent:
    """An agent with one answer, and its clock; questions are counted."""

    def __init__(self, answer: Any, most_bytes: int = MOST_KEPT_BYTES) -> None:
        self.answer, self.now, self.asked = answer, 0.0, 0
        self.policy = Policy(self.ask, 2.0, lambda: self.now, most_bytes)

    async def ask(self, question: bytes) -> bytes:
        self.asked += 1
        assert json.loads(question)["input"]["workspace"] == "alpha"
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()

    def decide(self) -> Decision:
        return asyncio.run(self.policy.decide(QUESTION))


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        {"result": True},
        {"result": {"allow": "true"}},
        {"result": {"allow": 1}},
        {"result": {"reason": "undefined"}},
        {"result": {"allow": True, "processes": "ndvi"}},
        {"result": {"allow": True, "processes": [7]}},
        b"<html>",
        b"\xff",
        b"[" * 100_000,
        StagingError(Kind.UNREACHABLE, "http://127.0.0.1:8181/", "no connection", "Look."),
        asyncio.TimeoutError(),
    ],
)
def test_without_a_decision_nobody_is_let_in(answer: Any, check: Check) -> None:
    agent = Agent(answer)
    with pytest.raises(RunnerError) as caught:
        agent.decide()
    check(caught.value, "policy.unavailable")
    # nor is that kept: the agent may be back
    agent.answer = {"result": {"allow": True}}
    assert agent.decide() == Decision(allow=True)


def test_every_operation_has_a_name_in_policies() -> None:
    names = {route.name for route in list_routes()}
    assert names - set(ACTIONS) == set()
    assert set(ACTIONS) - names == {"get_landing_page", "get_conformance"}


def test_documentation_and_policy_name_the_actions_that_there_are() -> None:
    (row,) = [line for line in (ROOT / "docs/api.md").read_text().splitlines() if line.startswith("| `action` |")]
    documented = set()
    for family in row.split("|")[2].split(";"):
        first, *others = re.findall("`([^`]+)`", family)
        documented |= {first, *(first.partition(".")[0] + other for other in others)}
    assert documented == {*ACTIONS.values(), *FURTHER}
    families = {action.partition(".")[0] for action in documented}
    for policy in (ROOT / "deploy/opa").glob("*.rego"):
        named = re.findall(rf'"((?:{"|".join(families)})\.[a-z-]+)"', policy.read_text())
        assert set(named) <= documented


def test_what_a_page_asks_further_does_not_replace_the_decision_of_its_request() -> None:
    async def decide(question: bytes) -> bytes:
        action = json.loads(question)["input"]["action"]
        return json.dumps({"result": {"allow": action == "job.inputs"}, "decision_id": f"of {action}"}).encode()

    async def read(find: Any, *given: Any) -> Any:
        return {"process": None, "job": None}

    note, route = Note(), SimpleNamespace(name="edit_by_form")
    request = Request({"type": "http", "route": route, "path_params": {}, "zoo_runner.audit": note})
    asked = Asked(cast(Api, SimpleNamespace(read=read)), Policy(decide, 2.0))

    async def admit() -> tuple[bool, bool]:
        admitted = await asked.admit(request, None, "alpha")
        return await asyncio.to_thread(lambda: (admitted.may("process.execute"), admitted.may("job.inputs")))

    assert asyncio.run(admit()) == (False, True)
    assert note.decision == "of job.inputs"
    assert note.asked == {"process.execute": "of process.execute", "job.inputs": "of job.inputs"}


def test_a_denial_says_who_may_not_do_what_and_why(check: Check) -> None:
    agent = Agent({"result": {"allow": False, "reason": "closed on Sundays"}, "decision_id": "7"})
    with pytest.raises(RunnerError) as caught:
        agent.decide()
    check(caught.value, "policy.denied", "ada", "alpha", "job.list", "closed on Sundays")


def test_a_decision_holds_for_its_time_only() -> None:
    agent = Agent({"result": {"allow": True, "processes": ["ndvi"]}})
    assert agent.decide().processes == frozenset({"ndvi"})
    agent.answer = {"result": {"allow": False}}
    agent.now = 1.9
    assert agent.decide().allow
    agent.now = 2.1
    with pytest.raises(RunnerError):
        agent.decide()
    # a denial holds as long
    agent.answer = {"result": {"allow": True}}
    with pytest.raises(RunnerError):
        agent.decide()
    assert agent.asked == 2


def test_questions_of_any_number_and_length_take_a_limited_memory() -> None:
    agent = Agent({"result": {"allow": True, "processes": ["x" * 20_000]}}, most_bytes=100_000)

    async def follow() -> None:
        for number in range(300):
            await agent.policy.decide({**QUESTION, "process": {"id": f"{number}-" + "x" * 10_000}})

    asyncio.run(follow())
    kept = agent.policy._kept
    assert 0 < len(kept) < 10
    assert all(len(key) < 100 for key in kept._kept)


def test_decisions_are_kept_by_what_the_access_document_says() -> None:
    agent = Agent({"result": {"allow": True}})
    asked = [({"ndvi": {"access": "public"}}, "one"), ({"ndvi": {"access": "private"}}, "other")] * 2

    async def follow() -> None:
        for access, digest in asked:
            await agent.policy.decide({**QUESTION, "access": access}, digest)

    asyncio.run(follow())
    assert agent.asked == 2
