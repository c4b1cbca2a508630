"""Rules that no linter keeps: how long a module may be, how it may be called, who may read an environment."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("zoo_runner", "zoo_staging", "stagein", "stageout", "demo", "bench", "requirements")
MOST_LINES = 300
VAGUE = {"utils", "util", "helpers", "helper", "common", "base", "misc", "tools"}
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_has_at_most_300_lines(module: Path) -> None:
    lines = len(module.read_text().splitlines())
    assert lines <= MOST_LINES


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [path for path in MODULES if path.stem.strip("_") in VAGUE] == []


@pytest.mark.parametrize("package", ["zoo_runner", "zoo_staging", "stagein", "stageout"])
def test_a_package_tells_type_checkers_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").exists()


# whoever is not named here is given settings and workspace as values
READS_AN_ENVIRONMENT = {
    "config/configuration.py": "reads all of it for a door",
    "config/settings.py": "reads its part",
    "config/kubernetes.py": "reads its part",
    "config/workspace.py": "reads its part",
    "cli/main.py": "door: the command line",
    "zoo/service.py": "door: a service of a ZOO kernel",
    "zoo/conf.py": "merges the environment with what the kernel and the site's handler say, for that door",
    "zoo/process.py": "takes the proxy of the Kubernetes API out of the kernel's environment while a job runs",
    "zoo/dismiss.py": "door: the service runDismiss of a ZOO kernel",
    "calrissian_runner.py": "door: names of zoo-calrissian-runner, whose defaults installations set there",
    "engines/calrissian/job_pod/pod.py": "door: main program of the job pod",
    "engines/calrissian/job_pod/main.py": "door: main program of the launcher in the job pod",
    "engines/calrissian/job_pod/rehearsal.py": "door: main program of the pod that doctor starts",
    "testing/kernel.py": "sets the environment of the processes that it starts",
}


def find_environments(module: Path) -> Iterator[str]:
    """Parameters, fields, variables and attributes that are an environment."""
    for node in ast.walk(ast.parse(module.read_text())):
        match node:
            case ast.arg(arg=name) | ast.Attribute(attr=name) | ast.Name(id=name):
                if name.strip("_") == "environ":
                    yield f"{module.relative_to(ROOT / 'zoo_runner')}:{node.lineno}"


def test_nothing_below_the_doors_takes_an_environment() -> None:
    modules = [path for path in (ROOT / "zoo_runner").rglob("*.py")]
    found = {place.rpartition(":")[0]: place for module in modules for place in find_environments(module)}
    assert {name: place for name, place in found.items() if name not in READS_AN_ENVIRONMENT} == {}
    assert set(READS_AN_ENVIRONMENT) - set(found) == set()
