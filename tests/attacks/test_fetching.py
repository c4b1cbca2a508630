"""Inputs, catalogs, redirects, names and packages lead a service to hosts in its private network, or to local files."""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stagein.settings import StageInOptions, load_options
from stagein.stage import stage_in
from tests.attacks.hostile import CANARY, Document, Host, find_canary, tool
from tests.servers import Fault, FileServer, serve_files
from tests.site import Site
from tests.unit.stagein.items import build_item
from zoo_runner.config.service import SERVICE_DEFAULTS, load_service_configuration
from zoo_runner.config.settings import Settings
from zoo_runner.inputs.joborder import build_job_order
from zoo_runner.model.errors import PackageError
from zoo_runner.package.loading import load_package
from zoo_runner.package.prepare import prepare_package, prepare_public, prepare_upload
from zoo_staging.addresses import Reach
from zoo_staging.errors import Kind, StagingError
from zoo_staging.http import HttpClient, HttpOptions

LISTENER = "127.0.0.2"
"""Where the host listens too: the operator has allowed 127.0.0.1 only, for the catalogs and packages of these tests."""
FORMS = (
    "127.0.0.1",
    "localhost",
    "LOCALHOST.",
    "a.localhost",
    "127.0.0.2",
    "127.1",
    "127.0.0.1.",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0x7f.0.0.0x1",
    "0.0.0.0",
    "0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::1]",
    "user:word@127.0.0.1",
    "example.org@127.0.0.1",
    "169.254.169.254",
    "[fe80::1%25lo]",
    "%31%32%37.0.0.1",
    "①②⑦.0.0.1",
)


def of_service(**more: str) -> StageInOptions:
    """The options of stage-in in a service."""
    variables = {**SERVICE_DEFAULTS, "STAGEIN_RETRIES": "0", "STAGEIN_CONNECT_TIMEOUT_SECONDS": "2", **more}
    return replace(load_options(variables), allowed_roots=())


def refusal(href: str, kind: str, folder: Path, options: StageInOptions) -> StagingError:
    with pytest.raises(StagingError) as caught:
        stage_in({"x": {"class": kind, "location": href}}, folder, options)
    return caught.value


@pytest.mark.parametrize("kind", ["File", "Directory"])
@pytest.mark.parametrize("form", FORMS)
def test_a_service_reaches_no_private_host_in_any_form_of_its_address(
    form: str, kind: str, host: Host, tmp_path: Path
) -> None:
    error = refusal(host.at(form), kind, tmp_path / "in", of_service())
    assert error.kind is Kind.REFUSED
    assert host.contacts == []
    assert find_canary(tmp_path / "in") == []


@pytest.mark.parametrize(
    "href",
    [
        "file:///etc/passwd",
        "/etc/passwd",
        "FILE:///etc/passwd",
        "file:/etc/passwd",
        "/proc/self/environ",
        "/none/at/all",
    ],
)
def test_a_service_reads_no_local_file_and_does_not_say_whether_it_is_there(href: str, tmp_path: Path) -> None:
    for kind in ("File", "Directory"):
        error = refusal(href, kind, tmp_path / "in", of_service())
        assert error.kind is Kind.REFUSED
    assert find_canary(tmp_path / "in") == []


@pytest.fixture
def web(tmp_path: Path) -> Iterator[FileServer]:
    """A server that the operator has allowed, whose publisher is hostile."""
    (tmp_path / "web").mkdir()
    with serve_files(tmp_path / "web") as files:
        yield files


def item(**more: Any) -> Document:
    return build_item("a", **more)


def catalog(*links: Document) -> Document:
    return {"type": "Catalog", "stac_version": "1.0.0", "id": "c", "description": "c", "links": list(links)}


def asset(href: str, **more: Any) -> Document:
    return item(assets={"a": {"href": href, **more}})


def page(*links: Document) -> Document:
    return {"type": "FeatureCollection", "features": [item()], "links": list(links)}


