import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.values import configuration_in, settings_in
from zoo_runner.config.settings import Settings
from zoo_runner.files import write_atomically
from zoo_runner.model.errors import EngineError, PackageError, SettingsError
from zoo_runner.package import prepare, sent_documents
from zoo_runner.package.documents import Documents, as_uri, is_remote
from zoo_runner.package.loading import load_package
from zoo_runner.package.resolver import Resolved, resolve_in_new_process
from zoo_runner.server.deploying import Deployment, load_deployment

ENTRY = "https://cwl.example/app.cwl"


class Web:
    """A fetcher over a mapping, which counts what it is asked for."""

    def __init__(self, pages: dict[str, bytes]) -> None:
        self.pages, self.asked = pages, list[str]()

    def __call__(self, url: str, max_bytes: int) -> bytes:
        self.asked.append(url)
        return self.pages[url]


def test_a_path_becomes_a_file_uri_and_keeps_its_id(tmp_path: Path) -> None:
    assert as_uri(f"{tmp_path}/a b.cwl#main") == f"{tmp_path.as_uri()}/a%20b.cwl#main"


@pytest.mark.parametrize("uri", ["https://h/a.cwl#x", "http://h/a.cwl", "file:///a.cwl"])
def test_a_uri_stays_as_it_is(uri: str) -> None:
    assert as_uri(uri) == uri
    assert is_remote(uri) == uri.startswith("http")


@pytest.mark.parametrize("reference", ["http://[::1/a.cwl", "~no-such-user/a.cwl", "https://", "a\0b.cwl"])
def test_a_reference_that_is_invalid_is_refused_with_its_text(reference: str, tmp_path: Path) -> None:
    with pytest.raises(PackageError) as caught:
        uri = as_uri(reference)
        Documents(uri, settings_in(tmp_path), Web({})).read(uri)
    assert caught.value.diagnosis.remedy


@pytest.mark.parametrize("reference", ["s3://bucket/app.cwl", "ftp://host/app.cwl", "oci://host/app"])
def test_an_address_of_another_kind_is_refused_with_what_is_accepted(reference: str) -> None:
    with pytest.raises(PackageError):
        as_uri(reference)


@pytest.mark.parametrize("body", ["inputs: {$import: 'http://[broken/x'}", "steps: {s: {run: 'http://[broken/x'}}"])
def test_an_invalid_address_in_a_document_is_refused_with_its_place(body: str, tmp_path: Path) -> None:
    path = tmp_path / "app.cwl"
    path.write_text(f"cwlVersion: v1.2\nclass: Workflow\n{body}\n")
    with pytest.raises(PackageError) as caught:
        load_package(str(path), settings_in(tmp_path))
    assert caught.value.diagnosis.code == "package.reference"
    assert all(fact in caught.value.diagnosis.cause for fact in ("http://[broken/x", path.as_uri()))


@pytest.mark.parametrize("href", ["http://[broken/app.cwl", "ftp://host/app.cwl", "app.cwl", ""])
def test_an_invalid_address_of_a_deployment_is_refused(href: str, tmp_path: Path) -> None:
    with pytest.raises(PackageError) as caught:
        load_deployment(Deployment(href=href), configuration_in(tmp_path), resolve_in_new_process)
    assert caught.value.diagnosis.code == "package.reference"


def test_a_document_is_read_once(tmp_path: Path) -> None:
    web = Web({ENTRY: b"one"})
    documents = Documents(ENTRY, settings_in(tmp_path), web)
    assert documents.read(ENTRY) == documents.read(f"{ENTRY}#main") == b"one"
    assert web.asked == [ENTRY]
    assert [file.uri for file in documents.files] == [ENTRY]


def test_a_document_of_the_web_that_another_refers_to_is_asked_for_again_as_that_is(tmp_path: Path) -> None:
    tool = "https://cwl.example/tool.cwl"
    head = {"cwlVersion": "v1.2", "inputs": {}, "outputs": {}}
    steps = {"one": {"run": "tool.cwl", "in": {}, "out": []}}
    entry = json.dumps({**head, "class": "Workflow", "steps": steps}).encode()
    old, new = (
        json.dumps({**head, "class": "CommandLineTool", "baseCommand": name}).encode() for name in ("old", "new")
    )
    web = Web({ENTRY: entry, tool: old})
    first = load_package(ENTRY, settings_in(tmp_path), web)
    assert load_package(ENTRY, settings_in(tmp_path), web) == first
    web.pages[tool] = new
    second = json.dumps(load_package(ENTRY, settings_in(tmp_path), web).document)
    assert '"new"' in second and '"old"' not in second
    assert web.asked.count(tool) == web.asked.count(ENTRY) == 3


