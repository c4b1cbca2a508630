"""Processes of other workspaces at the server: what is asked before one is executed, and what is shown of its jobs."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from tests.contract.stores import PACKAGE, build_job, create
from tests.unit.messages import Check
from tests.values import configuration_in
from zoo_runner.access_documents import AccessDocument
from zoo_runner.config.configuration import load_configuration
from zoo_runner.config.identity import IdentitySettings
from zoo_runner.config.server import ServerSettings
from zoo_runner.model.errors import InputError, PackageError, ProcessNotFoundError, SettingsError
from zoo_runner.model.job import FINAL, Status
from zoo_runner.model.package import Package
from zoo_runner.model.process import Process
from zoo_runner.model.workspace import StorageProfile
from zoo_runner.server.access.admission import Admitted, Asked, open_admission
from zoo_runner.server.access.documents import AccessDocuments
from zoo_runner.server.access.policy import Policy
from zoo_runner.server.access.tokens import Caller
from zoo_runner.server.api import Api, Call
from zoo_runner.server.app import build_app
from zoo_runner.server.callbacks import build_message, find_call_of
from zoo_runner.server.deploying import Deployment
from zoo_runner.server.hidden_settings import hide_settings
from zoo_runner.server.installation import open_context
from zoo_runner.server.jobs import find_jobs, place_execution, place_job, prepare_execution
from zoo_runner.server.processes import prepare_process
from zoo_runner.server.serving import warn_of_shared_credentials
from zoo_runner.store.protocol import JobQuery
from zoo_runner.store.sql import SqlStore
from zoo_runner.store.sql.callbacks import Callback
from zoo_staging.errors import Kind, StagingError

BASE = "http://localhost/ws"
BEN = Caller("ben", frozenset({"beta"}))
ACCESS = {"shown": {"access": "public"}, "service": {"access": "public", "type": "user-service"}}


ADMITTED = Admitted()
OTHER = Package({"cwlVersion": "v1.2", "class": "Workflow"}, "#main", "w", {}, "b" * 64)


@pytest.fixture
def api(sql_store: SqlStore, tmp_path: Path) -> Iterator[Api]:
    """A server whose workspace alpha has two processes that it publishes, and gamma one of the same name."""
    configuration = load_configuration({"ZOO_RUNNER_STATE": str(tmp_path / "state")})
    settings = ServerSettings(results=tmp_path / "results", workspace_prefix="/ws")
    for workspace, process in (("alpha", "shown"), ("alpha", "service"), ("gamma", "shown")):
        sql_store.processes.deploy(Process(workspace, process, PACKAGE.digest, {}, "2026", "2026", "ada"), PACKAGE)
    found = Api(sql_store, settings, configuration, open_context(sql_store, settings, configuration))
    with closing(found.resolver):
        yield found


def build_call(workspace: str = "alpha", admitted: Admitted = ADMITTED, **more: Any) -> Call:
    published = AccessDocument(ACCESS if workspace == "alpha" else {})
    return Call(
        workspace,
        f"{BASE}/{workspace}",
        hub=True,
        caller=BEN.name,
        member_of=BEN.workspaces,
        published=published,
        hub_base=BASE,
        admit_job=admitted.admit_job,
        **more,
    )


def build_request(process: str) -> Request:
    route = type("Route", (), {"name": "execute_process"})
    return Request({"type": "http", "route": route, "path_params": {"process_id": process}})


class Agent:
    """An agent that denies the creation of jobs in beta, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, Any]] = []

    async def answer(self, question: bytes) -> bytes:
        self.asked.append(asked := json.loads(question)["input"])
        return json.dumps(
            {"result": {"allow": (asked["action"], asked["workspace"]) != ("job.create", "beta")}}
        ).encode()

    async def read_document(self, workspace: str) -> bytes:
        return json.dumps({"workflows": ACCESS if workspace == "alpha" else {}}).encode()

    async def place(self, api: Api, process: str, request: Mapping[str, Any]) -> None:
        """Let ben execute a process of alpha."""
        asked = Asked(api, Policy(self.answer, 2.0), AccessDocuments(self.read_document, 30.0))
        admitted = await asked.admit(build_request(process), BEN, "alpha")
        await run_in_threadpool(place_execution, api, build_call(admitted=admitted), process, request)


