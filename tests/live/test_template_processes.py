"""WorkflowTemplates as processes on a real Argo Workflows: by command line, HTTP API and ZOO."""

import gzip
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.live.artifact_repository import artifact_repository
from tests.live.counting_template import INPUTS, SCENE, TEMPLATE, applied
from tests.live.hera_site import ACCOUNT, NAMESPACE, SERVER, HeraSite, make_hera_site
from tests.servers import S3Server
from tests.serving import serving
from tests.site import Site
from zoo_runner.hera.tokens import Tokens
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.events import Event, StepLines
from zoo_runner.model.ids import new_job_id
from zoo_runner.model.job import Status
from zoo_runner.testing import KernelDouble

FILES = """
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata:
  name: NAME
  annotations: {zoo-runner/types: "{catalog: Directory, found: Directory}"}
spec:
  entrypoint: read
  artifactRepositoryRef: {configMap: STORE, key: repository}
  arguments: {artifacts: [{name: packed}]}
  templates:
  - name: read
    inputs:
      artifacts:
      - {name: packed, path: /tmp/in/packed}
      - {name: catalog, path: /tmp/in/catalog}
      - {name: more, path: /tmp/in/more, optional: true}
    container:
      image: IMAGE
      command: [sh, -ec]
      args:
      - |
        test ! -e /tmp/in/more
        gzip -dc /tmp/in/packed >/tmp/unpacked.txt
    outputs:
      artifacts:
      - {name: unpacked, path: /tmp/unpacked.txt, archive: {none: {}}}
      - {name: found, path: /tmp/in/catalog}
"""


@pytest.fixture(scope="module")
def scientist(tmp_path_factory: pytest.TempPathFactory) -> HeraSite:
    return make_hera_site(tmp_path_factory.mktemp("scientist"))


@pytest.fixture(scope="module")
def repository(scientist: HeraSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, S3Server]]:
    """An artifact repository, and the ConfigMap that names it; the bucket is a place for results too."""
    with artifact_repository(scientist, tmp_path_factory.mktemp("store") / "s3") as found:
        yield found


@pytest.fixture(scope="module")
def template(scientist: HeraSite, repository: tuple[str, S3Server]) -> Iterator[str]:
    with applied(scientist, TEMPLATE, repository[0]) as name:
        yield name


@pytest.fixture
def site(scientist: HeraSite, template: str, tmp_path: Path) -> Site:
    """An installation whose operator allows the template."""
    return Site(tmp_path, tmp_path / "cache").having(
        KUBECONFIG=scientist.environ["KUBECONFIG"],
        ARGO_SERVER=SERVER,
        ARGO_TOKEN=Tokens(scientist.configuration)(),
        ZOO_RUNNER_ARGO_TEMPLATES=template,
        ZOO_RUNNER_ARGO_TEMPLATE_NAMESPACE=NAMESPACE,
        ZOO_RUNNER_ARGO_TEMPLATE_ACCOUNT=ACCOUNT,
    )


@pytest.fixture
def engine_site(site: Site) -> Site:
    """The same, where the engine is not chosen by the package but by the test."""
    return site.having(ZOO_RUNNER_ENGINE="argo-template")


@pytest.fixture
def package(scientist: HeraSite, template: str, tmp_path: Path) -> Path:
    path = tmp_path / "count.cwl"
    done = scientist.run("package", f"template/{template}", "-o", str(path))
    assert done.returncode == 0, done.stderr
    return path


def read_file(link: Any) -> str:
    return Path(link["href"].removeprefix("file://")).read_text()


