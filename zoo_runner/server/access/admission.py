"""Whether a request is let in: by the workspaces of its caller, or by the policy of the operator where there is one."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from fastapi import Request

from zoo_runner.access_documents import NOTHING_PUBLISHED, AccessDocument, DocumentStore
from zoo_runner.model.errors import EngineError, JobNotFoundError, ProcessNotFoundError, RunnerError, SettingsError
from zoo_runner.model.job import FINAL
from zoo_runner.server.access.actions import ACTIONS, OPERATORS_ONLY, OPERATORS_TOO
from zoo_runner.server.access.audit import Note, find_note
from zoo_runner.server.access.documents import AccessDocuments
from zoo_runner.server.access.fetching import Service
from zoo_runner.server.access.policy import Policy, deny
from zoo_runner.server.access.tokens import Caller, ensure_member, ensure_operator, is_operator
from zoo_runner.server.api import Api

_ANSWER_SECONDS = 2.0


@dataclass(frozen=True)
class Admitted:
    """What a request that is let in may see: the processes that lists show, None: all; what the workspace publishes.

    `admit_job` asks whether the caller may have a job in another workspace (its name), of a process of this one (its
    id); `may` whether the caller would be let in for another action at the same path, `may_with` whether for an action
    with a job (its id). They wait for the answer, so that a thread has to call them.
    """

    visible: frozenset[str] | None = None
    published: AccessDocument = NOTHING_PUBLISHED
    admit_job: Callable[[str, str], None] = lambda _workspace, _process_id: None
    may: Callable[[str], bool] = lambda _action: True
    may_with: Callable[[str, str], bool] = lambda _action, _job_id: True


class Admission(Protocol):
    """Lets requests in."""

    async def admit(self, request: Request, caller: Caller | None, workspace: str) -> Admitted:
        """Return what the request may see; raises `InputError` for who is not let in."""
        ...


class Members:
    """Lets the members of a workspace do everything there; others nothing, but operators find jobs and their logs."""

    async def admit(self, request: Request, caller: Caller | None, workspace: str) -> Admitted:
        """Let in a member; raises `InputError` (`identity.workspace`, `identity.role`)."""
        action = ACTIONS[request.scope["route"].name]
        if caller is None:
            return Admitted()
        if action not in OPERATORS_TOO or not is_operator(caller):
            ensure_member(caller, workspace)
        if action in OPERATORS_ONLY:
            ensure_operator(caller, action)

        def may(other: str) -> bool:
            if workspace in caller.workspaces:
                return other not in OPERATORS_ONLY or is_operator(caller)
            return other in OPERATORS_TOO and is_operator(caller)

        return Admitted(may=may, may_with=lambda other, _job_id: may(other))


class Asked:
    """Lets in whom the policy allows; it is given what the workspace publishes, if that is kept in documents."""

    def __init__(self, api: Api, policy: Policy, documents: AccessDocuments | None = None) -> None:
        self._api, self._policy, self._documents = api, policy, documents

    async def admit(self, request: Request, caller: Caller | None, workspace: str) -> Admitted:
        """Let in who is allowed to; raises `InputError`, `EngineError` as `Policy.decide` does.

        Where the document of the workspace cannot be read, a denial is an `EngineError` (`access.unavailable`).
        """
        facts = await self._api.read(find_facts, workspace, request.path_params)
        action, loop = ACTIONS[request.scope["route"].name], asyncio.get_running_loop()
        note = find_note(request)
        admitted = await self._ask(note, caller, action, workspace, facts)

        def admit_job(calling: str, process_id: str) -> None:
            note.calling = calling
            of_job = {"process": _find_process(self._api, workspace, process_id), "job": None}
            asked = self._ask(note, caller, "job.create", calling, of_job)
            asyncio.run_coroutine_threadsafe(asked, loop).result()

        def is_let_in(other: str, about: Mapping[str, Any]) -> bool:
            # the entry of the request has the decision that let it in, not those on what its page may show
            aside = Note()
            asked = self._ask(aside, caller, other, workspace, about)
            try:
                asyncio.run_coroutine_threadsafe(asked, loop).result()
            except RunnerError:
                return False
            finally:
                note.asked[other] = aside.decision
            return True

        def may(other: str) -> bool:
            return is_let_in(other, facts)

        def may_with(other: str, job_id: str) -> bool:
            return is_let_in(other, find_facts(self._api, workspace, {"job_id": job_id}))

        return replace(admitted, admit_job=admit_job, may=may, may_with=may_with)

    async def _ask(
        self, note: Note, caller: Caller | None, action: str, workspace: str, facts: Mapping[str, Any]
    ) -> Admitted:
        published = await self._documents.find(workspace) if self._documents else NOTHING_PUBLISHED
        question = {
            "action": action,
            "workspace": workspace,
            "caller": caller and _describe(caller),
            # of a document that cannot be read nothing is public, whatever the agent has of its own
            "access": (published or NOTHING_PUBLISHED).workflows if self._documents else None,
            **facts,
        }
        decision = await self._policy.find(question, published.digest if published and self._documents else "")
        note.decision = decision.number
        if not decision.allow:
            raise _unavailable(workspace) if published is None else deny(question, decision)
        return Admitted(decision.processes, published or NOTHING_PUBLISHED)


def _describe(caller: Caller) -> dict[str, Any]:
    names = {"workspaces": sorted(caller.workspaces), "roles": sorted(caller.roles)}
    scopes = None if caller.scopes is None else sorted(caller.scopes)
    return {"name": caller.name, "by": caller.by, "scopes": scopes, **names}


def _unavailable(workspace: str) -> EngineError:
    return EngineError(
        f"what the workspace {workspace} publishes is not known, as its access document cannot be read",
        "Try again later. Operators: check that ZOO_RUNNER_ACCESS can be read, and the log of the server.",
        code="access.unavailable",
    )


def find_facts(api: Api, workspace: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Find what a policy may need to know of the process and the job of a request; None for what is not there.

    As much is read for what is not there, so that a denial takes no less time.
    """
    process_id, job_id = params.get("process_id"), params.get("job_id")
    job = _find_job(api, workspace, job_id)
    # that of a job may be another workspace's
    place = job["deployed_in"] if job else workspace
    process = _find_process(api, place, job["process"] if job else process_id or job_id)
    return {"process": process if job or process_id else None, "job": job}


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
        "deployed_in": job.deployed_in or job.workspace,
    }


