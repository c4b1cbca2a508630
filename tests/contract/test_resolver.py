"""Packages that are resolved by a process which has cwltool in memory: the same as by a new one, and as confined."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving import kill, wait_for
from zoo_runner.config.settings import Settings
from zoo_runner.model.errors import PackageError
from zoo_runner.model.package import Package
from zoo_runner.package.prepare import prepare_upload
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