def test_what_a_child_has_resolved_is_taken_though_its_documents_have_changed_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = {"cwlVersion": "v1.2", "class": "CommandLineTool", "baseCommand": "true", "inputs": {}, "outputs": {}}
    web, settings = Web({ENTRY: json.dumps(tool).encode()}), settings_in(tmp_path)
    monkeypatch.setattr(sent_documents, "build_fetch", lambda *_: web)

    def run(order: Mapping[str, Any], settings: Settings) -> Resolved:
        load_package(order["reference"], settings, web)
        web.pages[ENTRY] = b"another version, or a page of an error"
        return Resolved(0, "", "")

    assert prepare.prepare_public(ENTRY, settings, run).process["baseCommand"] == "true"
    assert web.asked == [ENTRY]


@pytest.mark.parametrize(("returncode", "end"), [(0, "stored nothing in {cache}"), (1, "ended with 1")])
def test_a_child_that_resolves_nothing_is_reported_with_its_end(tmp_path: Path, returncode: int, end: str) -> None:
    settings = settings_in(tmp_path)
    path = tmp_path / "app.cwl"
    with pytest.raises(EngineError) as caught:
        prepare.prepare_public(str(path), settings, lambda *_: Resolved(returncode, "", "why\n"))
    found = caught.value.diagnosis
    assert (found.code, found.evidence) == ("package.resolve", ("why",))
    assert end.format(cache=settings.cache) in found.cause


def test_a_remote_document_may_not_refer_to_local_files(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    documents = Documents(ENTRY, settings_in(tmp_path), Web({}))
    with pytest.raises(PackageError, match="secret") as caught:
        documents.read(secret.as_uri())
    assert caught.value.diagnosis.code == "package.refused"


def test_only_hosts_of_the_rule_are_asked(tmp_path: Path) -> None:
    web = Web({ENTRY: b"one"})
    settings = settings_in(tmp_path, ZOO_RUNNER_PACKAGE_HOSTS="good.example,cwl.example")
    documents = Documents(ENTRY, settings, web)
    assert documents.read(ENTRY) == b"one"
    for url in ("https://bad.example/x", "https://cwl.example.bad.example/x", "https://cwl.example@bad.example/x"):
        with pytest.raises(PackageError, match=r"good\.example, cwl\.example") as caught:
            documents.read(url)
        assert caught.value.diagnosis.code == "package.refused"
    assert web.asked == [ENTRY]


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    large = tmp_path / "large.cwl"
    large.write_bytes(b"x" * 5000)
    settings = settings_in(tmp_path, ZOO_RUNNER_PACKAGE_MAX_MIB="0.00390625")
    with pytest.raises(PackageError, match=r"0\.00390625 MiB") as caught:
        Documents(large.as_uri(), settings).read(large.as_uri())
    assert caught.value.diagnosis.code == "package.too-large"
    assert "ZOO_RUNNER_PACKAGE_MAX_MIB" in caught.value.diagnosis.remedy


def test_a_folder_or_a_missing_file_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=f"{tmp_path}: Is a directory") as folder:
        Documents("file:///x", settings_in(tmp_path)).read(tmp_path.as_uri())
    assert folder.value.diagnosis.code == "package.unreadable"
    with pytest.raises(PackageError, match=r"none\.cwl: No such file") as missing:
        Documents("file:///x", settings_in(tmp_path)).read(f"{tmp_path.as_uri()}/none.cwl")
    assert missing.value.diagnosis.code == "package.not-found"


def test_what_never_ends_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="/dev/zero") as caught:
        Documents("file:///x", settings_in(tmp_path)).read("file:///dev/zero")
    assert caught.value.diagnosis.code == "package.unreadable"


def test_many_writers_leave_one_whole_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file"
    failures: list[BaseException] = []
    barrier = threading.Barrier(8)

    def write(letter: int) -> None:
        barrier.wait()
        try:
            for _ in range(50):
                write_atomically(target, bytes([letter]) * 100_000)
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(set(target.read_bytes())) == 1
    assert [path.name for path in target.parent.iterdir()] == ["file"]


def test_a_folder_that_cannot_be_written_is_a_matter_of_settings(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="/file/x") as caught:
        write_atomically(tmp_path / "file" / "x", b"")
    assert "ZOO_RUNNER_" in caught.value.diagnosis.remedy
