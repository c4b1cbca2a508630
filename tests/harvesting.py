"""A field for harvests in tests: a repository that git serves, the server of an installation, the command between."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.gitserver import Repository, create_repository, serving_git
from tests.serving import Server, serving
from tests.site import Site
from zoo_runner.cli.harvest import describe_report
from zoo_runner.harvest.harvester import Harvester
from zoo_runner.harvest.records import FolderRecords, Records
from zoo_runner.harvest.sources import load_harvest
from zoo_runner.package.resolver import WarmResolver

TOOL = """\
cwlVersion: v1.2
class: CommandLineTool
id: {id}
doc: {doc}
baseCommand: [echo, {doc}]
inputs: []
outputs: {{said: stdout}}
stdout: said.txt
"""


def harvest_once(  # noqa: PLR0913 what it needs, and four choices
    site: Site,
    sources: Path,
    resolver: WarmResolver,
    records: Records,
    *,
    works: bool = True,
    again: bool = False,
    adopt: bool = False,
    dry: bool = False,
) -> dict[str, Any]:
    """Harvest the one source of a file; return the report as programs see it."""
    harvest, settings = load_harvest(sources), site.settings
    (report,) = Harvester(harvest, settings, records, resolver, again=again, adopt=adopt, dry=dry).run()
    assert report.succeeded == works, report
    return describe_report(report)


class Field:
    """A repository, the server of an installation, and the command that connects them."""

    def __init__(self, site: Site, server: Server, repository: Repository, git: str, resolver: WarmResolver) -> None:
        self.site, self.server, self.repository, self.resolver = site, server, repository, resolver
        self.url = f"{git}/repository.git"
        self.file = site.folder / "sources.yml"
        self.records: Records = FolderRecords(site.folder / "records")
        self.write(url=self.url)

    def write(self, server: str = "", access: str = "", **source: Any) -> None:
        """Write the file of sources, with one source."""
        more = {"access": access} if access else {}
        self.file.write_text(json.dumps({"server": server or self.server.url, "sources": [source], **more}))

    def harvest(
        self, *, works: bool = True, again: bool = False, adopt: bool = False, dry: bool = False
    ) -> dict[str, Any]:
        """Harvest once; return the report as programs see it."""
        return harvest_once(
            self.site, self.file, self.resolver, self.records, works=works, again=again, adopt=adopt, dry=dry
        )

    def list_processes(self) -> list[str]:
        """Return the ids of the processes of the server."""
        return sorted(one["id"] for one in self.server.request("GET", "/processes").json["processes"])

    def describe(self, process: str) -> str:
        """Return the description of a process."""
        return str(self.server.request("GET", f"/processes/{process}").json["description"])


Running = tuple[Site, Server, WarmResolver]


@contextmanager
def running_server(folder: Path, cache: Path) -> Iterator[Running]:
    """Run a server and what resolves packages, for the tests of a module."""
    site = Site(folder, cache)
    with serving(site.environ, folder) as server, closing(WarmResolver()) as resolver:
        yield site, server, resolver


@contextmanager
def open_field(running: Running, folder: Path) -> Iterator[Field]:
    """Make a repository that is served while the block runs, for one test."""
    site, server, resolver = running
    repository = create_repository(folder)
    with serving_git(folder / "served") as git:
        one = Field(Site(folder, site.cache), server, repository, git, resolver)
        yield one
        for process in one.list_processes():
            server.request("DELETE", f"/processes/{process}")


def list_changes(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the kinds and names of what was changed."""
    return [(one["change"]["kind"], one["change"]["name"]) for one in report["done"]]