CATALOGS: dict[str, Callable[[Host], Document]] = {
    "an asset": lambda h: asset(h.at(LISTENER)),
    "an asset by another scheme's case": lambda h: asset(h.at(LISTENER).replace("http", "HTTP")),
    "an asset without scheme": lambda h: asset(h.at(LISTENER).removeprefix("http:")),
    "an asset of this machine": lambda h: asset(h.secret.as_uri()),
    "an asset by its path": lambda h: asset(str(h.secret)),
    "an asset by steps up": lambda h: asset(f"../../../../../../../..{h.secret}"),
    "an alternate": lambda h: asset("http://none.invalid/a", alternate={"http": {"href": h.at(LISTENER)}}),
    "a preview": lambda h: asset(h.at(LISTENER), roles=["thumbnail"]),
    "a zarr store": lambda h: asset(h.at(LISTENER, "a.zarr"), type="application/vnd+zarr"),
    "a folder": lambda h: asset(h.at(LISTENER, "a.SAFE/")),
    "an item": lambda h: catalog({"rel": "item", "href": h.at(LISTENER)}),
    "an item of this machine": lambda h: catalog({"rel": "item", "href": (h.folder / "secret.json").as_uri()}),
    "a child": lambda h: catalog({"rel": "child", "href": h.at(LISTENER)}),
    "the next page": lambda h: page({"rel": "next", "href": h.at(LISTENER)}),
    "the next page by POST": lambda h: page({"rel": "next", "href": h.at(LISTENER), "method": "POST", "body": {}}),
    "the address of an item itself": lambda h: (
        page() | {"features": [asset("secret.txt") | {"links": [{"rel": "self", "href": h.at(LISTENER, "item.json")}]}]}
    ),
}


@pytest.mark.parametrize("name", CATALOGS)
def test_no_catalog_leads_a_service_elsewhere(name: str, web: FileServer, host: Host, tmp_path: Path) -> None:
    href = web.put("catalog.json", json.dumps(CATALOGS[name](host)).encode())
    refusal(href, "Directory", tmp_path / "in", of_service(STAGEIN_PRIVATE_HOSTS="127.0.0.1"))
    assert host.contacts == []
    assert find_canary(tmp_path / "in") == []


REDIRECTS: dict[str, Callable[[Host], str]] = {
    "another host": lambda h: h.at(LISTENER),
    "a name": lambda h: h.at("localhost"),
    "a number": lambda h: h.at("2130706434"),
    "another host, without scheme": lambda h: h.at(LISTENER).removeprefix("http:"),
    "IPv6": lambda h: h.at("[::1]"),
    "a file": lambda h: h.secret.as_uri(),
    "another protocol": lambda h: f"gopher://{LISTENER}:{h.port}/",
}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("name", REDIRECTS)
def test_no_redirect_leads_a_service_elsewhere(
    name: str, status: int, web: FileServer, host: Host, tmp_path: Path
) -> None:
    web.fail_always("a.tif", Fault(status, {"Location": REDIRECTS[name](host)}))
    options = of_service(STAGEIN_PRIVATE_HOSTS="127.0.0.1")
    for kind in ("File", "Directory"):
        assert refusal(f"{web.url}/a.tif", kind, tmp_path / "in", options).kind is Kind.REFUSED
    assert host.contacts == []
    assert find_canary(tmp_path / "in") == []


