"""What a workspace uses and may use: checked before a job begins, and shown by `/usage`."""

from typing import Any

from zoo_runner.engines.protocol import JobSpec
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError, InputError
from zoo_runner.model.job import Job, Status
from zoo_runner.model.needs import ROUNDING
from zoo_runner.model.package import Package
from zoo_runner.model.workspace import Workspace
from zoo_runner.package.requirements import find_all
from zoo_runner.server.api import Api, Call
from zoo_runner.server.documents import Usage, Used
from zoo_runner.store.protocol import JobQuery

_MIB = 2**20
_MOST_LISTED = 20


def ensure_within(api: Api, draft: JobSpec, workspace: Workspace) -> None:
    """Refuse a job for which its workspace has no room.

    Raises `InputError` for one that never has (`quota.cores`, `quota.memory`), `EngineError` where it may have later
    (`quota.queued-jobs`, `quota.results`).
    """
    quota, name = workspace.quota, workspace.storage_of or workspace.name
    for code, what, wanted, most in (
        ("quota.cores", "cores", find_largest(draft.package, "cores"), quota.cores),
        ("quota.memory", "MiB of memory", find_largest(draft.package, "ram"), quota.memory_mib),
    ):
        if most is not None and wanted > most:
            raise InputError(
                f"a tool of the package asks for {wanted:g} {what}, and the workspace {name} may use {most:g}",
                "Ask the operator for a larger quota, or lower the ResourceRequirement of the tool.",
                code=code,
            )
    if quota.queued_jobs is not None and (queued := _count(api, name, Status.ACCEPTED)) >= quota.queued_jobs:
        remedy = "Wait for jobs to end, or dismiss some; /usage shows what is used."
        raise _build_full("quota.queued-jobs", f"{queued} jobs wait", f"{quota.queued_jobs}", name, remedy)
    if quota.results_mib is not None and (stored := api.store.results.measure(name)) >= quota.results_mib * _MIB:
        used = f"{stored / _MIB:.0f} MiB of results are stored"
        remedy = "Remove results that are not needed: DELETE /jobs/{id}/results; /usage lists the largest."
        raise _build_full("quota.results", used, f"{quota.results_mib:g} MiB", name, remedy)


def _build_full(code: str, used: str, most: str, workspace: str, remedy: str) -> EngineError:
    found = f"{used} in the workspace {workspace}, whose quota is {most}"
    return EngineError(found, remedy, level=Level.USER, code=code)


def explain_waiting(api: Api, call: Call, job: Job) -> str | None:
    """Explain for which room in its workspace a job waits that was accepted; None where it waits for no such room.

    Quota and use of a workspace are for its members: None for any other caller who may read the status.
    """
    if not call.is_member(job.workspace) or job.status is not Status.ACCEPTED or api.store.jobs.find_lease(job.id):
        return None
    quota, (count, taken) = api.find_profile(job.workspace).quota, api.store.jobs.measure_leased(job.workspace)
    if quota.running_jobs is not None and count >= quota.running_jobs:
        return f"waits for other jobs: {count} of {quota.running_jobs} run (quota.running-jobs)"
    for code, what, wanted, used, most in (
        ("quota.cores", "cores", job.needs.cores, taken.cores, quota.cores),
        ("quota.memory", "MiB of memory", job.needs.memory_mib, taken.memory_mib, quota.memory_mib),
    ):
        if most is not None and count and used + wanted > most + ROUNDING:
            return (
                f"waits for other jobs: it may take {wanted:g} {what}, and those that run may take {used:g} of {most:g}"
                f" ({code})"
            )
    return None


def describe_usage(api: Api, call: Call) -> Usage:
    """Describe what a workspace uses, beside its quota; a limit that there is not is left out."""
    workspace = api.find_configuration(call.workspace).workspace
    quota, days = workspace.quota, workspace.limits.retention_days
    results_days = api.find_profile(call.workspace).results_retention_days
    _, taken = api.store.jobs.measure_leased(call.workspace)
    largest = api.store.results.find_largest(call.workspace, _MOST_LISTED)
    usage: Usage = {
        "runningJobs": _show(_count(api, call.workspace, Status.RUNNING), quota.running_jobs),
        "queuedJobs": _show(_count(api, call.workspace, Status.ACCEPTED), quota.queued_jobs),
        "resultsMiB": _show(round(api.store.results.measure(call.workspace) / _MIB, 3), quota.results_mib),
        "largestResults": [
            {"jobID": one.job_id, "sizeMiB": round(one.size_bytes / _MIB, 3), "stored": one.stored} for one in largest
        ],
        "cores": _show(taken.cores, quota.cores),
        "memoryMiB": _show(taken.memory_mib, quota.memory_mib),
        "links": [{"href": call.link("usage"), "rel": "self", "type": "application/json"}],
    }
    if days is not None:
        usage["retentionDays"] = days
    if results_days is not None:
        usage["resultsRetentionDays"] = results_days
    return usage


def _show(used: float, most: float | None) -> Used:
    shown: Used = {"used": used}
    if most is not None:
        shown["most"] = most
    return shown


def find_largest(package: Package, resource: str) -> float:
    """Return the most that a tool of a package asks for; expressions, which only a run can evaluate, are left out.

    `resource` is `cores` or `ram`. Without a minimum a tool gets its maximum.
    """
    asked = [one.body for one in find_all(package, "ResourceRequirement")]
    values: list[Any] = [body.get(f"{resource}Min", body.get(f"{resource}Max")) for body in asked]
    return max((float(value) for value in values if isinstance(value, int | float)), default=0.0)


def _count(api: Api, workspace: str, status: Status) -> int:
    return api.store.jobs.count(JobQuery(workspace=workspace, statuses=(status,)))
