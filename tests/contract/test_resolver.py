"""Packages that are resolved by a process which has cwltool in memory: the same as by a new one, and as confined."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.servers import serve_files
from tests.serving import kill
from tests.waiting import wait_for
from zoo_runner.config.settings import Settings
from zoo_runner.model.errors import InvalidPackageError, PackageError, RunnerError
from zoo_runner.model.package import Package
from zoo_runner.package.prepare import locate_parts, prepare_public, prepare_upload, read_public_text
from zoo_runner.package.resolver import Resolve, WarmResolver, resolve_in_new_process
from zoo_runner.package.sent_documents import name_document, refer_to_upload
from zoo_staging.addresses import Reach

LONGEST_SECONDS = 60


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache=tmp_path, inherited={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TOKEN": "s3cret"})


@pytest.fixture
def resolver(settings: Settings) -> Iterator[WarmResolver]:
    resolver = WarmResolver()
    prepare(settings, resolver, "first")
    wait_for(lambda: resolver.ready, LONGEST_SECONDS)
    yield resolver
    resolver.close()


def build_package(message: str, **changes: Any) -> str:
    base = {"cwlVersion": "v1.2", "class": "CommandLineTool", "id": "says", "baseCommand": ["echo", message]}
    return json.dumps({**base, "inputs": {}, "outputs": {}, **changes})


def prepare(settings: Settings, resolver: Resolve, message: str, **changes: Any) -> Package:
    return prepare_upload({"a.cwl": build_package(message, **changes)}, "a.cwl", None, settings, resolver)


def test_a_package_is_the_same_whichever_process_resolves_it(settings: Settings, resolver: WarmResolver) -> None:
    pid = resolver.pid
    warm = prepare(settings, resolver, "second")
    (settings.cache / "packages").rename(settings.cache / "before")
    cold = prepare(settings, resolve_in_new_process, "second")
    assert (warm, resolver.pid) == (cold, pid)


def test_what_is_wrong_with_a_package_comes_back(settings: Settings, resolver: WarmResolver) -> None:
    with pytest.raises(PackageError) as raised:
        prepare(settings, resolver, "wrong", cwlVersion="v0.9")
    assert raised.value.diagnosis.code.startswith("package.")


def test_lines_of_faults_and_of_parts_come_back(settings: Settings, resolver: WarmResolver) -> None:
    text = "cwlVersion: v1.2\nclass: CommandLineTool\nbaseCommand: a\ninputs:\n  x: string\noutputs: {}\n"
    with pytest.raises(InvalidPackageError) as raised:
        prepare_upload({"a.cwl": text.replace("string", "strin")}, "a.cwl", None, settings, resolver)
    assert [(name_document(fault.uri), fault.line) for fault in raised.value.faults] == [("a.cwl", 5)]
    package = prepare_upload({"a.cwl": text}, "a.cwl", None, settings, resolver)
    files = {"a.cwl": text}
    reference, pointers = refer_to_upload(files, "a.cwl", None), ["/$graph/0/inputs/0", ""]
    places = locate_parts(package, pointers, reference, settings, files, resolver)
    assert [(name_document(place.uri), place.line) for place in places] == [("a.cwl", 5), ("a.cwl", 1)]
    other = replace(package, digest="0" * 64)
    assert {one.line for one in locate_parts(other, pointers, reference, settings, files, resolver)} == {None}


def test_documents_that_have_changed_since_have_no_lines(settings: Settings, tmp_path: Path) -> None:
    settings = replace(settings, reach=Reach(hosts=("127.0.0.1",), private=False))
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "a.cwl").write_text(build_package("first"))
    with serve_files(tmp_path / "web") as web:
        uri = f"{web.url}/a.cwl"
        package = prepare_public(uri, settings)
        (place,) = locate_parts(package, ["/baseCommand"], uri, settings)
        assert (place.uri, place.line) == (uri, 1)
        assert read_public_text(uri, settings, 10_000) == build_package("first")
        with pytest.raises(PackageError):
            read_public_text(uri, settings, 10)
        (tmp_path / "web" / "a.cwl").write_text(build_package("second"))
        assert [one.line for one in locate_parts(package, ["/baseCommand"], uri, settings)] == [None]


@pytest.mark.parametrize("uri", ["file:///etc/passwd", "http://127.0.0.1:9/a.cwl", "http://169.254.169.254/latest"])
def test_no_text_is_shown_of_what_a_package_may_not_be_read_from(settings: Settings, uri: str) -> None:
    with pytest.raises(PackageError):
        read_public_text(uri, settings, 10_000)


def test_the_process_has_no_secret_of_the_server(resolver: WarmResolver) -> None:
    environ = Path(f"/proc/{resolver.pid}/environ").read_bytes()
    assert b"HOME=" in environ
    assert b"TOKEN" not in environ


def test_a_package_is_resolved_though_the_process_was_killed_and_there_is_a_new_one(
    settings: Settings, resolver: WarmResolver
) -> None:
    killed = resolver.pid
    assert killed is not None
    kill(killed)
    assert prepare(settings, resolver, "third").workflow_id
    prepare(settings, resolver, "fourth")
    assert resolver.pid not in (None, killed)


@contextmanager
def a_silent_server() -> Iterator[tuple[str, threading.Event]]:
    """A web server that takes connections and answers nothing; the event is set when the first has come."""
    came, kept = threading.Event(), list[socket.socket]()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            with suppress(OSError):
                while True:
                    kept.append(server.accept()[0])
                    came.set()

        threading.Thread(target=take, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", came
        server.shutdown(socket.SHUT_RDWR)
    for connection in kept:
        connection.close()


@pytest.mark.parametrize("is_warm", [True, False])
def test_a_resolution_that_waits_for_a_server_is_interrupted(settings: Settings, is_warm: bool) -> None:
    resolver, found = WarmResolver(), list[str]()
    settings = replace(settings, package_hosts=("127.0.0.1",))
    if is_warm:
        prepare(settings, resolver, "first")
        wait_for(lambda: resolver.ready, LONGEST_SECONDS)

    def deploy() -> None:
        with pytest.raises(RunnerError) as raised:
            prepare_public(f"{url}/a.cwl", settings, resolver)
        found.append(raised.value.diagnosis.code)

    with a_silent_server() as (url, came):
        deployment = threading.Thread(target=deploy)
        deployment.start()
        assert came.wait(LONGEST_SECONDS)
        resolver.close()
        deployment.join(LONGEST_SECONDS)
    assert found == ["request.interrupted"]


def test_a_server_that_never_answers_is_not_waited_for(settings: Settings) -> None:
    with a_silent_server() as (url, _), pytest.raises(PackageError) as raised:
        prepare_public(f"{url}/a.cwl", replace(settings, package_hosts=("127.0.0.1",)), seconds=2)
    assert raised.value.diagnosis.code == "package.too-large"
