"""Two workspaces in one process at the same time: each has its own stores, credentials, folders and secrets."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.servers import S3Server, serve_s3
from tests.serving import serving
from tests.site import Site, Story
from tests.values import ROOT
from zoo_runner.engines import open_engine
from zoo_runner.execution.accept import accept, draft_job
from zoo_runner.execution.context import Context
from zoo_runner.execution.execute import start
from zoo_runner.execution.keeper import Keeper
from zoo_runner.model.diagnosis import Stage
from zoo_runner.model.events import Event, StageStarted
from zoo_runner.model.job import Status
from zoo_runner.package.loading import load_package
from zoo_runner.store.files import FileEventLog, FileStore
from zoo_runner.store.sql import open_sql_store

NAMES = ("ada", "bob")
LONGEST_SECONDS = 60
# prints its input into the log of its step, and gives it back
PACKAGE = """
cwlVersion: v1.2
class: CommandLineTool
id: main
baseCommand: [tee, copy.txt]
stdin: $(inputs.source.path)
inputs:
  source: File
outputs:
  copy: {type: File, outputBinding: {glob: copy.txt}}
"""


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[dict[str, S3Server]]:
    """A store for each workspace, with credentials of its own and buckets of the same names."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(serve_s3(tmp_path / f"s3-{name}", f"key-of-{name}", f"secret-of-{name}"))
            for name in NAMES
        }


def build_site(name: str, store: S3Server, folder: Path, cache: Path) -> Site:
    (store.folder / "results").mkdir(parents=True)
    store.put("sources", "input.txt", f"data of {name}\n".encode())
    return Site(folder / name, cache).having(
        ZOO_RUNNER_WORKSPACE=name,
        AWS_ENDPOINT_URL=str(store.options.endpoint),
        AWS_ACCESS_KEY_ID=str(store.options.access_key_id),
        AWS_SECRET_ACCESS_KEY=str(store.options.secret_access_key),
    )


def read_all(folder: Path) -> str:
    return "\n".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())


def test_two_workspaces_run_jobs_at_the_same_time_and_see_nothing_of_each_other(
    tmp_path: Path, stores: dict[str, S3Server], package_cache: Path
) -> None:
    package = tmp_path / "tee.cwl"
    package.write_text(PACKAGE)
    sites = {name: build_site(name, store, tmp_path, package_cache) for name, store in stores.items()}
    both_execute = threading.Barrier(len(NAMES))

    def wait_for_the_other(event: Event) -> None:
        if isinstance(event, StageStarted) and event.stage is Stage.EXECUTE:
            both_execute.wait(LONGEST_SECONDS)

    def run(name: str) -> Story:
        given = "source=s3://sources/input.txt"
        job = sites[name].accept(package, None, given, destination="s3://results/job", job_id=f"job-of-{name}")
        return sites[name].run(job, on=wait_for_the_other)

    with ThreadPoolExecutor(len(NAMES)) as pool:
        stories = dict(zip(NAMES, pool.map(run, NAMES), strict=True))

    for name, other in (NAMES, NAMES[::-1]):
        assert stories[name].outcome.status is Status.SUCCESSFUL, stories[name].outcome.diagnosis
        results = read_all(stores[name].folder / "results")
        left = read_all(sites[name].temp) + read_all(sites[name].state)
        assert f"data of {name}" in results
        assert f"job-of-{name}" in left
        for foreign in (f"data of {other}", f"job-of-{other}", f"secret-of-{other}", f"secret-of-{name}"):
            assert foreign not in results
            assert foreign not in left


def test_the_credentials_of_one_workspace_do_not_open_the_store_of_another(
    tmp_path: Path, stores: dict[str, S3Server], package_cache: Path
) -> None:
    package = tmp_path / "tee.cwl"
    package.write_text(PACKAGE)
    sites = {name: build_site(name, store, tmp_path, package_cache) for name, store in stores.items()}
    ada, bob = (sites[name] for name in NAMES)
    thief = ada.having(AWS_ENDPOINT_URL=bob.more["AWS_ENDPOINT_URL"])
    given = "source=s3://sources/input.txt"
    story = thief.run(thief.accept(package, None, given, destination="s3://results/job"))
    assert story.outcome.diagnosis
    assert story.outcome.diagnosis.stage in (Stage.STAGE_IN, Stage.STAGE_OUT)
    assert "data of bob" not in story.log


def test_one_installation_serves_jobs_of_both_workspaces_from_one_store(
    tmp_path: Path, stores: dict[str, S3Server], package_cache: Path
) -> None:
    """As a server does: one context, and the workspace of a job is found by its name."""
    package = tmp_path / "tee.cwl"
    package.write_text(PACKAGE)
    sites = {name: build_site(name, store, tmp_path, package_cache) for name, store in stores.items()}
    installation = Site(tmp_path / "installation", package_cache).configuration
    state = tmp_path / "jobs"
    workspaces = {
        name: replace(site.workspace, folders=replace(site.workspace.folders, state=state))
        for name, site in sites.items()
    }
    store = FileStore(state)
    context = Context(
        store,
        FileEventLog(state),
        workspaces.__getitem__,
        lambda name, workspace: open_engine(name, replace(installation, workspace=workspace)),
        Keeper(store),
    )
    both_execute = threading.Barrier(len(NAMES))

    def wait_for_the_other(event: Event) -> None:
        if isinstance(event, StageStarted) and event.stage is Stage.EXECUTE:
            both_execute.wait(LONGEST_SECONDS)

    loaded = load_package(str(package), installation.settings)
    order = {"source": {"class": "File", "location": "s3://sources/input.txt"}}
    for name, workspace in workspaces.items():
        accept(context, draft_job(loaded, order, lambda _: "s3://results/job", workspace, name), "local", workspace)
    following = {name: start(context, name, wait_for_the_other) for name in NAMES}

    for name, other in (NAMES, NAMES[::-1]):
        outcome = following[name].result(LONGEST_SECONDS)
        assert outcome.status is Status.SUCCESSFUL, outcome.diagnosis
        assert store.get(name).workspace == name
        results = read_all(stores[name].folder / "results")
        assert f"data of {name}" in results
        assert f"data of {other}" not in results + read_all(sites[name].temp)
    for name in NAMES:
        assert f"secret-of-{name}" not in read_all(state) + "".join(read_all(site.temp) for site in sites.values())


def test_a_profile_says_the_form_of_results_and_how_urgent_jobs_are(tmp_path: Path, package_cache: Path) -> None:
    profiles, database = tmp_path / "profiles.json", f"sqlite:///{tmp_path / 'runner.db'}"
    profiles.write_text('{"default": {"collection": true, "priority": 7}}')
    site = Site(tmp_path, package_cache).having(
        ZOO_RUNNER_WORKSPACES=str(profiles),
        ZOO_RUNNER_DATABASE=database,
        ZOO_RUNNER_RESULTS_FOLDER=str(tmp_path / "results"),
    )
    with serving(site.environ, tmp_path) as server:
        server.deploy(ROOT / "examples" / "echo" / "echo.cwl")
        job = server.execute("echo", {})
        server.wait(job, "successful")
        collection = server.request("GET", f"/jobs/{job}/results").json
        assert collection["type"] == "Collection"
        assert next(link["href"] for link in collection["links"] if link["rel"] == "item").startswith(server.url)
        profiles.write_text('{"default": {"priority": 7}}')
        assert set(server.request("GET", f"/jobs/{job}/results").json) == {"text"}
    with closing(open_sql_store(database)) as store:
        assert store.jobs.get(job).priority == 7
