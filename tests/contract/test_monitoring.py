"""The page of figures and alarms names what a server that runs has, and nothing else."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.serving import Server, serving
from tests.site import Site
from tests.values import ROOT

ALERTS = ROOT / "deploy" / "kubernetes" / "alerts.yaml"
FIGURE = re.compile(r"\b(?:zoo_runner|process)_[a-z_]+")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, package_cache: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("monitoring")
    with serving(Site(folder, package_cache).environ, folder) as one:
        yield one


def list_figures(server: Server) -> set[str]:
    """Ask for something, then list the names of the figures."""
    assert server.request("GET", "/jobs").status == 200
    text = server.request("GET", "/metrics").body.decode()
    return {line.split("{")[0].split()[0] for line in text.splitlines() if not line.startswith("#")}


def test_each_figure_has_a_row_and_each_row_a_figure(server: Server) -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text()
    rows = {name for line in page.splitlines() if line.startswith("| `") for name in FIGURE.findall(line.split("|")[1])}
    figures = list_figures(server)
    known = {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name in figures}
    # when each figure was made, for Prometheus
    ours = {name for name in known if name.startswith("zoo_runner_") and not name.endswith("_created")}
    assert {name for name in rows if name.startswith("zoo_runner_")} == ours
    assert rows <= known


def test_alarms_are_about_figures_that_there_are_and_are_explained(server: Server) -> None:
    (group,) = YAML(typ="safe").load(ALERTS.read_text())["spec"]["groups"]
    figures, page = list_figures(server), (ROOT / "docs" / "monitoring.md").read_text()
    for rule in group["rules"]:
        assert set(FIGURE.findall(rule["expr"])) <= figures, rule["alert"]
        assert f"| `{rule['alert']}` |" in page
