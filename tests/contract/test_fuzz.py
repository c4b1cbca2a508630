"""Hostile packages, job orders, execute requests and STAC documents: never a traceback, never outside.

Whatever comes, the answer is a result or one of our own errors; no file changes outside the job's folders, no program
is started, and no address is asked that the operator has not allowed.
"""

import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from stagein import StageInOptions, stage_in
from tests.contract.mutations import JSON, TEXTS, deeply_nested, mutated
from tests.contract.watching import Seen, watching
from tests.servers import Fault, FileServer, serve_files
from tests.values import EXAMPLES, PACKAGES, settings_in
from zoo_runner.inputs.inspection import inspect_package
from zoo_runner.inputs.job_file import read_order
from zoo_runner.inputs.joborder import build_job_order, read_execute_request
from zoo_runner.model.errors import PackageError, RunnerError
from zoo_runner.model.package import Package
from zoo_runner.package.describe import build_description
from zoo_runner.package.findings import build_sarif, format_findings
from zoo_runner.package.loading import load_package
from zoo_runner.zoo.values import InputReader
from zoo_staging.errors import StagingError

Count = Callable[[str], None]


def fuzz(max_examples: int) -> settings:
    """Settings of a fuzz test: the same cases in every run, and no database, so that a run leaves nothing behind."""
    return settings(
        max_examples=max_examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


OPTIONS = StageInOptions(
    retries=0, connect_timeout_seconds=2, read_timeout_seconds=2, max_items=20, max_bytes=1 << 20, allowed_roots=()
)
LONG = "Asset " * 200


def read_yaml(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text())


CWL = [
    read_yaml(path)
    for path in (
        EXAMPLES / "water" / "water.cwl",
        EXAMPLES / "features" / "scatter" / "scatter.cwl",
        PACKAGES / "graph" / "graph.cwl",
        PACKAGES / "types" / "types.cwl",
        PACKAGES / "community" / "community.cwl",
    )
]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The only folder that may change; every module that is imported late was imported once."""
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "named.yml").write_text((PACKAGES / "types" / "named.yml").read_text())
    inspect_package(str(PACKAGES / "types" / "types.cwl"), settings_in(folder))
    return folder


@pytest.fixture(scope="module")
def packages(room: Path) -> list[Package]:
    return [load_package(str(PACKAGES / name / f"{name}.cwl"), settings_in(room)) for name in ("types", "community")]


@pytest.fixture(scope="module")
def server(room: Path) -> Iterator[FileServer]:
    with serve_files(room / "www") as files:
        for number, target in enumerate(("http://169.254.169.254/latest/meta-data/", "file:///etc/passwd", "//[")):
            files.fail_always(f"redirect-{number}", Fault(302, {"Location": target}))
        files.fail_always("gone", Fault(404))
        files.put("data.tif", b"II*\0")
        yield files


def check(seen: Seen, *allowed: str) -> None:
    assert seen.changed == [], "files outside the job's folders changed"
    assert seen.started == [], "a program was started"
    assert seen.asked <= set(allowed), "an address was asked that is not allowed"


def test_the_watcher_sees_files_addresses_and_programs(tmp_path: Path) -> None:
    with watching(tmp_path / "inside") as seen:
        (tmp_path / "inside").mkdir()
        (tmp_path / "inside" / "a").write_text("a")
        (tmp_path / "inside" / "a").rename(tmp_path / "b")
        with socket.socket() as client, suppress(OSError):
            client.connect(("127.0.0.1", 1))
        subprocess.run(["true"], check=True)
    assert seen.changed == [str(tmp_path / "b")]
    assert seen.asked == {"127.0.0.1"}
    assert any("true" in program for program in seen.started)


def refuse_to_fetch(url: str, max_bytes: int) -> bytes:
    raise PackageError(f"{url} cannot be reached in this test", "None.")


def take_package(text: bytes, room: Path) -> None:
    """All that is done with a package before it runs."""
    path = room / "fuzzed.cwl"
    path.write_bytes(text)
    with watching(room) as seen:
        findings = inspect_package(str(path), settings_in(room), refuse_to_fetch)
        assert format_findings(findings)
        json.dumps(build_sarif(findings, None))
        with suppress(PackageError):
            json.dumps(build_description(load_package(str(path), settings_in(room), refuse_to_fetch)))
    check(seen)


@fuzz(120)
@given(document=mutated(st.sampled_from(CWL)))
def test_a_changed_package_is_taken_or_refused(document: Any, room: Path, count: Count) -> None:
    count("packages")
    take_package(json.dumps(document).encode(), room)


@fuzz(40)
@given(
    document=st.sampled_from(CWL),
    noise=st.binary(min_size=1, max_size=20),
    place=st.floats(0, 1),
    cut=st.integers(0, 40),
)
def test_a_damaged_text_is_refused(
    document: Any, noise: bytes, place: float, cut: int, room: Path, count: Count
) -> None:
    count("packages")
    text = json.dumps(document, indent=1).encode()
    start = int(place * len(text))
    take_package(text[:start] + noise + text[start + cut :], room)


KERNEL = json.loads((PACKAGES.parent / "kernel" / "recorded-inputs.json").read_text())
KERNEL_ENTRIES = [entry for inputs in KERNEL.values() for entry in inputs.values()]
BOMB = "\n".join(
    ["cwlVersion: v1.2", "class: CommandLineTool", "inputs: []", "outputs: []", "s0: &s0 [x, x, x, x, x, x, x, x, x]"]
    + [f"s{level}: &s{level} [{', '.join([f'*s{level - 1}'] * 9)}]" for level in range(1, 12)]
)
TOOL = {"cwlVersion": "v1.2", "class": "CommandLineTool", "inputs": [], "outputs": []}


@pytest.mark.parametrize(
    "text",
    [
        BOMB.encode(),
        b"a: &a [*a]",
        b"cwlVersion: v1.2\nclass: Workflow\nsteps: &a [*a]\ninputs: []\noutputs: []",
        b"[" * 100_000,
        b"{a: " * 5_000,
        json.dumps({**TOOL, "doc": deeply_nested(70, "x")}).encode(),
        json.dumps({**TOOL, "inputs": {"x": {"type": deeply_nested(70, "int", "type")}}}).encode(),
        json.dumps({**TOOL, "requirements": [{"$import": "fuzzed.cwl"}]}).encode(),
        json.dumps({**TOOL, "class": "Workflow", "steps": {"a": {"in": [], "out": [], "run": "fuzzed.cwl"}}}).encode(),
        json.dumps({**TOOL, "doc": {"$include": "/etc/passwd"}}).encode(),
        json.dumps({**TOOL, "$namespaces": {"x": "http://169.254.169.254/"}, "$schemas": ["x:y"]}).encode(),
        b"\xff\xfe\x00",
        b"",
        b"--- a\n--- b",
        b"!!python/object/apply:os.system [id]",
        b"&a\n? *a\n: 1",
    ],
    ids=range(16),
)
def test_a_package_made_to_harm_is_refused(text: bytes, room: Path, count: Count) -> None:
    count("packages")
    take_package(text, room)


def take_order(read: Callable[[], Any], room: Path) -> None:
    with watching(room) as seen:
        try:
            values = read().values
        except RunnerError as error:
            reported = "\n".join((error.diagnosis.cause, *error.diagnosis.evidence))
            assert "\0" not in reported
            assert "\x1b" not in reported
        else:
            json.dumps(values)
    check(seen)


INPUTS = json.loads((PACKAGES / "community" / "inputs.json").read_text())["inputs"] | {
    "flag": True,
    "file": {"class": "File", "location": "file:///a/b.tif", "secondaryFiles": [{"class": "File", "path": "c"}]},
    "folder": {"class": "Directory", "listing": [{"class": "File", "basename": "a", "contents": "x"}]},
    "folders": [{"href": "https://example.org/item.json"}],
    "own_record": {"a": {"value": "QQ==", "encoding": "base64"}, "b": [1, 2.5]},
    "nested": [[1, 2], [3]],
}
ORDERS = st.one_of(mutated(st.just(INPUTS)), JSON, st.just(deeply_nested(500, INPUTS)))


@fuzz(400)
@given(order=ORDERS, which=st.integers(0, 1))
def test_a_hostile_job_order_is_taken_or_refused(
    order: Any, which: int, room: Path, packages: list[Package], count: Count
) -> None:
    count("job orders")
    take_order(lambda: build_job_order(packages[which], order, base="/jobs"), room)


@fuzz(400)
@given(
    request=st.one_of(
        ORDERS.map(lambda order: {"inputs": order}),
        mutated(st.just({"inputs": INPUTS, "outputs": {"given": {}}})),
        JSON,
    ),
    which=st.integers(0, 1),
)
def test_a_hostile_execute_request_is_taken_or_refused(
    request: Any, which: int, room: Path, packages: list[Package], count: Count
) -> None:
    count("execute requests")
    take_order(lambda: read_execute_request(packages[which], request), room)


@fuzz(40)
@given(
    text=st.one_of(JSON.map(json.dumps), st.text(max_size=60), st.sampled_from(["[" * 100_000, "{a: " * 3000, BOMB]))
)
def test_a_hostile_job_file_is_taken_or_refused(text: str, room: Path, packages: list[Package], count: Count) -> None:
    count("job orders")
    path = room / "order.yml"
    path.write_bytes(text.encode(errors="surrogatepass"))
    take_order(lambda: read_order(packages[0], str(path), (), settings_in(room)), room)


def build_item(url: str) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "item-1",
        "geometry": None,
        "properties": {"datetime": "2024-07-31T10:15:00Z"},
        "links": [{"rel": "self", "href": f"{url}/item.json"}, {"rel": "collection", "href": "./collection.json"}],
        "assets": {"a": {"href": "./data.tif", "roles": ["data"]}, "b": {"href": f"{url}/redirect-0", "title": LONG}},
    }


def build_catalog(url: str) -> dict[str, Any]:
    links = [{"rel": "item", "href": "./item.json"}, {"rel": "child", "href": f"{url}/redirect-1"}]
    return {"type": "Catalog", "stac_version": "1.0.0", "id": "c", "description": "d", "links": links}


def build_collection(url: str) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": [build_item(url), build_item(url)], "links": []}


@fuzz(200)
@given(
    entry=mutated(st.sampled_from(KERNEL_ENTRIES)),
    others=st.dictionaries(st.sampled_from(TEXTS), JSON, max_size=2),
    name=st.sampled_from([*INPUTS, *TEXTS]),
    which=st.integers(0, 1),
)
def test_hostile_values_of_a_kernel_are_taken_or_refused(
    entry: Any, others: Any, name: str, which: int, room: Path, packages: list[Package], count: Count
) -> None:
    count("kernel requests")
    reader = InputReader(folders=(room,))
    take_order(lambda: reader.read(packages[which], {name: entry, **others}, {}), room)


@pytest.mark.parametrize(
    "entry",
    [
        {"isArray": "true", "length": "999999999999"},
        {"isArray": "true", "length": "999999999", "value": "a"},
        {"isArray": "true", "length": "many", "value": "a"},
        {"isArray": "true", "length": "-1", "value": "a"},
        {"isArray": "true", "length": ["2"], "value": ["a", "b"]},
        {"value": "[" * 100_000},
        {"value": "\0", "inRequest": "true"},
        {"Reference": "http://[", "cache_file": "/etc/passwd"},
        {"Reference": "http://[", "cache_file": "ROOM/order.yml"},
        {"Reference": "file:///etc/passwd"},
        {"cache_file": "/etc/\0passwd", "value": "{}"},
        {"value": {"class": "File", "location": "file:///etc/passwd"}},
    ],
    ids=range(12),
)
def test_entries_that_no_kernel_makes_are_taken_or_refused(
    entry: Any, room: Path, packages: list[Package], count: Count
) -> None:
    (room / "order.yml").write_text("{}")
    entry = {key: value.replace("ROOM", str(room)) if isinstance(value, str) else value for key, value in entry.items()}
    for name in INPUTS:
        count("kernel requests")
        for package in packages:
            reader = InputReader(folders=(room,))
            take_order(lambda: reader.read(package, {name: entry}, {}), room)  # noqa: B023 called at once
            assert set(reader.local_files) <= {room / "order.yml"}


URL = "URL"  # replaced by the address of the server of the test
STAC = [build_item(URL), build_catalog(URL), build_collection(URL)]
HREFS = st.sampled_from(
    [*TEXTS, f"{URL}/redirect-2", f"{URL}/gone", f"{URL}/../../x", "data.tif", "\\..\\x", "?", "//h/x"]
)


@fuzz(120)
@given(document=mutated(st.sampled_from(STAC), st.one_of(HREFS, JSON)), allow_private=st.booleans(), where=HREFS)
def test_hostile_stac_is_brought_or_refused(
    document: Any, allow_private: bool, where: str, room: Path, server: FileServer, count: Count
) -> None:
    count("STAC documents")
    for name in ("fuzzed.json", "item.json"):
        server.put(name, json.dumps(document).replace(URL, server.url).encode())
    order = {
        "x": {"class": "Directory", "location": f"{server.url}/fuzzed.json"},
        "y": {"class": "File", "location": where.replace(URL, server.url)},
    }
    options = StageInOptions(**{**OPTIONS.__dict__, "allow_private": allow_private})
    job = room / "job"
    for part in ({"x": order["x"]}, order):
        with watching(job) as seen, suppress(StagingError):
            stage_in(part, job, options)
        check(seen, *(["127.0.0.1", "::1"] if allow_private else []))


@fuzz(40)
@given(order=st.dictionaries(st.sampled_from(TEXTS), mutated(st.just(INPUTS["file"])), max_size=3))
def test_a_hostile_order_is_staged_or_refused(order: Any, room: Path, count: Count) -> None:
    count("job orders")
    job = room / "job"
    with watching(job) as seen, suppress(StagingError):
        stage_in(order, job, StageInOptions(**{**OPTIONS.__dict__, "allow_private": False}))
    check(seen)
