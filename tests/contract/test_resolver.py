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

from tests.serving import kill
from tests.waiting import wait_for
from zoo_runner.config.settings import Settings
from zoo_runner.model.errors import PackageError, RunnerError
from zoo_runner.model.package import Package
from zoo_runner.package.prepare import prepare_public, prepare_upload
from zoo_runner.package.resolver import Resolve, WarmResolver, resolve_in_new_process

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
