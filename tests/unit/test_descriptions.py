"""Descriptions that are kept as they are sent: never stale, one for each address, and no more than fits."""

from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from zoo_runner.model.errors import ProcessNotFoundError
from zoo_runner.model.process import Process
from zoo_runner.server.api import Api, Call
from zoo_runner.server.descriptions import Descriptions

NOW = "2026-11-29T12:00:00Z"
CALL = Call("alpha", "https://eo.example.org")


@dataclass
class Processes:
    """Stands for the database, where another server may change everything at any time."""

    deployed: dict[str, Process] = field(default_factory=dict)
    reads: int = 0

    def deploy(self, process_id: str, title: str, number: int) -> None:
        description: dict[str, Any] = {"title": title, "version": "1", "inputs": {}, "outputs": {}}
        self.deployed[process_id] = Process("alpha", process_id, "digest", description, NOW, NOW, number=number)

    def get(self, workspace: str, process_id: str) -> Process:
        self.reads += 1
        if process_id not in self.deployed or workspace != "alpha":
            raise ProcessNotFoundError(process_id, "Check the id.")
        return self.deployed[process_id]

    def get_number(self, workspace: str, process_id: str) -> int:
        reads, found = self.reads, self.get(workspace, process_id)
        self.reads = reads
        return found.number


class Site:
    """Descriptions over processes."""

    def __init__(self, most_bytes: int = 1 << 20) -> None:
        self.processes, self._kept = Processes(), Descriptions(most_bytes)
        self._api = cast(Api, type("Api", (), {"store": type("Store", (), {"processes": self.processes})}))

    def read(self, process_id: str, call: Call = CALL) -> str:
        return self._kept.find(self._api, call, process_id).body.decode()

    def read_tag(self) -> str:
        return self._kept.find(self._api, CALL, "echo").tag


@pytest.fixture
def site() -> Site:
    site = Site()
    site.processes.deploy("echo", "first", 1)
    return site


def test_a_description_is_built_once(site: Site) -> None:
    assert site.read("echo") == site.read("echo")
    assert site.processes.reads == 1


def test_what_another_server_replaced_is_read_anew(site: Site) -> None:
    first, tag = site.read("echo"), site.read_tag()
    site.processes.deploy("echo", "second", 2)
    assert ('"first"' in first, '"second"' in site.read("echo")) == (True, True)
    assert site.read_tag() != tag


def test_what_another_server_removed_is_gone(site: Site) -> None:
    site.read("echo")
    site.processes.deployed.clear()
    with pytest.raises(ProcessNotFoundError):
        site.read("echo")


def test_each_address_and_kind_of_api_has_a_description_of_its_own(site: Site) -> None:
    hub = replace(CALL, hub=True)
    other = replace(CALL, base="https://other.example.org")
    assert '"sync-execute"' in site.read("echo")
    assert '"sync-execute"' not in site.read("echo", hub)
    assert "https://other.example.org/processes/echo" in site.read("echo", other)
    assert "other" not in site.read("echo")


def test_a_workspace_has_nothing_of_another_one(site: Site) -> None:
    site.read("echo")
    with pytest.raises(ProcessNotFoundError):
        site.read("echo", replace(CALL, workspace="beta"))


def test_what_was_read_longest_ago_makes_room() -> None:
    site = Site()
    for name in ("one", "two", "six"):
        site.processes.deploy(name, "title", 1)
    site_of_two = Site(2 * len(site.read("one")))
    site_of_two.processes.deployed = site.processes.deployed
    for name in ("one", "two", "one", "six", "one"):
        site_of_two.read(name)
    assert site_of_two.processes.reads == 3
    site_of_two.read("two")
    assert site_of_two.processes.reads == 4


def test_one_that_fits_nowhere_is_answered_and_not_kept() -> None:
    site = Site(10)
    site.processes.deploy("echo", "title", 1)
    assert site.read("echo") == site.read("echo")
    assert site.processes.reads == 2
