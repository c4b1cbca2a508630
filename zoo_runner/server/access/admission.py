"""Whether a request is let in: by the workspaces of its caller, or by the policy of the operator where there is one."""

from collections.abc import Mapping
from typing import Any, Protocol

from fastapi import Request

from zoo_runner.model.errors import JobNotFoundError, ProcessNotFoundError
from zoo_runner.model.job import FINAL
from zoo_runner.server.access.actions import ACTIONS
from zoo_runner.server.access.fetching import Service
from zoo_runner.server.access.policy import Policy
from zoo_runner.server.access.tokens import Caller, ensure_member
from zoo_runner.server.api import Api

_ANSWER_SECONDS = 2.0


class Admission(Protocol):
    """Lets requests in."""

    async def admit(self, request: Request, caller: Caller | None, workspace: str) -> frozenset[str] | None:
        """Return the processes that lists may show, None: all; raises `InputError` for who is not let in."""
        ...


class Members:
    """Lets the members of a workspace do everything there, and nobody else anything."""

    async def admit(self, request: Request, caller: Caller | None, workspace: str) -> frozenset[str] | None:
        """Let in a member; raises `InputError` (`identity.workspace`)."""
        ensure_member(caller, workspace)
        return None


class Asked:
    """Lets in whom the policy allows."""

    def __init__(self, api: Api, policy: Policy) -> None:
        self._api, self._policy = api, policy

    async def admit(self, request: Request, caller: Caller | None, workspace: str) -> frozenset[str] | None:
        """Let in who is allowed to; raises `InputError`, `EngineError` as `Policy.decide` does."""
        facts = await self._api.read(_find_facts, workspace, request.path_params)
        question = {
            "action": ACTIONS[request.scope["route"].name],
            "workspace": workspace,
            "caller": caller and {"name": caller.name, "workspaces": sorted(caller.workspaces)},
            **facts,
        }
        return (await self._policy.decide(question)).processes


def _find_facts(api: Api, workspace: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Find what a policy may need to know of the process and the job of a request; None for what is not there."""
    process_id, job = params.get("process_id"), _find_job(api, workspace, params.get("job_id"))
    return {"process": _find_process(api, workspace, job["process"] if job else process_id), "job": job}


def _find_job(api: Api, workspace: str, job_id: str | None) -> dict[str, Any] | None:
    try:
        job = api.store.jobs.get(job_id) if job_id else None
    except JobNotFoundError:
        return None
    if job is None or job.workspace != workspace:
        return None
    return {
        "id": job.id,
        "process": job.process_id,
        "status": job.status.value,
        "caller": job.caller,
        "has_ended": job.status in FINAL,
    }


def _find_process(api: Api, workspace: str, process_id: str | None) -> dict[str, Any] | None:
    if process_id is None:
        return None
    try:
        return {"id": process_id, "caller": api.store.processes.get(workspace, process_id).caller, "is_deployed": True}
    except ProcessNotFoundError:
        return {"id": process_id, "caller": None, "is_deployed": False}


def open_admission(api: Api) -> Admission:
    """Open what the settings say; nothing is asked yet."""
    address = api.identity.policy_url
    if not address:
        return Members()
    agent = Service(address, _ANSWER_SECONDS)
    return Asked(api, Policy(lambda question: agent.read(address, question), api.identity.policy_seconds))
