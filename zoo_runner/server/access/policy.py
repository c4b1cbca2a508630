"""Who may do what, decided by an Open Policy Agent: one question for each request, before an operation does anything.

What is asked and answered is in docs/api.md (Policy); deploy/opa/ has a policy to begin with. Where the agent does not
answer, or with anything else than a decision, nobody may do anything.
Source: Open Policy Agent, REST API, "Get a Document (with Input)".
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from time import monotonic
from typing import Any

from zoo_runner.model.errors import EngineError, InputError
from zoo_runner.server.access.remembered import Remembered
from zoo_staging.errors import StagingError

MOST_KEPT_BYTES = 32 << 20
"""What decisions take in memory."""

_ID_BYTES = 100

Ask = Callable[[bytes], Awaitable[bytes]]
"""Sends a question to the agent and returns its answer; raises `StagingError`."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Decision:
    """An answer: why, where the agent says so; `processes` are the ids that lists may show, None: all.

    `number` is the id that the agent gave it.
    """

    allow: bool
    reason: str = ""
    processes: frozenset[str] | None = None
    number: str | None = None


class Policy:
    """The agent, whose decisions hold for some seconds; used in one event loop."""

    def __init__(
        self,
        ask: Ask,
        kept_seconds: float,
        clock: Callable[[], float] = monotonic,
        most_bytes: int = MOST_KEPT_BYTES,
    ) -> None:
        self._ask, self._kept_seconds, self._clock = ask, kept_seconds, clock
        self._kept: Remembered[tuple[float, Decision]] = Remembered(most_bytes)

    async def decide(self, question: Mapping[str, Any], digest: str = "") -> Decision:
        """Return a decision that allows; `digest` is that of the member `access` of the question, if it has one.

        Raises `InputError` (`policy.denied`), `EngineError` (`policy.unavailable`).
        """
        decision = await self.find(question, digest)
        if not decision.allow:
            raise deny(question, decision)
        return decision

    async def find(self, question: Mapping[str, Any], digest: str = "") -> Decision:
        """Return a decision, which may be a denial; raises `EngineError` (`policy.unavailable`)."""
        key = _build_key(question, digest)
        until, decision = self._kept.get(key) or (0.0, None)
        if decision is None or until < self._clock():
            decision = await self._decide(question)
            size = len(decision.reason) + sum(_ID_BYTES + len(one) for one in decision.processes or ())
            self._kept.put(key, (self._clock() + self._kept_seconds, decision), size)
        return decision

    async def _decide(self, question: Mapping[str, Any]) -> Decision:
        try:
            answer = json.loads(await self._ask(json.dumps({"input": question}).encode()))
            decision = _read_decision(answer)
        except StagingError as error:
            raise _unavailable(error.reason) from error
        except asyncio.TimeoutError as error:
            raise _unavailable("it did not answer in time") from error
        except (ValueError, RecursionError) as error:
            raise _unavailable(f"its answer is no decision: {error}") from error
        caller = question["caller"]
        logger.info(
            "policy: %s of %s in %s: %s (decision %s)",
            question["action"],
            caller["name"] if caller else "anybody",
            question["workspace"],
            "allowed" if decision.allow else "denied",
            decision.number or "-",
        )
        return decision


def _build_key(question: Mapping[str, Any], digest: str) -> str:
    """Build a short key: what is in a question has any length."""
    short = {**question, "access": digest} if digest else question
    return sha256(json.dumps(short, sort_keys=True).encode()).hexdigest()


def _read_decision(answer: Any) -> Decision:
    """Read the agent's answer; raises `ValueError` for what is not a decision, such as one that is undefined."""
    result = answer.get("result") if isinstance(answer, dict) else None
    if not isinstance(result, dict) or type(result.get("allow")) is not bool:
        raise ValueError("it has no result with `allow`")
    reason, processes = result.get("reason", ""), result.get("processes")
    if processes is not None and not (isinstance(processes, list) and all(isinstance(one, str) for one in processes)):
        raise ValueError("`processes` is not a list of ids")
    shown = None if processes is None else frozenset(processes)
    number = answer.get("decision_id")
    return Decision(result["allow"], str(reason)[:500], shown, number[:_ID_BYTES] if isinstance(number, str) else None)


def deny(question: Mapping[str, Any], decision: Decision) -> InputError:
    """Build the error of a denial (`policy.denied`)."""
    caller = question["caller"]
    why = f": {decision.reason}" if decision.reason else ""
    return InputError(
        f"{caller['name'] if caller else 'anybody'} may not do this in the workspace {question['workspace']}"
        f" ({question['action']}){why}",
        "Ask the owner of the workspace, or the operator of the policy of this server.",
        code="policy.denied",
    )


def _unavailable(why: str) -> EngineError:
    return EngineError(
        f"whether the request is allowed cannot be decided, as the policy agent fails: {why}",
        "Check that the agent runs, that ZOO_RUNNER_OPA_URL names its decision, and its log; then send it again.",
        code="policy.unavailable",
    )
