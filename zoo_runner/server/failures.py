"""Jobs that failed, by cause: which step of what fails most, and for which reason."""

from dataclasses import replace
from urllib.parse import urlencode

from zoo_runner.model.codes import CODES
from zoo_runner.model.job import Job, Status
from zoo_runner.server.api import Api, Call
from zoo_runner.server.documents import FailureCause, FailureList
from zoo_runner.server.jobs import narrow_query
from zoo_runner.store.protocol import JobQuery
from zoo_runner.store.selection import Cause

_MOST_CAUSES, _MOST_EXAMPLES = 100, 20
_OWN = ("code", "step", "status", "cursor", "skip", "limit", "f")


def list_failures(api: Api, call: Call, query: JobQuery) -> FailureList:
    """List the causes of the jobs that failed, of those that a query selects."""
    narrowed = narrow_query(replace(query, statuses=(Status.FAILED,), skip=0, cursor=None), call)
    counted = api.store.jobs.count_causes(narrowed, _MOST_CAUSES) if narrowed else []
    first = [cause for cause, _, _ in counted[:_MOST_EXAMPLES]]
    examples = api.store.jobs.find_newest(narrowed, first) if narrowed else {}
    found = [_describe(call, cause, count, newest, examples.get(cause)) for cause, count, newest in counted]
    return {
        "failures": found,
        "numberTotal": sum(count for _, count, _ in counted),
        "links": call.link_pages("failures", None),
    }


def _describe(call: Call, cause: Cause, count: int, newest: str, example: Job | None) -> FailureCause:
    code = CODES.get(cause.code)
    kept = [(name, value) for name, value in call.query if name not in _OWN and value]
    words = [
        *kept,
        ("status", Status.FAILED.value),
        ("code", cause.code),
        *([("step", cause.step)] if cause.step else []),
    ]
    described: FailureCause = {
        "code": cause.code,
        "title": code.meaning if code else cause.code,
        "count": count,
        "newest": newest,
        "links": [{"href": f"{call.link('jobs')}?{urlencode(words)}", "rel": "item", "title": "These jobs"}],
    }
    if cause.step:
        described["step"] = cause.step
    if example and example.outcome and example.outcome.diagnosis:
        described["cause"] = example.outcome.diagnosis.cause
    return described
