"""A normal package notices nothing of isolation: all examples and features, in containers and, by an ordinary user, in
a sandbox."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.features import FEATURES, WORKING
from tests.ordinary import PYTHON, as_ordinary_user, name_user
from tests.site import Site
from tests.values import EXAMPLES, PACKAGES, ROOT

_OTHERS = (PACKAGES / "graph" / "inputs.yml", PACKAGES / "multi" / "inputs.yml")
CALLS = {
    f"{path.parent.name}-{path.stem}": path
    for path in (
        *sorted(EXAMPLES.rglob("inputs*.yml")),
        *(FEATURES / name / "inputs.yml" for name in WORKING),
        *_OTHERS,
    )
    # those are for cwltool alone
    if path.stem != "inputs-cwltool"
}
CONTAINERS = {name: value for name, value in os.environ.items() if name.startswith("CONTAINERS_")}  # noqa: TID251 podman reads it
# of one service, which allows these packages the data beside them
SERVICE = {"ZOO_RUNNER_ISOLATION": "isolated", "STAGEIN_ALLOWED_ROOTS": str(ROOT)}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """An installation of this machine."""
    (tmp_path / "site").mkdir()
    return Site(tmp_path / "site", tmp_path / "site" / "cache")


def run(site: Site, inputs: Path, *before: str) -> dict[str, Any]:
    """Run a package by the command line and return what it prints."""
    package = inputs.parent / f"{inputs.parent.name}.cwl"
    words = [sys.executable, "-m", "zoo_runner", "run", package, inputs, "--strict", "--format", "json", "--quiet"]
    done = subprocess.run(
        [*before, *map(str, words), "-o", site.results],
        env=site.environ,
        cwd=site.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shown: dict[str, Any] = json.loads(done.stdout)
    return shown


def find_files(value: Any) -> list[Path]:
    """The files of this machine that results refer to."""
    if isinstance(value, list):
        return [path for each in value for path in find_files(each)]
    if not isinstance(value, dict):
        return []
    own = [Path(unquote(urlsplit(value["href"]).path))] if str(value.get("href", "")).startswith("file:") else []
    return own + [path for each in value.values() for path in find_files(each)]


# of these test_features_in_containers.py shows the results, too
SHOWN = {name for name, path in CALLS.items() if path.is_relative_to(FEATURES)}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] if name in SHOWN else []) for name in CALLS]
)
def test_a_package_runs_isolated_in_containers(name: str, site: Site) -> None:
    shown = run(site.having(**SERVICE, **CONTAINERS, ZOO_RUNNER_CONTAINERS="podman"), CALLS[name])
    assert shown["status"] == "successful"
    assert all(path.exists() for path in find_files(shown))


@pytest.mark.parametrize("name", CALLS)
def test_a_package_of_an_ordinary_user_runs_isolated_in_a_sandbox(name: str, site: Site) -> None:
    folders = ",".join(map(str, PYTHON))
    shown = run(
        site.having(**SERVICE, ZOO_RUNNER_CONTAINERS="sandbox", ZOO_RUNNER_SANDBOX_FOLDERS=folders),
        CALLS[name],
        *as_ordinary_user(site.folder),
    )
    assert shown["status"] == "successful"
    written = [path for path in site.folder.rglob("*") if path.is_file()]
    assert {path.stat().st_uid for path in written} == {name_user()}
    assert all(path.exists() for path in find_files(shown))
