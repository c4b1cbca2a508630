"""One action on several jobs: what is chosen, that each is asked for, and what the audit log has of it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.stores import PACKAGE, build_job
from zoo_runner.model.errors import InputError, JobNotFoundError
from zoo_runner.model.job import Job, Status
from zoo_runner.server.access.audit import Act, Note
from zoo_runner.server.api import Api, Call
from zoo_runner.server.pages.selection_form import read_selection_form
from zoo_runner.server.several_jobs import MOST_JOBS, Selection, act_on_jobs, read_selection

BASE = "http://eo.example"


@pytest.fixture
def jobs(api: Api) -> Iterator[list[Job]]:
    statuses = (Status.ACCEPTED, Status.SUCCESSFUL, Status.ACCEPTED)
    yield [
        api.store.jobs.create(build_job(number, status=status), PACKAGE) for number, status in enumerate(statuses, 1)
    ]


def may_not_with_third(action: str, job_id: str) -> bool:
    return job_id != "job-3"


def test_each_job_is_asked_for_and_one_that_is_refused_holds_up_no_other(api: Api, jobs: list[Job]) -> None:
    note, call = Note(), Call("ws", BASE, may_with=may_not_with_third)
    done = act_on_jobs(api, call, Selection("dismiss", ("job-1", "job-3", "nowhere", "job-2")), note)
    assert [(one.get("status"), one.get("problem", {}).get("status")) for one in done["jobs"]] == [
        ("dismissed", None),
        (None, 403),
        (None, 404),
        ("dismissed", None),
    ]
    assert done["numberRefused"] == 2
    assert api.store.jobs.get("job-3").status is Status.ACCEPTED
    # one that had ended is removed
    with pytest.raises(JobNotFoundError):
        api.store.jobs.get("job-2")
    assert note.acts == [
        Act("job.dismiss", "job-1", 200, "p"),
        Act("job.dismiss", "job-3", 403, code="policy.denied"),
        Act("job.dismiss", "nowhere", 404, code="job.not-found"),
        Act("job.dismiss", "job-2", 200, "p"),
    ]


def test_a_job_of_another_workspace_is_nowhere(api: Api, jobs: list[Job]) -> None:
    done = act_on_jobs(api, Call("other", BASE), Selection("dismiss", ("job-1",)), Note())
    assert [one["problem"]["status"] for one in done["jobs"]] == [404]
    assert api.store.jobs.get("job-1").status is Status.ACCEPTED


def test_a_job_is_run_again_only_by_who_may_read_its_inputs(api: Api, jobs: list[Job]) -> None:
    call = Call("ws", BASE, may_with=lambda action, _: action != "job.inputs")
    done = act_on_jobs(api, call, Selection("run-again", ("job-1",)), Note())
    assert [one["problem"]["diagnosis"]["code"] for one in done["jobs"]] == ["policy.denied"]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"action": "remove", "jobs": ["a"]},
        {"action": "dismiss", "jobs": []},
        {"action": "dismiss", "jobs": "a"},
        {"action": "dismiss", "jobs": [1]},
        {"action": "dismiss", "jobs": [""]},
        {"action": ["dismiss"], "jobs": ["a"]},
        {"action": "dismiss", "jobs": ["a"], "more": 1},
        {"action": "dismiss", "jobs": [str(number) for number in range(MOST_JOBS + 1)]},
    ],
)
def test_what_is_no_selection_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        read_selection(document)
    assert caught.value.diagnosis.code == "request.invalid"


def test_a_job_that_is_chosen_twice_counts_once() -> None:
    assert read_selection({"action": "run-again", "jobs": ["a", "b", "a"]}) == Selection("run-again", ("a", "b"))


def test_the_form_leads_back_to_its_list_and_nowhere_else() -> None:
    form = read_selection_form(b"action=dismiss&job=a&job=b&back=status%3Dfailed%26q%3D%0d%0aSet-Cookie:%20x")
    assert form.document == {"action": "dismiss", "jobs": ["a", "b"]}
    assert form.back == "status=failed&q=%0D%0ASet-Cookie%3A+x"
    with pytest.raises(InputError):
        read_selection_form(b"&".join(b"job=%d" % number for number in range(3000)))