@pytest.mark.parametrize("process", ["shown", "service"])
@pytest.mark.parametrize("request_", [{}, {"inputs": {"workspace": "beta"}}])
def test_the_policy_is_asked_about_the_workspace_that_gets_the_job(
    api: Api, process: str, request_: Mapping[str, Any], check: Check
) -> None:
    agent = Agent()
    with pytest.raises(InputError) as caught:
        asyncio.run(agent.place(api, process, request_))
    check(caught.value, "policy.denied", "ben", "beta", "job.create")
    first, second = agent.asked
    assert (first["action"], first["workspace"]) == ("process.execute", "alpha")
    assert second["process"] == {"id": process, "caller": "ada", "is_deployed": True, "deployed_in": "alpha"}
    # what beta publishes, not alpha
    assert (first["access"], second["access"]) == (ACCESS, {})


def test_what_the_agent_has_of_its_own_does_not_count_while_a_document_cannot_be_read(api: Api) -> None:
    agent = Agent()

    async def fail(_: str) -> bytes:
        raise StagingError(Kind.UNREACHABLE, "s3://access/alpha.json", "no connection", "Look.")

    async def ask() -> None:
        asked = Asked(api, Policy(agent.answer, 2.0), AccessDocuments(fail, 30.0))
        await asked.admit(build_request("shown"), BEN, "alpha")

    asyncio.run(ask())
    # null would have it look into data.workflow_access
    assert agent.asked[0]["access"] == {}


def test_access_documents_without_an_agent_that_reads_them_are_refused(api: Api, check: Check) -> None:
    with pytest.raises(SettingsError) as caught:
        open_admission(replace(api, identity=IdentitySettings(access="s3://access")))
    check(caught.value, "settings.invalid", "ZOO_RUNNER_ACCESS", "ZOO_RUNNER_OPA_URL")


def test_a_list_shows_jobs_of_the_processes_that_are_visible_and_not_of_others_with_their_names(api: Api) -> None:
    ended = {"workspace": "alpha", "process_id": "shown", "status": Status.SUCCESSFUL}
    create(api.store, build_job(1, **ended), build_job(2, **ended, deployed_in="gamma"))
    found = find_jobs(api, build_call(visible=frozenset({"shown"})), JobQuery())
    assert ([job.id for job in found.page.jobs], found.total) == (["job-1"], 1)
    # whoever sees all of the workspace sees both
    assert find_jobs(api, build_call(), JobQuery()).total == 2


def test_a_list_of_some_processes_shows_what_has_ended_only(api: Api) -> None:
    for number, status in enumerate(Status):
        create(api.store, build_job(number, workspace="alpha", process_id="shown", status=status))

    def list_statuses(*wanted: Status) -> set[str]:
        found = find_jobs(api, build_call(visible=frozenset({"shown"})), JobQuery(statuses=wanted))
        return {job.status for job in found.page.jobs}

    assert list_statuses() == set(FINAL)
    assert list_statuses(Status.RUNNING, Status.FAILED) == {Status.FAILED}
    assert list_statuses(Status.RUNNING, Status.CREATED) == set()


def test_a_started_job_has_its_own_package_whatever_became_of_the_process(api: Api) -> None:
    job = build_job(1, workspace="beta", process_id="shown", deployed_in="alpha")
    create(api.store, job)
    api.store.processes.replace(Process("alpha", "shown", OTHER.digest, {}, "2026", "2026"), OTHER)
    assert place_job(api, build_call("beta"), job).package == PACKAGE
    api.store.processes.undeploy("alpha", "shown")
    assert place_job(api, build_call("beta"), job).package == PACKAGE
    with pytest.raises(ProcessNotFoundError):
        place_job(api, build_call("beta"), replace(job, status=Status.CREATED))


@pytest.mark.parametrize(
    ("base", "prefix", "up"),
    [
        (f"{BASE}/beta", "/ws/", f"{BASE}/alpha/processes/p"),
        ("http://localhost", "/ws", f"{BASE}/alpha/processes/p"),
        # where workspaces have no API of their own
        ("http://localhost", "", None),
    ],
)
def test_who_waits_for_a_job_of_another_workspaces_process_is_called_back(
    base: str, prefix: str, up: str | None
) -> None:
    job = build_job(1, workspace="beta", deployed_in="alpha", status=Status.RUNNING)
    callback = Callback(job.id, "beta", base, True, Status.RUNNING, 0, 0.0)
    message = build_message(callback, job, find_call_of(callback, job, prefix), as_collection=True)
    links = {link["rel"]: link["href"] for link in message["links"]}
    assert (links["monitor"], links.get("up")) == (f"{base}/jobs/job-1", up)


