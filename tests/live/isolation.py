"""What others than its members may do in a workspace, operation by operation: the table of docs/isolation.md."""

from collections.abc import Mapping

OPEN = ("/", "/conformance", "/health", "/health/live", "/health/ready", "/metrics", "/api", "/api/3.0")
"""Paths that ask nobody who calls."""
NOTHING, PUBLIC, LISTED = "nothing", "what is public", "the list of what is public"
OPERATORS = "nothing, nor may members"

OTHERS: Mapping[str, str] = {
    "GET /": LISTED,
    "GET /conformance": LISTED,
    "GET /processes": LISTED,
    "POST /processes": NOTHING,
    "GET /processes/{process_id}": PUBLIC,
    "PUT /processes/{process_id}": NOTHING,
    "DELETE /processes/{process_id}": NOTHING,
    "GET /processes/{process_id}/package": PUBLIC,
    "GET /processes/{process_id}/execution": PUBLIC,
    "POST /processes/{process_id}/execution": PUBLIC,
    "POST /processes/{process_id}/form": PUBLIC,
    "GET /jobs": LISTED,
    "POST /jobs": NOTHING,
    "GET /failures": LISTED,
    "GET /comparison": NOTHING,
    "POST /selection": NOTHING,
    "GET /jobs/{job_id}": PUBLIC,
    "PATCH /jobs/{job_id}": NOTHING,
    "DELETE /jobs/{job_id}": NOTHING,
    "GET /jobs/{job_id}/definition": NOTHING,
    "GET /jobs/{job_id}/inputs": NOTHING,
    "GET /jobs/{job_id}/validation": NOTHING,
    "GET /jobs/{job_id}/results": PUBLIC,
    "POST /jobs/{job_id}/results": NOTHING,
    "DELETE /jobs/{job_id}/results": NOTHING,
    "POST /jobs/{job_id}/retry": NOTHING,
    "POST /jobs/{job_id}/dismiss": NOTHING,
    "POST /jobs/{job_id}/start": NOTHING,
    "POST /jobs/{job_id}/again": NOTHING,
    "GET /jobs/{job_id}/edit": NOTHING,
    "POST /jobs/{job_id}/links": NOTHING,
    "GET /uses": LISTED,
    "GET /items": NOTHING,
    "GET /jobs/{job_id}/results/{output}": PUBLIC,
    "GET /jobs/{job_id}/results/{output}/{number}": PUBLIC,
    "GET /jobs/{job_id}/files/{path}": PUBLIC,
    "GET /jobs/{job_id}/quicklook/{path}": PUBLIC,
    "GET /jobs/{job_id}/logs": PUBLIC,
    "GET /jobs/{job_id}/logs/{name}": PUBLIC,
    "GET /jobs/{job_id}/events": PUBLIC,
    "POST /files": NOTHING,
    "GET /files/{upload_id}": NOTHING,
    "DELETE /files/{upload_id}": NOTHING,
    "GET /files/{upload_id}/{path}": NOTHING,
    "GET /usage": NOTHING,
    "GET /audit": OPERATORS,
    "GET /operations": OPERATORS,
    "GET /operations/people": OPERATORS,
    "GET /operations/engine": OPERATORS,
    "POST /tokens": NOTHING,
    "GET /tokens": NOTHING,
    "DELETE /tokens/{token_id}": NOTHING,
    "POST /tokens/{token_id}/revoke": NOTHING,
    "GET /secrets": NOTHING,
    "PUT /secrets/{secret_name}": NOTHING,
    "DELETE /secrets/{secret_name}": NOTHING,
}
"""Every operation below a workspace: what others may do there, under deploy/opa/policy.rego."""

BESIDE = (
    (
        "callbacks",
        "no answer to others has the address of one, of public processes neither; a job's own inputs have it"
        " (`job.inputs`)",
        "`test_no_answer_to_others_has_the_address_of_a_callback` (`tests/live/test_isolation.py`)",
    ),
    (
        "pods",
        "a pod reaches no pod, Secret, volume, log or event of another job",
        "`tests/live/test_attacks_on_pods.py`",
    ),
    (
        "timing of existence checks",
        "before a denial as much is read of the database for what is there as for what is not; seconds are not"
        " compared, and ids of jobs are random",
        "`test_as_much_is_read_for_what_is_private_as_for_what_is_not_there` (`tests/unit/test_existence_checks.py`)",
    ),
    (
        "quotas",
        "jobs and results of one count for no other, and one that is full keeps no job of another waiting; on a cluster"
        " each namespace has its own",
        "`tests/unit/test_quotas.py`, `tests/live/test_namespace_quota.py`",
    ),
)
"""What is no operation, and how it is kept apart: what, how, and the test that shows it."""

_HEAD = """# Who may do what

Every operation of the API below a workspace, under [deploy/opa/policy.rego](../deploy/opa/policy.rego). Members do all
of it in their own workspace. An operation without a row fails `tests/unit/test_isolation_page.py`, which writes this
page; `tests/live/test_isolation.py` tries each of them. `/dismiss`, `/start`, `/again`, `/edit`, `/form` and `/revoke`
are what the buttons of pages send; `/again` needs `job.inputs` too, and `/edit` needs `process.read` too.
`/selection` asks for each job as the request for that job does (`job.dismiss`; `process.execute` and `job.inputs`), and
`/comparison` for `job.status`, `process.package`, `job.inputs` and `job.results` of both. *Denied* is the same
answer for what is there and for what is not. *Not found*, which a member gets for what is another workspace's, is the
answer for what is nowhere. Operators who are no members have `job.list`, `job.status` and `job.logs` in every
workspace, and know who asked for jobs (`job.callers`: no operation is it alone, members have it, others do not).
Without a token all of it is refused with 401.

`/login`, `/login/callback` and `/logout` are open and of no workspace; `/session` shows callers what is known of
themselves (`tests/live/test_login.py`). So is `/shared/{token}`: the link, which only who may read the results makes
(`POST …/links`), is the permission to read one file until it expires (`tests/attacks/test_shared_results.py`).

| operation | action | a member, another workspace's | others, private | others, public or user service |
| --- | --- | --- | --- | --- |
"""


_BESIDE_HEAD = ("", "What is no operation:", "", "| what | how it is kept apart | shown by |", "| --- | --- | --- |")


def build_page(actions: Mapping[str, str]) -> str:
    """Build the page; `actions` has the name of each operation in policies."""
    rows = []
    for operation, allowed in OTHERS.items():
        foreign = "denied, operators only" if allowed is OPERATORS else ""
        foreign = "not found" if "{process_id}" in operation or "_id}" in operation else foreign
        private = "not listed" if allowed is LISTED else "denied"
        public = {NOTHING: "denied", OPERATORS: "denied", PUBLIC: "allowed", LISTED: "listed"}[allowed]
        rows.append(f"| `{operation}` | `{actions[operation]}` | {foreign} | {private} | {public} |")
    beside = [f"| {' | '.join(row)} |" for row in BESIDE]
    return "\n".join((_HEAD + "\n".join(rows), *_BESIDE_HEAD, *beside)) + "\n"
