"""What the page of a job shows beside its status: why, when, its logs, its inputs, and what can be done."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from time import time
from typing import Any
from urllib.parse import urlencode

from zoo_runner.config.folders import STAGE_LOGS
from zoo_runner.execution.log_notes import locate_colours, read_attempts
from zoo_runner.model import clock
from zoo_runner.model.diagnosis import Diagnosis, Level, Stage
from zoo_runner.model.errors import RunnerError
from zoo_runner.model.events import StageStarted, StepEnded, StepReused, StepStarted
from zoo_runner.model.ids import file_name
from zoo_runner.model.job import FINAL, Job, Status
from zoo_runner.model.package import Package
from zoo_runner.server import unstarted
from zoo_runner.server.api import Api, Call
from zoo_runner.server.jobs import load_package, may_see_callers
from zoo_runner.server.logs import JOB_LOG, list_names, locate_log
from zoo_runner.server.pages.job_plan import JobPlan, build_plan
from zoo_runner.server.pages.limit_form import RaisedLimit, suggest_limit, write_command
from zoo_runner.server.pages.log_window import LogWindow, colour, find_lines, read_window
from zoo_runner.server.pages.timeline import QUEUE, Timeline, build_timeline, find_requests
from zoo_runner.store.protocol import JobQuery

WHO_ACTS: Mapping[Level, str] = {
    Level.USER: "You can correct this: it is in the package, the inputs or the request.",
    Level.ENGINE: "The operator of the engine can correct this.",
    Level.PLATFORM: "The platform did not do its part: the cluster, the network or a store.",
}


_MOST_EVENTS = 2000


@dataclass(frozen=True)
class Action:
    """Something that a person can do with a job: a button, and the call of the API that does the same."""

    title: str
    href: str
    command: str
    is_grave: bool = False
    method: str = "post"


@dataclass(frozen=True)
class ShownLog:
    """The log that a page shows, those that it could show, and what was searched for in it.

    `attempts` is how often its step was begun, `attempt` the one that is shown; None: all of them.
    """

    name: str
    names: tuple[str, ...]
    window: LogWindow
    href: str
    searched: str = ""
    attempts: int = 1
    attempt: int | None = None

    def build_query(self, attempt: int | None = None) -> str:
        """Build the query of an address that shows this log again, or one attempt."""
        return urlencode({"f": "html", "log": self.name} | ({"attempt": attempt} if attempt else {}))


@dataclass(frozen=True)
class JobPage:
    """What the page of a job shows beside its status document; `log` and `inputs` are None for who may not see them.

    `ahead` is how many jobs of the workspace wait before it, None where it does not wait; `plan` is what will run, of
    one that has not begun, for who may read the process. `is_cut` says whether steps
    may be missing from the begin of the timeline. `limit` is what the step that failed may be given more of, and
    `limit_command` the call of the API that does so. `runs` counts how often its steps were begun from the first on:
    once more where its own pod was lost. `caller` asked for it, for who may know.
    """

    goes_on: bool
    seconds: float | None
    who_acts: str | None
    ahead: int | None
    timeline: Timeline
    log_of: Mapping[str, str]
    log: ShownLog | None
    inputs: Mapping[str, Any] | None
    actions: tuple[Action, ...]
    last_event: int
    is_cut: bool = False
    plan: JobPlan | None = None
    limit: RaisedLimit | None = None
    limit_command: str = ""
    runs: int = 1
    caller: str | None = None

    def list_shown(self) -> set[str]:
        """List the actions whose content is shown beside the status."""
        shown = {"job.logs": self.log, "job.inputs": self.inputs, "process.read": self.plan}
        return {action for action, content in shown.items() if content is not None}


def read_job_page(api: Api, call: Call, job: Job) -> JobPage:
    """Read what the page of a job shows; its request chooses the log (`log`), a part of it (`before`) or `find`."""
    # before the events: what happens meanwhile is reported once more
    last = api.store.events.count(job.id)
    stages = api.store.events.read_last(job.id, (StageStarted,), _MOST_EVENTS)
    steps = api.store.events.read_last(job.id, (StepStarted, StepEnded, StepReused), _MOST_EVENTS)
    package = _load_package(api, call, job)
    requests = find_requests(package) if package else {}
    timeline = build_timeline(job, [*stages, *steps], requests, time())
    asked, diagnosis = dict(call.query), job.outcome.diagnosis if job.outcome else None
    names = list_names(job)
    log_of = map_logs(timeline, names)
    chosen = choose_log(asked.get("log"), names, timeline, diagnosis, log_of)
    limit = suggest_limit(diagnosis, requests, [row.bar for row in timeline.rows]) if call.may("job.retry") else None
    return JobPage(
        goes_on=job.status not in (*FINAL, Status.CREATED),
        seconds=_measure(job),
        who_acts=WHO_ACTS[diagnosis.level] if diagnosis else None,
        ahead=_count_ahead(api, job),
        timeline=timeline,
        log_of=log_of,
        log=_read_log(job, call, chosen, names, asked) if call.may("job.logs") else None,
        inputs=unstarted.get_inputs(api, call, job.id) if call.may("job.inputs") else None,
        actions=list_actions(job, call),
        last_event=last,
        is_cut=len(steps) == _MOST_EVENTS,
        plan=build_plan(package) if package and _shows_plan(call, job) else None,
        limit=limit,
        limit_command=write_command(limit, call.link("jobs", job.id)) if limit else "",
        runs=sum(isinstance(event, StageStarted) and event.stage is Stage.EXECUTE for event in stages),
        caller=job.caller if job.caller and may_see_callers(call) else None,
    )


def _load_package(api: Api, call: Call, job: Job) -> Package | None:
    """Load the package of a job; of one that was not started what is deployed now, if that is so still."""
    try:
        if job.status is not Status.CREATED:
            return api.store.jobs.load_package(job.package)
        return load_package(api, call, job.process_id) if _is_of_workspace(job) else None
    except RunnerError:
        return None


def _shows_plan(call: Call, job: Job) -> bool:
    """Whether the steps of a job are ahead of it, and the caller may read its process."""
    return job.status in (Status.ACCEPTED, Status.CREATED) and _is_of_workspace(job) and call.may("process.read")


def _is_of_workspace(job: Job) -> bool:
    return job.deployed_in in (None, job.workspace)


def _measure(job: Job) -> float | None:
    if job.started is None:
        return None
    ended = clock.to_seconds(job.finished) if job.finished else time()
    return ended - clock.to_seconds(job.started)


def _count_ahead(api: Api, job: Job) -> int | None:
    """Count the jobs of the workspace that were accepted before a job that waits."""
    if job.status is not Status.ACCEPTED:
        return None
    waiting = JobQuery(workspace=job.workspace, statuses=(Status.ACCEPTED,), created_to=job.created)
    return max(api.store.jobs.count(waiting) - 1, 0)


def map_logs(timeline: Timeline, names: tuple[str, ...]) -> dict[str, str]:
    """Map the names of stages and steps of a timeline to their logs, where these exist; pure."""
    wanted = {row.bar.name: _name_log(row.bar.name, row.bar.kind) for row in timeline.rows if row.bar.kind != QUEUE}
    return {name: log for name, log in wanted.items() if log in names}


def _name_log(name: str, kind: str) -> str:
    stages = {Stage.STAGE_IN.value: STAGE_LOGS[0], Stage.STAGE_OUT.value: STAGE_LOGS[1]}
    own = f"step-{name}" if name in STAGE_LOGS else file_name(name)
    return f"{stages.get(kind, own)}.log"


def choose_log(
    asked: str | None,
    names: tuple[str, ...],
    timeline: Timeline,
    diagnosis: Diagnosis | None,
    log_of: Mapping[str, str],
) -> str:
    """Choose the log that a page opens: the one asked for, that of the step that failed, or the job log."""
    if asked in names:
        return str(asked)
    if diagnosis and diagnosis.step in log_of:
        return log_of[str(diagnosis.step)]
    failed = [log_of[row.bar.name] for row in timeline.rows if row.bar.state == "failed" and row.bar.name in log_of]
    return failed[-1] if failed else JOB_LOG


def _read_log(job: Job, call: Call, name: str, names: tuple[str, ...], asked: Mapping[str, str]) -> ShownLog | None:
    if name not in names and job.status in FINAL:
        # it was removed
        return None
    path, searched = locate_log(job, name), asked.get("find", "")[:200]
    begins = [0, *read_attempts(path)]
    attempt = _read_number(asked.get("attempt"))
    attempt = attempt if attempt and 1 < len(begins) >= attempt else None
    begin, end = (begins[attempt - 1], [*begins, None][attempt]) if attempt else (0, None)
    window = (
        find_lines(path, searched, begin, end)
        if searched
        else read_window(path, _read_number(asked.get("before")), begin, end)
    )
    shown = colour(window, locate_colours(path, Path(job.log_folder)))
    href = call.link("jobs", job.id, "logs", name)
    return ShownLog(name, names or (name,), shown, href, searched, len(begins), attempt)


def _read_number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 19 else None


def list_actions(job: Job, call: Call) -> tuple[Action, ...]:
    """List what a caller may do with a job."""
    own, process = call.link("jobs", job.id), call.link("processes", job.process_id)
    actions = []
    if (
        _is_of_workspace(job)
        and job.status is not Status.CREATED
        and call.may("process.execute")
        and call.may("job.inputs")
    ):
        again = (
            f"curl -s {quote(f'{own}/definition')} |\n"
            f"  curl -X POST {quote(f'{process}/execution')} -H 'Prefer: respond-async' \\\n"
            "    -H 'Content-Type: application/json' -d @-"
        )
        actions.append(Action("Run again", f"{own}/again", again))
        if call.may("process.read"):
            edit = f"curl -s {quote(f'{own}/inputs')}"
            actions.append(Action("Edit inputs", f"{own}/edit", edit, method="get"))
    if job.status is Status.CREATED and call.may("job.start"):
        start = f"curl -X POST {quote(f'{own}/results')} -H 'Prefer: respond-async'"
        actions.append(Action("Start", f"{own}/start", start))
    if call.may("job.dismiss"):
        ended = job.status in FINAL
        command = f"curl -X DELETE {quote(own)}"
        actions.append(Action("Remove" if ended else "Dismiss", f"{own}/dismiss", command, is_grave=True))
    return tuple(actions)