def run_by_command(site: Site, package: Path, _: str) -> dict[str, Any]:
    inputs = site.folder / "inputs.json"
    inputs.write_text(json.dumps(INPUTS))
    job_id = new_job_id()
    done = site.command("run", package, inputs, "--output", site.results, "--job-id", job_id, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert "counting S2A" in site.command("logs", job_id, "--step", "count").stdout
    found: dict[str, Any] = json.loads(done.stdout)["results"]
    return found


def run_by_api(site: Site, _: Path, template: str) -> dict[str, Any]:
    folder = site.folder / "api"
    folder.mkdir()
    served = site.having(ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"), ZOO_RUNNER_STATE=str(folder / "state"))
    with serving(served.environ, folder) as server:
        unit = {"executionUnit": {"type": "argo-workflow-template", "name": template}}
        answer = server.request("POST", "/processes", unit, {"Content-Type": "application/ogcapppkg+json"})
        assert answer.status == 201, answer.body
        described = server.request("GET", f"/processes/{template}").json
        assert described["inputs"]["number"]["schema"]["default"] == 3
        refused = server.request("POST", f"/processes/{template}/execution", {"inputs": {"scene": "{{x}}"}})
        assert refused.status == 400
        other = server.request(
            "POST", "/processes", {"executionUnit": {"type": unit["executionUnit"]["type"], "name": "x"}}
        )
        assert other.status == 400
        assert other.json["type"].endswith("package.template-not-allowed")
        job = server.execute(template, INPUTS)
        assert server.wait(job)["status"] == "successful", (folder / "server.log").read_text()
        found: dict[str, Any] = server.request("GET", f"/jobs/{job}/results").json
        found["map"] = {"href": _keep(folder / "map.txt", server.request("GET", found["map"]["href"]).body)}
        return found


def _keep(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return path.as_uri()


def run_by_zoo(site: Site, package: Path, template: str) -> dict[str, Any]:
    names = ("KUBECONFIG", "ARGO_SERVER", "ARGO_TOKEN")
    environ = {name: text for name, text in site.environ.items() if name in names or name.startswith("ZOO_RUNNER_ARGO")}
    modules = [path for path in sys.path if path.endswith("site-packages")]
    own = {"ZOO_RUNNER_ISOLATION": "trusted", "ZOO_RUNNER_CONTAINERS": "none"}
    kernel = KernelDouble(site.folder / "zoo", environ={**environ, **own}, python_path=modules)
    kernel.deploy("alice", package, template)
    job = kernel.submit("alice", template, {"inputs": INPUTS}).wait(300)
    assert job.succeeded, job.message + job.error_log
    assert job.violations == []
    folder = job.temp / f"{template}-{job.id}"
    assert "counting S2A" in (folder / "count.log").read_text()
    found = {name: one["value"] for name, one in job.outputs.items() if "value" in one}
    return {**found, "total": int(found["total"])}


def test_a_template_gives_the_same_results_by_command_line_api_and_zoo(
    site: Site, package: Path, template: str
) -> None:
    ways = (run_by_command, run_by_api, run_by_zoo)
    with ThreadPoolExecutor(len(ways)) as pool:
        started = [pool.submit(run, site, package, template) for run in ways]
        results = [one.result() for one in started]
    for found in results:
        assert {name: found[name] for name in ("total", "ended")} == {"total": 42, "ended": "Succeeded"}
        assert "folder" in found
    assert read_file(results[0]["map"]) == f"{SCENE}\n"
    assert read_file(results[1]["map"]) == f"{SCENE}\n"


def test_files_and_stac_items_are_staged_in_and_results_published_to_object_storage(
    scientist: HeraSite, repository: tuple[str, S3Server], site: Site, tmp_path: Path
) -> None:
    store, s3 = repository
    packed = tmp_path / "packed.txt.gz"
    packed.write_bytes(gzip.compress(b"not unpacked by Argo"))
    asset = s3.put("results", "catalog/band.tif", b"band")
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "scene",
        "properties": {"datetime": "2026-01-01T00:00:00Z"},
        "geometry": None,
        "links": [],
        "assets": {"band": {"href": asset}},
    }
    order = {
        "packed": {"class": "File", "path": str(packed)},
        "catalog": {"class": "Directory", "location": s3.put("results", "item.json", json.dumps(item).encode())},
    }
    (tmp_path / "order.json").write_text(json.dumps(order))
    with applied(scientist, FILES, store) as name:
        package = tmp_path / "files.cwl"
        assert scientist.run("package", f"template/{name}", "-o", str(package)).returncode == 0
        own = site.having(
            ZOO_RUNNER_ARGO_TEMPLATES=name,
            AWS_ENDPOINT_URL=str(s3.options.endpoint),
            AWS_ACCESS_KEY_ID=str(s3.options.access_key_id),
            AWS_SECRET_ACCESS_KEY=str(s3.options.secret_access_key),
            AWS_REGION=s3.options.region,
        )
        done = own.command(
            "run", package, tmp_path / "order.json", "--output", "s3://results/published", "--format", "json"
        )
    assert done.returncode == 0, done.stderr
    published = {path.name: path for path in (s3.folder / "results" / "published").rglob("*") if path.is_file()}
    assert published["unpacked.txt"].read_text() == "not unpacked by Argo"
    assert published["band.tif"].read_bytes() == b"band"
    assert not [path for path in published.values() if ".inputs" in path.parts]
    assert str(s3.options.secret_access_key) not in done.stderr


def test_a_failure_is_that_of_the_template_with_what_its_node_printed(engine_site: Site, package: Path) -> None:
    story = engine_site.run(engine_site.accept(package, None, f"scene={SCENE}", "mode=fail"))
    found = story.outcome.diagnosis
    assert found
    assert (found.code, found.level, found.step) == ("step.exit-code", "user", "count")
    assert "no band 9" in found.evidence


def test_a_cancelled_job_leaves_no_workflow(engine_site: Site, package: Path, scientist: HeraSite) -> None:
    cancellation = Cancellation()

    def on(event: Event) -> None:
        if isinstance(event, StepLines):
            cancellation.cancel()

    job = engine_site.accept(package, None, "scene=x", "mode=wait")
    story = engine_site.run(job, cancellation=cancellation, on=on)
    assert story.outcome.status is Status.DISMISSED
    assert f"job-{job.id}" not in scientist.kubectl("get", "workflows", "-o", "name")


def test_a_template_whose_inputs_have_changed_is_refused_until_it_is_deployed_again(
    engine_site: Site, package: Path, scientist: HeraSite, template: str
) -> None:
    change = '[{"op": "add", "path": "/spec/arguments/parameters/-", "value": {"name": "more", "value": "1"}}]'
    scientist.kubectl("patch", "workflowtemplate", template, "--type=json", "-p", change)
    try:
        found = engine_site.run(engine_site.accept(package, None, "scene=x")).outcome.diagnosis
    finally:
        scientist.kubectl(
            "patch",
            "workflowtemplate",
            template,
            "--type=json",
            "-p",
            '[{"op": "remove", "path": "/spec/arguments/parameters/4"}]',
        )
    assert found
    assert found.code == "package.template-changed"


def test_doctor_names_the_template_and_what_it_lacks(site: Site, template: str) -> None:
    done = site.having(ZOO_RUNNER_ARGO_TEMPLATES=f"{template},never").command("doctor", "--engine", "argo-template")
    assert done.returncode == 7
    assert template in done.stdout
    assert "cluster.not-found" in done.stdout + done.stderr