class Rebinding:
    """A resolver whose answers change: the first is allowed, the later ones are not."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)

    def __call__(self, host: str, port: int, **_: Any) -> list[Any]:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [(None, None, None, None, (address, port)) for address in answer]


ANSWERS: dict[str, tuple[list[str], ...]] = {
    "at once": (["127.0.0.2"],),
    "for the second request": (["127.0.0.1"], ["127.0.0.2"]),
    "beside an allowed one": (["127.0.0.2", "127.0.0.1"],),
    "as IPv6": (["::1"],),
    "as a mapped address": (["::ffff:127.0.0.2"],),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_no_name_leads_to_a_private_host_however_often_it_is_resolved(name: str, web: FileServer, host: Host) -> None:
    web.put("secret.txt", b"public")
    # the port of the listener, where the allowed address answers nothing that is wanted
    options = HttpOptions(Reach(False, ("127.0.0.1",)), 2, resolve=Rebinding(*ANSWERS[name]))
    port = int(web.url.rpartition(":")[2])
    bodies = [asyncio.run(_fetch(options, f"http://rebinding.example:{each}/secret.txt")) for each in (port, port)]
    elsewhere = asyncio.run(_fetch(options, f"http://rebinding.example:{host.port}/secret.txt"))
    assert {*bodies} <= {b"public", b"refused"}
    assert elsewhere == b"refused" or host.contacts


async def _fetch(options: HttpOptions, href: str) -> bytes:
    try:
        async with HttpClient(options) as client, client.get(href) as answer:
            return b"".join([chunk async for chunk in answer.chunks])
    except StagingError:
        return b"refused"


# --- packages


@pytest.fixture
def service(site: Site) -> Settings:
    """The settings of a service, where the operator has allowed 127.0.0.1."""
    environ = {**site.environ, "STAGEIN_PRIVATE_HOSTS": "127.0.0.1"}
    return replace(load_service_configuration(environ).settings, cache=site.folder / "cache")


def including(address: str) -> Document:
    expression_library = {"class": "InlineJavascriptRequirement", "expressionLib": [{"$include": address}]}
    return {**tool("true", {}), "requirements": [expression_library]}


def running(address: str) -> Document:
    return {
        "cwlVersion": "v1.2",
        "class": "Workflow",
        "id": "attack",
        "inputs": {},
        "outputs": {},
        "steps": {"one": {"run": address, "in": {}, "out": []}},
    }


def typed(address: str) -> Document:
    return {**tool("true", {}), "requirements": [{"class": "SchemaDefRequirement", "types": [{"$import": address}]}]}


REFERRING: dict[str, Callable[[str], Document]] = {
    "$include": including,
    "run": running,
    "$import of types": typed,
    "$import of inputs": lambda address: {**tool("true", {}), "inputs": {"$import": address}},
    "$import of a step": lambda address: {**running("x"), "steps": {"one": {"run": {"$import": address}, "in": {}}}},
    "$mixin": lambda address: {**tool("true", {}), "hints": [{"$mixin": address}]},
    "a type": lambda address: {**tool("true", {}), "inputs": {"x": f"{address}#type"}},
}
TARGETS: dict[str, Callable[[Host], str]] = {
    "a host": lambda h: h.at(LISTENER),
    "a host by name": lambda h: h.at("localhost"),
    "a file": lambda h: (h.folder / "secret.json").as_uri(),
    "a file by its path": lambda h: str(h.folder / "secret.json"),
    "a file of a neighbour": lambda h: "../neighbour/app-package.cwl",
    "a file by a link": lambda h: "link.json",
}


@pytest.fixture
def folder(tmp_path: Path, host: Host) -> Path:
    """A folder of a deployed package, with that of another tenant beside it."""
    own, other = tmp_path / "services" / "own", tmp_path / "services" / "neighbour"
    own.mkdir(parents=True)
    other.mkdir()
    (other / "app-package.cwl").write_text(json.dumps({**tool(CANARY, {}), "doc": CANARY}))
    (own / "link.json").symlink_to(other / "app-package.cwl")
    return own


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("way", REFERRING)
def test_no_deployed_package_refers_to_what_was_not_deployed_with_it(
    way: str, target: str, service: Settings, host: Host, folder: Path
) -> None:
    document = REFERRING[way](TARGETS[target](host))
    (folder / "app-package.cwl").write_text(json.dumps(document))
    with pytest.raises(PackageError) as caught:
        load_package(f"{folder / 'app-package.cwl'}#attack", service)
    assert CANARY not in json.dumps([caught.value.diagnosis.cause, *caught.value.diagnosis.evidence])
    assert host.contacts == []
    assert find_canary(service.cache) == []


@pytest.mark.parametrize("target", ["a host", "a host by name", "a file"])
@pytest.mark.parametrize("way", ["$include", "run"])
def test_no_package_of_a_request_refers_to_this_machine_or_its_network(
    way: str, target: str, service: Settings, host: Host
) -> None:
    content = json.dumps(REFERRING[way](TARGETS[target](host)))
    with pytest.raises(PackageError):
        prepare_upload({"a.cwl": content}, "a.cwl", None, service)
    assert host.contacts == []
    assert find_canary(service.cache) == []


@pytest.mark.parametrize("form", FORMS[:12:3])
def test_no_package_is_fetched_from_a_private_host(form: str, service: Settings, host: Host) -> None:
    settings = replace(service, reach=Reach(private=False))
    with pytest.raises(PackageError):
        prepare_public(host.at(form), settings)
    assert host.contacts == []


@pytest.mark.parametrize("name", REDIRECTS)
def test_no_redirect_leads_the_loader_elsewhere(name: str, service: Settings, web: FileServer, host: Host) -> None:
    web.fail_always("a.cwl", Fault(302, {"Location": REDIRECTS[name](host)}))
    with pytest.raises(PackageError) as caught:
        prepare_public(f"{web.url}/a.cwl", service)
    assert caught.value.diagnosis.code == "package.refused"
    assert host.contacts == []


def test_where_hosts_of_packages_are_listed_a_redirect_leads_to_no_other(
    service: Settings, web: FileServer, host: Host
) -> None:
    web.fail_always("a.cwl", Fault(302, {"Location": f"http://localhost:{web.url.rpartition(':')[2]}/b.cwl"}))
    web.put("b.cwl", json.dumps(tool("true", {})).encode())
    settings = replace(service, package_hosts=("127.0.0.1",), reach=Reach())
    with pytest.raises(PackageError) as caught:
        prepare_package(f"{web.url}/a.cwl", settings)
    assert caught.value.diagnosis.code == "package.refused"
    assert web.requests == ["a.cwl"]


def test_a_deployed_package_has_the_documents_of_its_folder(service: Settings, folder: Path) -> None:
    (folder / "lib.js").write_text("function one() { return 1; }")
    (folder / "below").mkdir()
    (folder / "below" / "types.json").write_text(json.dumps({"type": "enum", "name": "e", "symbols": ["a"]}))
    document = {**including("lib.js")}
    document["requirements"] += typed("below/types.json")["requirements"]
    (folder / "app-package.cwl").write_text(json.dumps(document))
    package = prepare_package(f"{folder / 'app-package.cwl'}#attack", service)
    assert "function one" in json.dumps(package.document)


def test_the_schemas_of_a_package_are_not_fetched(service: Settings, host: Host, folder: Path) -> None:
    document = {**tool("true", {}), "$schemas": [host.at(LISTENER), host.secret.as_uri()]}
    (folder / "app-package.cwl").write_text(json.dumps(document))
    prepare_package(f"{folder / 'app-package.cwl'}#attack", service)
    assert host.contacts == []


@pytest.mark.parametrize("location", ["secret.txt", "file:///etc/passwd", "../neighbour/app-package.cwl"])
def test_no_default_of_a_package_from_a_request_is_a_file_of_this_machine(location: str, service: Settings) -> None:
    inputs = {"x": {"type": "File", "default": {"class": "File", "location": location}}}
    try:
        package = prepare_upload({"a.cwl": json.dumps(tool("true", {}, inputs=inputs))}, "a.cwl", None, service)
        order = build_job_order(package, {})
    except PackageError:
        return
    assert "file:" not in json.dumps(dict(order.values))
