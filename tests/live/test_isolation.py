"""No workspace sees, guesses or touches what is another's: every operation, asked by everybody, of all that there is.

The operations are those of tests/live/isolation.py; tests/unit/test_isolation_page.py finds one without a row.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.forms import build_form
from tests.live.hub import PREFIX, Hub, hub, read_code
from tests.live.isolation import LISTED, NOTHING, OPEN, OPERATORS, OTHERS
from tests.serving import Answer
from tests.site import Site
from tests.waiting import wait_for

# as long as the ids that there are, so that what is written of them differs in nothing else
ABSENT = {"process_id": "absent", "job_id": "0" * 36, "upload_id": "0" * 32, "token_id": "0" * 32}
# where nothing listens
CALLBACK = "http://127.0.0.1:9/callback-of-ada"
PARTS = {
    "output": "text",
    "number": "0",
    "path": "message.txt",
    "name": "job.log",
    "secret_name": "AWS_SECRET_ACCESS_KEY",
}
# what operations need beside their paths
QUERIES = {"GET /comparison": "?job={job_id}&job={job_id}", "GET /uses": "?href=https://eo.example/a.tif"}


def build_path(operation: str, ids: Mapping[str, str], parts: Mapping[str, str] = PARTS) -> str:
    """Build the address of an operation; nothing is executed by it."""
    path = re.sub(r"\{(\w+)\}", lambda m: {**parts, **ids}[m[1]], operation.partition(" ")[2])
    query = QUERIES.get(operation, "").format(**ids)
    return f"{path}?dryRun=true" if path.endswith("/execution") else f"{path}{query}"


@dataclass(frozen=True)
class Tenants:
    """Alpha, of which ada is a member, with what is private and public there; beta, of which ben is, with its own."""

    hub: Hub
    private: Mapping[str, str]
    public: Mapping[str, str]
    service: Mapping[str, str]
    betas: Mapping[str, str]

    def ask(self, user: dict[str, str], operation: str, ids: Mapping[str, str], workspace: str = "alpha") -> Answer:
        """Ask for one operation; nothing is executed by it."""
        method, _, template = operation.partition(" ")
        parts = {**PARTS, "path": "collection.json"} if "{job_id}" in template else PARTS
        path = build_path(operation, ids, parts)
        return self.hub.ask(user, f"/{workspace}{path}", method, None if method == "GET" else {})


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    folder = tmp_path_factory.mktemp("tenants")
    (folder / "s3" / "access").mkdir(parents=True)
    with hub(folder, ZOO_RUNNER_CALLBACK_HOSTS="127.0.0.1") as running:
        assert running.deploy(running.ben, "beta", "inner").status == 201
        found = {}
        for user, workspace, process in (
            (running.ada, "alpha", "hidden"),
            (running.ada, "alpha", "shown"),
            (running.ada, "alpha", "service"),
            (running.ben, "beta", "inner"),
        ):
            job = running.execute(user, workspace, process, subscriber={"successUri": CALLBACK})["jobID"]
            body, headers = build_form(("file", "message.txt", b"x"))
            sent = running.server.request("POST", f"{PREFIX}/{workspace}/files", body, user | headers)
            assert running.wait(user, f"/{workspace}/jobs/{job}")["status"] == "successful"
            token = running.ask(user, f"/{workspace}/tokens", "POST", {"scopes": ["job.*"]}).json["id"]
            ids = {"process_id": process, "job_id": job, "upload_id": str(sent.json["id"]), "token_id": token}
            found[process] = ids
        yield Tenants(running, found["hidden"], found["shown"], found["service"], found["inner"])


def describe(answer: Answer, ids: Mapping[str, str]) -> tuple[int, dict[str, str], str]:
    """Return all that an answer says, without the ids that were asked for, and what is new in each answer."""
    new = ("date", "x-request-id", "content-length")
    headers = {name: value for name, value in answer.headers.items() if name not in new}
    text = answer.body.decode()
    for value in sorted(ids.values(), key=len, reverse=True):
        text = text.replace(value, "…")
    return answer.status, headers, text


def test_without_a_token_everything_is_refused(tenants: Tenants) -> None:
    for operation in OTHERS:
        if operation.partition(" ")[2] not in OPEN:
            for ids in (tenants.private, tenants.public, ABSENT):
                assert read_code(tenants.ask({}, operation, ids)) == (401, "identity.missing"), operation


def is_let_in(answer: Answer) -> bool:
    """Whether a request was let in: the results here have no raster of which there is a picture."""
    return answer.status < 300 or read_code(answer) == (404, "job.no-quicklook")


@pytest.mark.parametrize("user", ["ben", "nobody"])
def test_others_get_the_same_answer_for_what_is_private_and_what_is_not_there(tenants: Tenants, user: str) -> None:
    who = getattr(tenants.hub, user)
    for operation, allowed in OTHERS.items():
        if allowed is LISTED:
            continue
        answers = {
            describe(tenants.ask(who, operation, ids), ids)[2]: tenants.ask(who, operation, ids)
            for ids in (tenants.private, ABSENT, tenants.betas)
        }
        assert len(answers) == 1, (operation, list(answers))
        (answer,) = answers.values()
        assert read_code(answer) == (403, "policy.denied"), operation
        # nor does it have anything of what there is
        for word in ("ada", "hidden", "echo", "successful"):
            assert word not in answer.body.decode(), operation


def test_others_get_what_is_public_and_nothing_else_of_it(tenants: Tenants) -> None:
    for operation, allowed in OTHERS.items():
        for ids in (tenants.public, tenants.service):
            answer = tenants.ask(tenants.hub.ben, operation, ids)
            if allowed in (NOTHING, OPERATORS):
                assert read_code(answer) == (403, "policy.denied"), operation
            else:
                assert is_let_in(answer), (operation, answer.body)
            if allowed is LISTED:
                text = answer.body.decode()
                for hidden in tenants.private.values():
                    assert hidden not in text, operation


def test_no_answer_to_others_has_the_address_of_a_callback(tenants: Tenants) -> None:
    own = tenants.ask(tenants.hub.ada, "GET /jobs/{job_id}/definition", tenants.public)
    assert CALLBACK in own.body.decode()
    for operation in OTHERS:
        for ids in (tenants.private, tenants.public, tenants.service):
            assert b"callback-of-ada" not in tenants.ask(tenants.hub.ben, operation, ids).body, operation


def test_a_member_gets_the_same_answer_for_what_is_another_workspaces_and_what_is_nowhere(tenants: Tenants) -> None:
    for operation in OTHERS:
        names = re.findall(r"\{(\w+_id)\}", operation)
        if not names:
            continue
        foreign, absent = (tenants.ask(tenants.hub.ada, operation, ids) for ids in (tenants.betas, ABSENT))
        assert describe(foreign, tenants.betas) == describe(absent, ABSENT), operation
        # validity comes before existence for a body that no package and no job can be
        assert foreign.status in (404, 400, 415), (operation, foreign.status)
        assert foreign.status == 404 or operation in ("PUT /processes/{process_id}", "PATCH /jobs/{job_id}"), operation


def test_a_member_is_let_in_to_all_of_the_own_workspace(tenants: Tenants) -> None:
    for operation in OTHERS:
        if OTHERS[operation] is OPERATORS:
            assert read_code(tenants.ask(tenants.hub.ada, operation, ABSENT)) == (403, "policy.denied"), operation
            continue
        # what would remove or change it is tried on what is not there
        harmless = operation.startswith("GET") or operation.endswith("/execution")
        answer = tenants.ask(tenants.hub.ada, operation, tenants.private if harmless else ABSENT)
        assert answer.status not in (401, 403), (operation, answer.body)
        assert not harmless or is_let_in(answer), (operation, answer.body)


def test_the_places_without_a_workspace_in_their_path_are_those_of_one_workspace_too(tenants: Tenants) -> None:
    for operation in OTHERS:
        method, _, template = operation.partition(" ")
        if template in OPEN:
            continue
        path = build_path(operation, tenants.private)
        answer = tenants.hub.server.request(method, path, None if method == "GET" else {}, tenants.hub.ada)
        # alpha is not the workspace of the server, where nothing is public
        if OTHERS[operation] is LISTED:
            assert not json.loads(answer.body)[template.strip("/")], operation
        else:
            assert read_code(answer) == (403, "policy.denied"), operation


def test_the_owner_of_a_public_process_sees_nothing_of_the_jobs_of_others(tenants: Tenants) -> None:
    job = tenants.hub.execute(tenants.hub.ben, "alpha", "shown")["jobID"]
    tenants.hub.wait(tenants.hub.ben, f"/beta/jobs/{job}")
    ids: dict[str, Any] = {**ABSENT, "job_id": job}
    for operation in OTHERS:
        if "{job_id}" in operation:
            own, absent = (tenants.ask(tenants.hub.ada, operation, one) for one in (ids, ABSENT))
            assert describe(own, ids) == describe(absent, ABSENT), operation
    listed = tenants.hub.ask(tenants.hub.ada, "/alpha/jobs?limit=1000").body.decode()
    assert job not in listed
    # where beta has a process of the same name that is public, this job of alpha's process is not published with it
    tenants.hub.publish("beta", {"shown": {"access": "public"}})
    assert tenants.hub.deploy(tenants.hub.ben, "beta", "shown").status == 201
    wait_for(lambda: tenants.hub.ask(tenants.hub.ada, "/beta/processes/shown").status == 200, 30)
    assert read_code(tenants.hub.ask(tenants.hub.ada, f"/beta/jobs/{job}")) == (403, "policy.denied")


def test_the_audit_log_has_who_did_what_by_which_decision_and_no_secret(tenants: Tenants) -> None:
    site = tenants.hub
    since = json.loads(site.ask(site.ada, "/alpha/jobs").body)["jobs"][0]["created"]
    job = site.execute(site.ada, "alpha", "hidden")["jobID"]
    denied = site.ask(site.ben, f"/alpha/jobs/{job}/results?token=not-to-be-kept")
    entries = [json.loads(line) for line in site.ask(site.olu, f"/alpha/audit?since={since}").body.splitlines()]
    (started,) = [one for one in entries if one["job"] == job and one["action"] == "process.execute"]
    (refused,) = [one for one in entries if one["job"] == job and one["action"] == "job.results"]
    assert (started["caller"], started["process"], started["status"]) == ("ada", "hidden", 201)
    assert (refused["caller"], refused["status"], refused["code"]) == ("ben", 403, "policy.denied")
    assert refused["request"] == denied.headers["x-request-id"]
    for one in (started, refused):
        assert one["decision"] in site.agent.log.read_text()
        assert one["workspace"] == "alpha"
    text = json.dumps(entries)
    for secret in ("not-to-be-kept", "Bearer", site.ada["Authorization"].split(".")[2]):
        assert secret not in text
    # a job in another workspace than that of its process is in the log of both
    job = site.execute(site.ben, "alpha", "shown")["jobID"]
    for workspace in ("alpha", "beta"):
        kept = site.ask(site.olu, f"/{workspace}/audit?since={since}").body.splitlines()
        (started,) = [one for one in map(json.loads, kept) if one["job"] == job]
        assert (started["caller"], started["workspace"], started["status"]) == ("ben", workspace, 201)
    # the command has those of all workspaces
    command = Site(site.folder, site.folder / "cache").having(
        ZOO_RUNNER_DATABASE=site.server.environ.get("ZOO_RUNNER_DATABASE", "")
    )
    lines = command.command("audit", "--since", since).stdout.splitlines()
    assert json.loads(lines[-1])["action"] == "audit.read"
    assert {json.loads(line)["caller"] for line in lines} >= {"ada", "ben", "olu"}
