"""Workflows of a git repository, harvested to a running ZOO kernel, and those of a bus; docs/zoo.md, Live tests."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.gitserver import Repository, create_repository, serving_git
from tests.harvesting import TOOL, harvest_once, list_changes
from tests.live.zoo_kernel import MARKS
from tests.pulsar_bus import find_broker
from tests.site import Site
from tests.values import EXAMPLES
from tests.zoo_client import CWL, User, ask
from zoo_runner.harvest.records import FolderRecords
from zoo_runner.package.resolver import WarmResolver

pytestmark = MARKS

FLOW = """\
cwlVersion: v1.2
class: Workflow
id: {id}
label: {label}
doc: of two documents
inputs: {{}}
outputs: {{said: {{type: File, outputSource: greet/said}}}}
steps:
  greet: {{run: ../lib/tool.cwl, in: {{}}, out: [said]}}
"""
SINGLE = FLOW.replace("../lib/tool.cwl", "lib/tool.cwl")


class Zoo:
    """A repository that git serves, and what keeps one user of the kernel up to date with it."""

    def __init__(self, site: Site, user: User, resolver: WarmResolver, repository: Repository, url: str) -> None:
        self.site, self.user, self.resolver, self.repository = site, user, resolver, repository
        self.file = site.folder / "sources.yml"
        source = {"url": url, "workspace": user.name}
        server = user.api.replace(user.name, "{workspace}")
        self.file.write_text(json.dumps({"server": server, "sources": [source]}))

    def harvest(self, *, works: bool = True) -> dict[str, Any]:
        """Harvest once; return the report."""
        records = FolderRecords(self.site.folder / "records")
        return harvest_once(self.site, self.file, self.resolver, records, works=works)

    def list_processes(self) -> list[str]:
        """Ids of the processes that were deployed."""
        processes = ask("GET", f"{self.user.api}/processes").json["processes"]
        return sorted(one["id"] for one in processes if one.get("mutable"))

    def describe(self, process: str) -> dict[str, Any]:
        """The description of a process."""
        return dict(ask("GET", f"{self.user.api}/processes/{process}").json)


@pytest.fixture
def zoo(user: User, tmp_path: Path) -> Iterator[Zoo]:
    repository = create_repository(tmp_path)
    with serving_git(tmp_path / "served") as git, closing(WarmResolver()) as resolver:
        yield Zoo(Site(tmp_path, tmp_path / "cache"), user, resolver, repository, f"{git}/repository.git")


def test_workflows_are_deployed_replaced_and_undeployed_as_their_repository_changes(zoo: Zoo) -> None:
    push = zoo.repository.push
    push(
        {
            "flows/greet.cwl": FLOW.format(id="harvested-greet", label="Greets"),
            "lib/tool.cwl": TOOL.format(id="tool", doc="hello"),
            "single.cwl": SINGLE.format(id="harvested-single", label="One"),
        }
    )
    assert list_changes(zoo.harvest()) == [("deploy", "harvested-greet"), ("deploy", "harvested-single")]
    assert {"harvested-greet", "harvested-single"} <= set(zoo.list_processes())
    assert zoo.describe("harvested-greet")["title"] == "Greets"
    assert zoo.harvest()["unchanged"]
    # what was packed into one document is what runs
    last = zoo.user.execute("harvested-greet", {}).wait()[-1]
    assert last["status"] == "successful", last["message"]

    push({"single.cwl": SINGLE.format(id="harvested-single", label="Two")})
    assert list_changes(zoo.harvest()) == [("replace", "harvested-single")]
    assert zoo.describe("harvested-single")["title"] == "Two"
    # the tool of both workflows is in a document of its own
    push({"lib/tool.cwl": TOOL.format(id="tool", doc="changed")})
    assert list_changes(zoo.harvest()) == [("replace", "harvested-greet"), ("replace", "harvested-single")]
    job = zoo.user.execute("harvested-single", {})
    assert job.wait()[-1]["status"] == "successful"

    push({"single.cwl": None, "flows/greet.cwl": FLOW.format(id="harvested-third", label="Third")})
    changed = list_changes(zoo.harvest())
    assert sorted(changed) == [
        ("deploy", "harvested-third"),
        ("undeploy", "harvested-greet"),
        ("undeploy", "harvested-single"),
    ]
    listed = set(zoo.list_processes())
    assert "harvested-third" in listed
    assert not {"harvested-greet", "harvested-single"} & listed
    push({"flows/greet.cwl": None, "lib/tool.cwl": None})
    assert list_changes(zoo.harvest()) == [("undeploy", "harvested-third")]
    assert "harvested-third" not in zoo.list_processes()


def test_what_somebody_else_has_deployed_and_what_the_kernel_refuses_stay_undone(zoo: Zoo) -> None:
    theirs = (EXAMPLES / "echo" / "echo.cwl").read_text().replace("id: echo", "id: harvested-theirs")
    assert ask("POST", f"{zoo.user.api}/processes", theirs.encode(), CWL).code == 201
    zoo.repository.push(
        {
            "a.cwl": SINGLE.format(id="harvested-theirs", label="Ours"),
            # a module of Python has this name, and the template refuses it
            "b.cwl": SINGLE.format(id="requests", label="Refused"),
            "lib/tool.cwl": TOOL.format(id="tool", doc="hello"),
        }
    )
    problems = {one["change"]["name"]: one["problem"] for one in zoo.harvest(works=False)["done"]}
    assert {name: problem["code"] for name, problem in problems.items()} == {
        "harvested-theirs": "harvest.refused",
        "requests": "harvest.refused",
    }
    assert zoo.describe("harvested-theirs")["title"] == "Echo"


def test_messages_of_a_bus_deploy_replace_and_undeploy(user: User, tmp_path: Path) -> None:
    broker, bucket, site = find_broker(), tmp_path / "catalogue", Site(tmp_path, tmp_path / "cache")
    prefix = f"git-harvester/{user.name}"
    (bucket / prefix).mkdir(parents=True)
    token = str(broker.folder / "admin.token")
    document = {
        "server": user.api.replace(user.name, "{workspace}"),
        "bus": {"url": broker.url, "topic": broker.topic, "token-file": token, "dead-letters": broker.dead_letters},
        "files": str(bucket),
        "keys": "git-harvester/{workspace}/",
        "workspaces": [user.name],
    }
    file = tmp_path / "messages.yml"
    file.write_text(json.dumps(document))
    echo = (EXAMPLES / "echo" / "echo.cwl").read_text().replace("id: echo", "id: sent-echo")

    def send(**keys: list[str]) -> list[tuple[str, str]]:
        given = {"added_keys": [], "updated_keys": [], "deleted_keys": [], **keys}
        message = {"id": "harvester", "workspace": user.name, "bucket_name": "catalogue", **given}
        broker.send(json.dumps(message).encode())
        done = site.command("ingest", file, "--once", "--format", "json")
        assert done.returncode == 0, done.stderr
        (delivered,) = map(json.loads, done.stdout.splitlines())
        return [(one["change"]["kind"], one["change"]["name"]) for one in delivered["handled"]["done"]]

    key = f"{prefix}/echo.cwl"
    (bucket / key).write_text(echo)
    assert send(added_keys=[key]) == [("deploy", "sent-echo")]
    before = ask("GET", f"{user.api}/processes/sent-echo").json["title"]
    (bucket / key).write_text(echo.replace(f"label: {before}", "label: Sent again"))
    assert send(updated_keys=[key]) == [("replace", "sent-echo")]
    assert ask("GET", f"{user.api}/processes/sent-echo").json["title"] == "Sent again"
    (bucket / key).unlink()
    assert send(deleted_keys=[key]) == [("undeploy", "sent-echo")]
    assert "sent-echo" not in [one["id"] for one in ask("GET", f"{user.api}/processes").json["processes"]]