def _find_process(api: Api, workspace: str, process_id: str | None) -> dict[str, Any] | None:
    if process_id is None:
        return None
    try:
        caller, is_deployed = api.store.processes.get(workspace, process_id).caller, True
    except ProcessNotFoundError:
        caller, is_deployed = None, False
    return {"id": process_id, "caller": caller, "is_deployed": is_deployed, "deployed_in": workspace}


def open_admission(api: Api) -> Admission:
    """Open what the settings say; nothing is asked yet. Raises `SettingsError`."""
    address = api.identity.policy_url
    if not address:
        if api.identity.access:
            raise SettingsError(
                f"ZOO_RUNNER_ACCESS={api.identity.access!r} has no effect without ZOO_RUNNER_OPA_URL: members do"
                " everything in their workspaces, and nobody else anything",
                "Set ZOO_RUNNER_OPA_URL to the decision of an agent with a policy such as deploy/opa/policy.rego.",
            )
        return Members()
    agent, documents = Service(address, _ANSWER_SECONDS), None
    if api.identity.access:
        store = DocumentStore(api.identity.access, api.configuration.workspace.storage)
        documents = AccessDocuments(store.read, api.identity.access_seconds)
    policy = Policy(lambda question: agent.read(address, question), api.identity.policy_seconds)
    return Asked(api, policy, documents)
