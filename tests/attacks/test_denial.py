"""A package, a server or a neighbour keeps a job busy for ever, or makes it remove the files of others."""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from stagein.settings import StageInOptions
from stagein.stage import stage_in
from stageout.earlier_results import RECORD
from stageout.model import StageOutOptions
from stageout.stage import stage_out
from tests.attacks.hostile import Document, Host, expression, output, run_here, tool
from tests.servers import Fault, serve_files
from tests.site import Site
from tests.unit.stagein.items import build_item
from zoo_runner.inputs.joborder import read_execute_request
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import InputError, PackageError
from zoo_runner.package import prepare
from zoo_runner.package.loading import load_package
from zoo_staging.errors import Kind, StagingError

PIPES = {
    "cwl.output.json": tool("mkfifo cwl.output.json", {"o": "File"}),
    "an output": tool("mkfifo o.txt", output("File", "o.txt")),
    "the content of an output": tool(
        "mkfifo o.txt", output("string", "o.txt", loadContents=True, outputEval="$(self[0].contents)")
    ),
    "a device": tool("ln -s /dev/zero o.txt", output("string", "o.txt", loadContents=True, outputEval="$('x')")),
    "a device as cwl.output.json": tool("ln -s /dev/zero cwl.output.json", {"o": "File"}),
    "a huge cwl.output.json": tool("truncate -s 1T cwl.output.json", {"o": "File"}),
}


@pytest.mark.parametrize("name", PIPES)
@pytest.mark.timeout(120)
def test_no_output_is_waited_for_or_read_for_ever(name: str, site: Site) -> None:
    assert run_here(site, PIPES[name]) is not None


@pytest.fixture
def planted(tmp_path: Path, host: Host) -> Path:
    """A folder of results in which a neighbour has put a link to the host."""
    results = tmp_path / "results"
    results.mkdir()
    (results / "data").symlink_to(host.folder)
    (results / "collection.json").write_text("{}")
    return results


def put(results: Path, tmp_path: Path) -> None:
    (tmp_path / "o.txt").write_text("o")
    options = StageOutOptions(job_id="j1", outputs_folder=tmp_path)
    stage_out({"data": {"class": "File", "path": str(tmp_path / "o.txt")}}, str(results), options)


@pytest.mark.parametrize(
    "keys", [["data/secret.txt"], ["data/below/secret.txt"], ["data/../../host/secret.txt"], ["data"]]
)
def test_a_planted_record_and_link_remove_nothing_elsewhere(
    keys: list[str], planted: Path, tmp_path: Path, host: Host
) -> None:
    before = host.read()
    (planted / RECORD).write_text(json.dumps({"keys": keys}))
    with suppress(StagingError):
        put(planted, tmp_path)
    assert host.read() == before


def test_a_planted_link_has_nothing_written_elsewhere(planted: Path, tmp_path: Path, host: Host) -> None:
    before = host.read()
    with suppress(StagingError):
        put(planted, tmp_path)
    assert host.read() == before
    assert sorted(path.name for path in host.folder.rglob("*")) == ["below", "secret.json", "secret.txt", "secret.txt"]