@pytest.mark.parametrize("changes", [{"namespace": "other"}, {"storage": StorageProfile(public_url="https://other")}])
def test_a_profile_that_was_changed_makes_another_engine(api: Api, changes: dict[str, Any]) -> None:
    workspace = api.configuration.workspace
    engine = api.context.find_engine("local", workspace)
    assert api.context.find_engine("local", replace(workspace)) is engine
    assert api.context.find_engine("local", replace(workspace, **changes)) is not engine
    assert api.context.find_engine("local", workspace) is engine


def test_answers_show_no_secret_of_the_workspace_and_no_setting_of_the_operator(
    api: Api, tmp_path: Path, check: Check, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "AWS_SECRET_ACCESS_KEY").write_text("secret of alpha")
    profiles = tmp_path / "profiles.json"
    lost = str(tmp_path / "lost")
    profiles.write_text(json.dumps({"alpha": {"credentials": str(folder)}, "beta": {"credentials": lost}}))
    of = replace(api, settings=replace(api.settings, workspaces=profiles))
    assert "secret of alpha" in of.find_secrets("alpha")
    assert "secret of alpha" not in of.find_secrets("beta")
    with pytest.raises(SettingsError) as caught:
        of.find_configuration("beta")
    shown = check(hide_settings(caught.value), "settings.invalid")
    assert lost not in str(shown)
    # the operator finds it
    assert lost in caplog.text
    denied = InputError("no", "Ask.", code="policy.denied")
    assert hide_settings(denied) is denied


def test_an_answer_about_a_workspace_is_masked_with_its_own_secrets(api: Api, tmp_path: Path) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "AWS_SECRET_ACCESS_KEY").write_text("process-of-alpha")
    profiles = tmp_path / "profiles.json"
    profiles.write_text(json.dumps({"alpha": {"credentials": str(tmp_path / "credentials")}}))
    of = replace(api, settings=replace(api.settings, workspaces=profiles))
    app = build_app(of, "0", lambda: 0, ["localhost"])
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    def ask(workspace: str) -> str:
        path = f"/ws/{workspace}/processes/process-of-alpha"
        scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
        }
        scope |= {"headers": [(b"host", b"localhost")], "scheme": "http", "server": ("localhost", 80), "root_path": ""}
        scope |= {"client": ("127.0.0.1", 1), "http_version": "1.1", "asgi": {"version": "3.0"}}
        sent.clear()
        asyncio.run(app(scope, receive, send))
        assert sent[0]["status"] == 404
        return b"".join(message.get("body", b"") for message in sent).decode()

    assert "process-of-alpha" not in ask("alpha")
    assert "process-of-alpha" in ask("gamma")


def test_the_workspace_is_named_beside_the_inputs_at_the_plain_api_too(api: Api) -> None:
    call = replace(build_call(), hub=False, member_of=frozenset({"beta", "delta"}))
    with pytest.raises(InputError) as caught:
        place_execution(api, call, "shown", {"inputs": {}})
    assert caught.value.diagnosis.code == "workspace.choice"
    placed = place_execution(api, call, "shown", {"inputs": {"workspace": "delta"}})
    assert placed.call.workspace == "delta"
    prepared = prepare_execution(api, placed, "shown", {"inputs": {"workspace": "delta"}})
    assert prepared.order == {}


@pytest.mark.parametrize("issuer", ["", "https://id.example.org"])
def test_a_package_with_an_input_workspace_is_refused_where_callers_name_theirs(
    api: Api, issuer: str, check: Check
) -> None:
    tool = """{cwlVersion: v1.2, class: CommandLineTool, id: main, baseCommand: "true", inputs: {workspace: string},
      outputs: []}"""
    deployment = Deployment({"package.cwl": tool})
    of = replace(api, identity=IdentitySettings(issuer=issuer))
    if not issuer:
        assert prepare_process(of, build_call(), deployment)
        return
    with pytest.raises(PackageError) as caught:
        prepare_process(of, build_call(), deployment)
    check(caught.value, "package.input-name", "workspace")


@pytest.mark.parametrize("issuer", ["", "https://id.example.org"])
@pytest.mark.parametrize("variables", [{"AWS_REGION": "eu-west-1"}, {"AWS_SECRET_ACCESS_KEY": "x"}])
def test_a_server_warns_where_its_workspaces_share_credentials(
    issuer: str, variables: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    configuration = configuration_in(tmp_path)
    storage = replace(configuration.workspace.storage, variables=variables)
    configuration = replace(configuration, workspace=replace(configuration.workspace, storage=storage))
    warn_of_shared_credentials(configuration, IdentitySettings(issuer=issuer))
    assert bool(caplog.records) == (issuer != "" and "AWS_SECRET_ACCESS_KEY" in variables)
