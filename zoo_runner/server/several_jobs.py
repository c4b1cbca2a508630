"""One action on several jobs: each job is asked for, changed and recorded as if it had been requested by itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from zoo_runner.model.errors import InputError, RunnerError
from zoo_runner.model.job import Job
from zoo_runner.model.masking import Masker
from zoo_runner.server.access.audit import Act, Note
from zoo_runner.server.api import Api, Call
from zoo_runner.server.documents import JobOutcome, JobOutcomes, Problem
from zoo_runner.server.hidden_settings import hide_settings
from zoo_runner.server.invalid_requests import build_invalid
from zoo_runner.server.jobs import dismiss_job, get_job, repeat_job
from zoo_runner.server.problems import build_problem
from zoo_runner.server.requests import ensure_members

MOST_JOBS = 100
_MEMBERS = ("action", "jobs")


@dataclass(frozen=True)
class _Kind:
    """An action on a job: what the caller has to be allowed, the first of which is recorded, and what does it."""

    actions: tuple[str, ...]
    do: Callable[[Api, Call, str], Job]


_KINDS: Mapping[str, _Kind] = {
    "dismiss": _Kind(("job.dismiss",), dismiss_job),
    "run-again": _Kind(("process.execute", "job.inputs"), repeat_job),
}


@dataclass(frozen=True)
class Selection:
    """What is to be done, and with which jobs."""

    action: Literal["dismiss", "run-again"]
    jobs: tuple[str, ...]


def read_selection(document: Mapping[str, Any]) -> Selection:
    """Read the request; a job that is named twice counts once. Raises `InputError`."""
    ensure_members(document, _MEMBERS)
    action, jobs = document.get("action"), document.get("jobs")
    if not isinstance(action, str) or action not in _KINDS:
        raise build_invalid(f"action is {str(action)[:60]!r}", f"Use: {', '.join(_KINDS)}.")
    if not isinstance(jobs, list) or not jobs or not all(isinstance(one, str) and one for one in jobs):
        raise build_invalid("no job was chosen: jobs is not a list of ids", 'Write it like {"jobs": ["id", "id"]}.')
    chosen = tuple(dict.fromkeys(jobs))
    if len(chosen) > MOST_JOBS:
        raise build_invalid(f"{len(chosen)} jobs were chosen", f"Choose at most {MOST_JOBS} at a time.")
    return Selection(cast(Literal["dismiss", "run-again"], action), chosen)


def act_on_jobs(api: Api, call: Call, selection: Selection, note: Note) -> JobOutcomes:
    """Do it with each job; what is refused for one does not hold up the others."""
    masker = Masker(api.find_secrets(call.workspace))
    outcomes = [_act(api, call, selection.action, job_id, note, masker) for job_id in selection.jobs]
    return {
        "action": selection.action,
        "jobs": outcomes,
        "numberRefused": sum("problem" in outcome for outcome in outcomes),
        "links": [{"href": call.link("jobs"), "rel": "up", "type": "application/json", "title": "Jobs"}],
    }


def _act(api: Api, call: Call, action: str, job_id: str, note: Note, masker: Masker) -> JobOutcome:
    kind = _KINDS[action]
    recorded, href = kind.actions[0], call.link("jobs", job_id)
    outcome: JobOutcome = {"jobID": job_id, "links": [{"href": href, "rel": "item", "type": "application/json"}]}
    try:
        _ensure_allowed(call, kind, job_id)
        process = get_job(api, call, job_id).process_id
        job = kind.do(api, call, job_id)
    except RunnerError as error:
        problem = cast(Problem, masker.mask_data(build_problem(hide_settings(error))))
        note.acts.append(Act(recorded, job_id, problem["status"], code=error.diagnosis.code))
        return {**outcome, "problem": problem}
    note.acts.append(Act(recorded, job.id, 200 if job.id == job_id else 201, process, None, note.asked.get(recorded)))
    if job.id == job_id:
        return {**outcome, "status": job.status.value}
    created = call.at(job.workspace).link("jobs", job.id)
    outcome["links"].append({"href": created, "rel": "related", "type": "application/json", "title": "The new job"})
    return {**outcome, "status": job.status.value, "newJobID": job.id}


def _ensure_allowed(call: Call, kind: _Kind, job_id: str) -> None:
    """Refuse what the caller may not do with a job; raises `InputError` (`policy.denied`)."""
    for action in kind.actions:
        if not call.may_with(action, job_id):
            raise InputError(
                f"this caller may not do this with job {job_id} ({action})",
                "Ask the owner of the workspace, or the operator of the policy of this server.",
                code="policy.denied",
            )