@pytest.mark.timeout(60)
def test_a_pipe_as_record_of_earlier_results_is_not_waited_for(tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    os.mkfifo(results / RECORD)
    with pytest.raises(StagingError):
        put(results, tmp_path)


@pytest.fixture
def dripping() -> Iterator[int]:
    """A server that sends a byte again and again, but never many."""
    server, over = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not over.wait(0.2):
                connection.sendall(b"x")

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=drip, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    over.set()
    server.shutdown(socket.SHUT_RDWR)
    server.close()


@pytest.mark.timeout(60)
def test_a_server_that_sends_byte_by_byte_is_not_waited_for_for_ever(dripping: int, tmp_path: Path) -> None:
    options = StageInOptions(read_timeout_seconds=2.0, retries=0)
    order = {"x": {"class": "File", "location": f"http://127.0.0.1:{dripping}/a.txt"}}
    with pytest.raises(StagingError):
        stage_in(order, tmp_path, options)


def test_a_package_that_takes_too_long_to_resolve_is_refused(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = {f"i{number}": "string?" for number in range(2000)}
    (tmp_path / "wide.cwl").write_text(json.dumps(tool("true", {}, inputs=inputs)))
    monkeypatch.setattr(prepare, "LONGEST_CPU_SECONDS", 1)
    with pytest.raises(PackageError) as caught:
        prepare.prepare_package(str(tmp_path / "wide.cwl"), site.settings)
    assert caught.value.diagnosis.code == "package.too-large"


CYCLES: dict[str, dict[str, Document]] = {
    "$include of itself": {"package.cwl": {"hints": [{"class": "ResourceRequirement", "ramMin": {"$include": ""}}]}},
    "$import of itself": {"package.cwl": {"inputs": {"$import": "package.cwl"}}},
    "$mixin of itself": {"package.cwl": {"hints": [{"$mixin": "#"}]}},
    "run of itself": {
        "package.cwl": {"class": "Workflow", "steps": {"a": {"run": "package.cwl", "in": {}, "out": []}}},
    },
    "a circle": {
        "package.cwl": {"inputs": {"$import": "a.json"}},
        "a.json": {"x": {"$import": "b.json"}},
        "b.json": {"y": {"$import": "a.json"}},
    },
}


@pytest.mark.parametrize("name", CYCLES)
def test_no_package_that_includes_itself_is_followed(name: str, site: Site, tmp_path: Path) -> None:
    for file, members in CYCLES[name].items():
        whole = tool("true", {}) | members if file == "package.cwl" else members
        (tmp_path / file).write_text(json.dumps(whole))
    with pytest.raises(PackageError) as caught:
        load_package(str(tmp_path / "package.cwl"), site.settings)
    assert caught.value.diagnosis.code == "package.recursion"


def test_documents_that_include_each_other_over_and_over_are_read_once(site: Site, tmp_path: Path) -> None:
    depth = 40
    for level in range(depth):
        below = {"x": {"$import": f"a{level + 1}.json"}, "y": {"$import": f"b{level + 1}.json"}}
        for name in ("a", "b"):
            (tmp_path / f"{name}{level}.json").write_text(json.dumps(below))
    for name in ("a", "b"):
        # the last ones lead back, so that no path is loaded
        (tmp_path / f"{name}{depth}.json").write_text(json.dumps({"x": {"$import": "a0.json"}}))
    (tmp_path / "package.cwl").write_text(json.dumps(tool("true", {}) | {"inputs": {"$import": "a0.json"}}))
    with pytest.raises(PackageError) as caught:
        load_package(str(tmp_path / "package.cwl"), site.settings)
    assert caught.value.diagnosis.code == "package.recursion"


def item(assets: int) -> bytes:
    hrefs = {f"a{number}": {"href": f"./{number}.tif"} for number in range(assets)}
    return json.dumps(build_item("a", hrefs)).encode()


ENDLESS = {
    "an item of many assets": (item(50), StageInOptions(retries=0, max_files=20)),
    "bytes without end": (item(2), StageInOptions(retries=0, max_bytes=1000)),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_no_catalog_takes_more_than_the_operator_allows(name: str, tmp_path: Path) -> None:
    content, options = ENDLESS[name]
    (tmp_path / "web").mkdir()
    with serve_files(tmp_path / "web") as web:
        for number in range(2):
            web.put(f"{number}.tif", bytes(5000))
        order = {"x": {"class": "Directory", "location": web.put("item.json", content)}}
        with pytest.raises(StagingError) as caught:
            stage_in(order, tmp_path / "in", options)
    assert caught.value.kind is Kind.REFUSED
    assert any(setting in caught.value.remedy for setting in ("STAGEIN_MAX_FILES", "STAGEIN_MAX_BYTES"))
    assert not list((tmp_path / "in").rglob("*.tif"))


def linking(*links: tuple[str, str]) -> bytes:
    catalog: Document = {"type": "Catalog", "stac_version": "1.0.0", "id": "c", "description": "c"}
    return json.dumps({**catalog, "links": [{"rel": rel, "href": href} for rel, href in links]}).encode()


def paging(number: int) -> bytes:
    features = [build_item(f"i{number}", {})]
    links = [{"rel": "next", "href": f"./{number + 1}.json"}]
    return json.dumps({"type": "FeatureCollection", "features": features, "links": links}).encode()


CATALOGS: dict[str, dict[str, bytes]] = {
    "a catalog in itself": {"0.json": linking(("child", "./0.json"), ("item", "./0.json"))},
    "a circle of catalogs": {"0.json": linking(("child", "./1.json")), "1.json": linking(("child", "./0.json"))},
    "children without end": {f"{n}.json": linking(("child", f"./{n + 1}.json")) for n in range(60)},
    "pages without end": {f"{n}.json": paging(n) for n in range(60)},
    "a page that follows itself": {"0.json": paging(-1)},
    "items without end": {"0.json": linking(*(("item", f"./{n}.json") for n in range(1, 90)))}
    | {f"{n}.json": json.dumps(build_item(f"i{n}", {})).encode() for n in range(1, 90)},
}


@pytest.mark.parametrize("name", CATALOGS)
@pytest.mark.timeout(120)
def test_no_catalog_is_read_for_ever(name: str, tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    with serve_files(tmp_path / "web") as web:
        for path, content in CATALOGS[name].items():
            web.put(path, content)
        order = {"x": {"class": "Directory", "location": f"{web.url}/0.json"}}
        with suppress(StagingError):
            stage_in(order, tmp_path / "in", StageInOptions(retries=0, max_items=20))
    # so many items, and as many other documents
    assert len(web.requests) <= 45


REDIRECTS = {"to itself": ("/a.tif",), "in a circle": ("/b.tif", "/a.tif"), "and on": ("/b.tif", "/c.tif", "/b.tif")}


@pytest.mark.parametrize("name", REDIRECTS)
@pytest.mark.timeout(60)
def test_no_redirects_are_followed_for_ever(name: str, tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    with serve_files(tmp_path / "web") as web:
        for path, target in zip(("a.tif", "b.tif", "c.tif"), REDIRECTS[name], strict=False):
            web.fail_always(path, Fault(302, {"Location": target}))
        order = {"x": {"class": "File", "location": f"{web.url}/a.tif"}}
        with pytest.raises(StagingError):
            stage_in(order, tmp_path / "in", StageInOptions(retries=0))
    assert len(web.requests) <= 60


def test_a_list_of_files_has_no_more_than_the_operator_allows(tmp_path: Path) -> None:
    with serve_files(tmp_path) as web:
        href = web.put("a.tif", b"a")
        order = {"x": [{"class": "File", "location": f"{href}?{number}"} for number in range(30)]}
        with pytest.raises(StagingError) as caught:
            stage_in(order, tmp_path / "in", StageInOptions(retries=0, max_files=20))
    assert "STAGEIN_MAX_FILES" in caught.value.remedy
    assert web.requests == []


def test_many_inputs_and_a_list_of_a_mebibyte_are_checked_in_a_bounded_time(site: Site, tmp_path: Path) -> None:
    inputs = {f"x{number}": {"type": "string[]?"} for number in range(100)}
    (tmp_path / "package.cwl").write_text(json.dumps(tool("true", {}, inputs=inputs)))
    package = load_package(str(tmp_path / "package.cwl"), site.settings)
    request = {"inputs": {"x1": ["a" * 8] * 100_000}}
    began = time.process_time()
    assert len(read_execute_request(package, request).values["x1"]) == 100_000
    with pytest.raises(InputError) as caught:
        read_execute_request(package, request, max_values=1000)
    assert caught.value.diagnosis.code == "inputs.too-large"
    assert time.process_time() - began < 20


@pytest.mark.timeout(60)
def test_a_step_that_runs_where_another_one_fails_can_end(site: Site) -> None:
    run = {key: value for key, value in tool("sleep 1", {}).items() if key != "cwlVersion"}
    broken: Document = {"class": "Directory", "contents": "x"}
    failing = {key: value for key, value in expression(json.dumps(broken), "Any").items() if key != "cwlVersion"}
    steps = {"long": {"run": run, "in": {}, "out": []}, "failing": {"run": failing, "in": {}, "out": ["o"]}}
    package = {"cwlVersion": "v1.2", "class": "Workflow", "id": "attack", "inputs": {}, "outputs": {}, "steps": steps}
    with suppress(Exception):  # what cwltool does not foresee ends its process
        assert run_here(site, package) is not None


def test_an_entry_without_a_name_is_a_mistake_of_the_package(site: Site) -> None:
    entry: Document = {"entry": "${ return {class: 'Any', contents: 'x'}; }"}
    listing: Document = {"class": "InitialWorkDirRequirement", "listing": [entry]}
    error = run_here(site, tool("true", {}, listing))
    assert error is not None
    assert error.diagnosis.code == "step.not-ready"
    assert error.diagnosis.level is Level.USER
    # cwltool numbers the steps of one name in a process, and this one has run many
    assert str(error.diagnosis.step).partition("_")[0] == "attack"
