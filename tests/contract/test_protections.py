"""Rules of the rows of `doctor --service`: each protection that settings or folders take away has its row and code."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.site import Site
from tests.values import ROOT
from zoo_runner.engines.local.machine import examine_machine
from zoo_runner.engines.protocol import Check
from zoo_runner.execution.protections import examine_protections


@pytest.fixture
def service(tmp_path: Path) -> Site:
    """An installation of a service whose folders are those of its user alone."""
    (tmp_path / "data").mkdir()
    for name in ("temp", "state", "scratch"):
        (tmp_path / name).mkdir(mode=0o700)
    # the folders above may be entered by others, as on most machines
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o711)
    return Site(tmp_path, tmp_path / "cache", {"ZOO_RUNNER_ISOLATION": ""}, is_service=True)


def examine(site: Site) -> dict[str, Check]:
    """All rows but the one that says whose processes these are, which is about who runs the tests."""
    configuration = site.configuration
    local = examine_machine(configuration.settings, configuration.workspace, None)
    rows = {check.about: check for check in (*examine_protections(configuration), *local)}
    assert rows.pop("user").code == ("protection.user" if os.geteuid() == 0 else "")
    # these tests need no container runtime: the settings say none
    isolated = configuration.settings.isolation == "isolated"
    assert rows.pop("containers").code == ("containers.unavailable" if isolated else "")
    return rows


def find_codes(site: Site) -> dict[str, str]:
    bad = [check for check in examine(site).values() if not check.ok]
    assert all(check.found and check.expected and check.remedy for check in bad)
    return {check.about: check.code for check in bad}


def test_a_service_with_its_defaults_lacks_nothing(service: Site) -> None:
    rows = examine(service)
    assert list(rows) == [
        *("private hosts", "local inputs", "time limit", "limits", "folders", "logs"),
        *("JavaScript", "launcher", "isolation", "network of steps", "scratch folder"),
    ]
    assert [check.found for check in rows.values() if not check.ok] == []


SETTINGS: dict[str, tuple[dict[str, str], str]] = {
    "private hosts: all": ({"STAGEIN_ALLOW_PRIVATE": "true"}, "protection.private-hosts"),
    "private hosts: a large network": ({"STAGEIN_PRIVATE_HOSTS": "10.0.0.0/8"}, "protection.private-hosts"),
    "private hosts: this machine": ({"STAGEIN_PRIVATE_HOSTS": "store, 127.0.0.1"}, "protection.private-hosts"),
    "private hosts: this machine over IPv6": ({"STAGEIN_PRIVATE_HOSTS": "[::1]"}, "protection.private-hosts"),
    "private hosts: this machine by name": ({"STAGEIN_PRIVATE_HOSTS": "LocalHost."}, "protection.private-hosts"),
    "local inputs: everything": ({"STAGEIN_ALLOWED_ROOTS": "/"}, "protection.local-roots"),
    "local inputs: the system": ({"STAGEIN_ALLOWED_ROOTS": "/srv/data:/etc/ssl"}, "protection.local-roots"),
    "local inputs: all of a disk": ({"STAGEIN_ALLOWED_ROOTS": "/srv"}, "protection.local-roots"),
    "local inputs: records": ({"STAGEIN_ALLOWED_ROOTS": "{site}"}, "protection.local-roots"),
    "local inputs: inputs of others": ({"STAGEIN_ALLOWED_ROOTS": "{site}/scratch/x"}, "protection.local-roots"),
    "local inputs: a home": ({"STAGEIN_ALLOWED_ROOTS": "{site}/home"}, "protection.local-roots"),
    "time limit: of a century": ({"ZOO_RUNNER_TIME_LIMIT": "3e9"}, "protection.time-limit"),
    "folders: public records": ({"ZOO_RUNNER_STATE": "{site}/temp/state"}, "protection.private-folders"),
    "isolation: off": ({"ZOO_RUNNER_ISOLATION": "trusted"}, "protection.isolation"),
    "network of steps: open": ({"ZOO_RUNNER_SANDBOX_NETWORK": "asked"}, "protection.step-network"),
    "JavaScript: no QuickJS": ({"ZOO_RUNNER_PYTHON": "/usr/bin/python3"}, "protection.javascript"),
}


@pytest.mark.parametrize("what", SETTINGS)
def test_a_setting_that_takes_a_protection_away_has_a_row_with_its_code(what: str, service: Site) -> None:
    more, code = SETTINGS[what]
    about = what.partition(":")[0]
    chosen = {name: text.format(site=service.folder) for name, text in more.items()}
    assert find_codes(service.having(**chosen)) == {about: code}


@pytest.mark.parametrize(
    ("name", "mode", "about", "code"),
    [
        ("state", 0o755, "folders", "protection.private-folders"),
        ("scratch", 0o705, "folders", "protection.private-folders"),
        ("temp", 0o755, "logs", "protection.public-logs"),
        ("temp", 0o702, "logs", "protection.public-logs"),
    ],
)
def test_a_folder_that_others_can_read_has_a_row_with_its_code(
    name: str, mode: int, about: str, code: str, service: Site
) -> None:
    if not all(parent.stat().st_mode & 0o001 for parent in service.folder.parents):
        pytest.skip("only this user gets to temporary folders")
    (service.folder / name).chmod(mode)
    assert find_codes(service) == {about: code}


def test_hosts_and_folders_that_are_listed_one_by_one_are_shown(service: Site) -> None:
    listed = {"STAGEIN_PRIVATE_HOSTS": "store, 10.1.2.0/24", "STAGEIN_ALLOWED_ROOTS": str(service.folder / "data")}
    rows = examine(service.having(**listed))
    assert "store, 10.1.2.0/24" in rows["private hosts"].found
    assert str(service.folder / "data") in rows["local inputs"].found
    assert all(check.ok for check in rows.values())


def test_an_isolated_command_line_has_no_limits_of_its_own(service: Site) -> None:
    person = Site(service.folder, service.cache, {"ZOO_RUNNER_ISOLATION": "isolated"})
    assert find_codes(person) == {
        "private hosts": "protection.private-hosts",
        "local inputs": "protection.local-roots",
        "time limit": "protection.time-limit",
        "limits": "protection.limits",
    }


def test_a_sandbox_that_cannot_be_created_has_a_row_with_its_code(service: Site, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    broken = tmp_path / "bin" / "bwrap"
    broken.write_text("#!/bin/sh\necho no permission >&2\nexit 1\n")
    broken.chmod(0o755)
    for path, found in ((tmp_path / "bin", "no permission"), (tmp_path / "none", "PATH")):
        site = service.having(ZOO_RUNNER_CONTAINERS="sandbox", PATH=str(path))
        configuration = site.configuration
        rows = {row.about: row for row in examine_machine(configuration.settings, configuration.workspace, None)}
        assert rows["containers"].code == "containers.unavailable"
        assert found in rows["containers"].found


def test_a_machine_whose_system_calls_are_not_filtered_has_a_row_with_its_code(service: Site, tmp_path: Path) -> None:
    if shutil.which("setarch") is None:
        pytest.skip("setarch of util-linux is missing")
    python = tmp_path / "python3"
    python.write_text(f'#!/bin/sh\nexec setarch linux32 {sys.executable} "$@"\n')
    python.chmod(0o755)
    lacked = {"JavaScript": "protection.javascript", "launcher": "protection.launcher"}
    assert find_codes(service.having(ZOO_RUNNER_PYTHON=str(python))) == lacked


def test_a_user_who_trusts_packages_has_no_rows_of_services(service: Site) -> None:
    person = Site(service.folder, service.cache)
    assert list(examine_protections(person.configuration)) == []


def test_each_row_is_in_the_documentation() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    source = "".join(
        (ROOT / "zoo_runner" / path).read_text() for path in ("execution/protections.py", "engines/local/machine.py")
    )
    codes = {word for word in source.replace('"', " ").split() if word.startswith("protection.")}
    assert len(codes) == 11
    assert {code for code in codes if f"`{code}`" not in page} == set()
