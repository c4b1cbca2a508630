"""What operators see of an installation: queue, workers, workspaces, people, and what `doctor` finds of the engine."""

from collections.abc import Mapping
from itertools import chain
from urllib.parse import urlencode

from zoo_runner.engines.protocol import Check
from zoo_runner.execution.protections import examine_protections
from zoo_runner.model.job import Status
from zoo_runner.model.masking import Masker
from zoo_runner.model.needs import Needs
from zoo_runner.server.api import Api, Call
from zoo_runner.server.documents import EngineCheck, EngineChecks, Link, Operations, People, PersonLoad, WorkspaceLoad
from zoo_runner.server.health import measure_wait
from zoo_runner.store.sql.jobs import CallerJobs

_MOST_PEOPLE = 1000


def describe_operations(api: Api, call: Call) -> Operations:
    """Describe the queue, the workers that have jobs, and the workspaces that have any."""
    loads = [
        _describe_load(name, running, waiting, needs, call)
        for name, running, waiting, needs in api.store.jobs.measure_all()
    ]
    return {
        "waiting": sum(load["waiting"] for load in loads),
        "running": sum(load["running"] for load in loads),
        "oldestWaitingSeconds": measure_wait(api),
        "workers": [{"worker": owner, "jobs": count} for owner, count in api.store.jobs.count_by_worker().items()],
        "workspaces": loads,
        "links": [
            {"href": call.link("operations"), "rel": "self", "type": "application/json"},
            {"href": call.link("operations", "people"), "rel": "related", "title": "Who has jobs"},
            {"href": call.link("operations", "engine"), "rel": "related", "title": "What doctor finds of the engine"},
            {"href": call.link("audit"), "rel": "related", "title": "Audit log of this workspace"},
        ],
    }


def _describe_load(name: str, running: int, waiting: int, needs: Needs, call: Call) -> WorkspaceLoad:
    return {
        "workspace": name,
        "running": running,
        "waiting": waiting,
        "cores": needs.cores,
        "memoryMiB": needs.memory_mib,
        "links": _link_jobs(name, call, f"Jobs of {name}", {}),
    }


def _link_jobs(workspace: str, call: Call, title: str, words: Mapping[str, str], rel: str = "item") -> list[Link]:
    """Build the link to jobs of a workspace; none where the server has no address for it."""
    base = f"{call.hub_base}/{workspace}" if call.hub_base else call.base if workspace == call.workspace else None
    query = f"?{urlencode(words)}" if words else ""
    return [{"href": f"{base}/jobs{query}", "rel": rel, "title": title}] if base else []


def list_people(api: Api, call: Call) -> People:
    """List who asked for jobs, in all workspaces, with how many; the first of them, who have the newest jobs."""
    return {
        "people": [_describe_person(one, call) for one in api.store.jobs.count_by_caller(_MOST_PEOPLE)],
        "links": [
            {"href": call.link("operations", "people"), "rel": "self", "type": "application/json"},
            {"href": call.link("operations"), "rel": "up", "title": "Operations"},
        ],
    }


def _describe_person(one: CallerJobs, call: Call) -> PersonLoad:
    whose, failed = f"{one.caller} in {one.workspace}", {"caller": one.caller, "status": Status.FAILED.value}
    return {
        "caller": one.caller,
        "workspace": one.workspace,
        "jobs": one.jobs,
        "running": one.running,
        "waiting": one.waiting,
        "failed": one.failed,
        "newest": one.newest,
        "links": [
            *_link_jobs(one.workspace, call, f"Jobs of {whose}", {"caller": one.caller}),
            *_link_jobs(one.workspace, call, f"Failed jobs of {whose}", failed, "related"),
        ],
    }


def check_engine(api: Api, call: Call) -> EngineChecks:
    """Check the engine of a workspace, and what protects the installation; it may take a minute on a cluster."""
    configuration = api.find_configuration(call.workspace)
    name, masker = configuration.settings.engine, Masker(api.find_secrets(call.workspace))
    engine = api.context.find_engine(name, configuration.workspace)
    found = chain(examine_protections(configuration), engine.check(None, None))
    checks = [_describe_check(check, masker) for check in found]
    return {
        "engine": name,
        "ok": all(check["ok"] for check in checks),
        "checks": checks,
        "links": [{"href": call.link("operations", "engine"), "rel": "self", "type": "application/json"}],
    }


def _describe_check(check: Check, masker: Masker) -> EngineCheck:
    described: EngineCheck = {
        "ok": check.ok,
        "about": check.about,
        "found": masker.mask(check.found),
        "expected": check.expected,
        "level": check.level.value,
    }
    if check.remedy:
        described["remedy"] = masker.mask(check.remedy)
    return {**described, "code": check.code} if check.code else described
