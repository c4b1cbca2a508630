"""Packages from a real web server: what is asked for, how often, and by which rules."""

import pytest

from tests.servers import Fault, FileServer
from tests.site import Site
from zoo_runner.model.errors import PackageError
from zoo_runner.model.job import Status
from zoo_runner.package.loading import load_package

MAIN = """
cwlVersion: v1.2
class: Workflow
id: greetings
$namespaces: {s: "https://schema.org/"}
$schemas: ["SERVER/schema.rdf"]
s:softwareVersion: 1.0.0
requirements:
  SchemaDefRequirement:
    types:
      - $import: types.yml
inputs:
  kind: types.yml#kind
outputs:
  text: {type: File, outputSource: greet/text}
steps:
  greet: {run: tools/greet.cwl, in: {kind: kind}, out: [text]}
"""
TOOL = """
cwlVersion: v1.2
class: CommandLineTool
id: greet
requirements:
  SchemaDefRequirement:
    types:
      - $import: ../types.yml
baseCommand: echo
stdout: text.txt
inputs:
  kind: {type: "../types.yml#kind", inputBinding: {position: 1}}
outputs:
  text: stdout
"""
TYPES = "- {type: enum, name: kind, symbols: [forest, water]}\n"


@pytest.fixture
def own_cache(site: Site) -> Site:
    return site.having(ZOO_RUNNER_CACHE=str(site.folder / "cache"))


@pytest.fixture
def url(web: FileServer) -> str:
    web.put("tools/greet.cwl", TOOL.encode())
    web.put("types.yml", TYPES.encode())
    web.put("schema.rdf", b"<rdf/>")
    return web.put("main.cwl", MAIN.replace("SERVER", web.url).encode())


def test_each_document_is_asked_for_once_and_the_schema_never(own_cache: Site, web: FileServer, url: str) -> None:
    package = load_package(url, own_cache.settings)
    assert sorted(web.requests) == ["main.cwl", "tools/greet.cwl", "types.yml"]
    assert package.document["s:softwareVersion"] == "1.0.0"
    assert list(package.types.values()) == [f"{web.url}/types.yml#kind"]


def test_a_second_load_asks_for_each_document_once_more(own_cache: Site, web: FileServer, url: str) -> None:
    first = load_package(url, own_cache.settings)
    asked = set(web.requests)
    web.requests.clear()
    assert load_package(url, own_cache.settings) == first
    assert sorted(web.requests) == sorted(asked)


def test_a_changed_tool_is_used_by_the_next_load(own_cache: Site, web: FileServer, url: str) -> None:
    first = load_package(url, own_cache.settings)
    (tool,) = (name for name in set(web.requests) if name.endswith(".cwl") and name != "main.cwl")
    web.put(tool, (web.folder / tool).read_bytes() + b"\ndoc: corrected\n")
    assert load_package(url, own_cache.settings).digest != first.digest


def test_a_changed_entry_is_resolved_anew(own_cache: Site, web: FileServer, url: str) -> None:
    first = load_package(url, own_cache.settings)
    web.put("main.cwl", MAIN.replace("SERVER", web.url).replace("1.0.0", "2.0.0").encode())
    assert load_package(url, own_cache.settings).digest != first.digest


def test_an_execution_asks_the_network_for_no_cwl(own_cache: Site, web: FileServer, url: str) -> None:
    job = own_cache.accept(url, None, "kind=water")
    web.requests.clear()
    story = own_cache.run(job)
    assert story.outcome.status is Status.SUCCESSFUL, story.log
    assert (own_cache.results / "text" / "text.txt").read_text() == "water\n"
    assert web.requests == []


def test_a_host_that_is_not_allowed_is_not_asked(own_cache: Site, web: FileServer, url: str) -> None:
    with pytest.raises(PackageError, match=r"cwl\.example") as caught:
        load_package(url, own_cache.having(ZOO_RUNNER_PACKAGE_HOSTS="cwl.example").settings)
    assert caught.value.diagnosis.code == "package.refused"
    assert web.requests == []


def test_an_answer_that_is_too_large_is_refused(own_cache: Site, web: FileServer) -> None:
    large = web.put("large.cwl", b"#" * 3_000_000)
    with pytest.raises(PackageError, match="is larger than 1 MiB"):
        load_package(large, own_cache.having(ZOO_RUNNER_PACKAGE_MAX_MIB="1").settings)


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (Fault(status=404), "does not exist"),
        (Fault(status=403), "access is denied"),
        (Fault(status=302, headers={"Location": "file:///etc/passwd"}), "file:///etc/passwd"),
        (Fault(status=302, headers={"Location": "http://169.254.169.254/x"}), "metadata address"),
        (Fault(body=b"<html>not a package</html>"), "no cwlVersion|neither YAML nor JSON"),
    ],
)
def test_what_the_server_does_instead_is_reported(
    own_cache: Site, web: FileServer, url: str, fault: Fault, cause: str
) -> None:
    web.fail_always("main.cwl", fault)
    with pytest.raises(PackageError, match=cause) as caught:
        load_package(url, own_cache.settings)
    assert caught.value.diagnosis.remedy


def test_a_failed_load_leaves_nothing_that_a_later_one_takes_for_good(
    own_cache: Site, web: FileServer, url: str
) -> None:
    (web.folder / "types.yml").unlink()
    with pytest.raises(PackageError, match=r"types\.yml"):
        load_package(url, own_cache.settings)
    web.put("types.yml", TYPES.encode())
    assert load_package(url, own_cache.settings).workflow_id == "greetings"
