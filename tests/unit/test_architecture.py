"""Rules that no linter keeps: how modules are called, how long they may be, who may read an environment."""

import ast
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.source import list_nodes, parse

ROOT = Path(__file__).parents[2]
PACKAGES = ("zoo_runner", "zoo_staging", "stagein", "stageout", "demo", "bench", "requirements")
LONG_LINES = 600
VAGUE = {"utils", "util", "helpers", "helper", "common", "base", "misc", "tools"}
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if "{{" not in str(path))
UNIT_TESTS = sorted(Path(__file__).parent.rglob("*.py"))
SLOW = {"subprocess", "multiprocessing"}
EMPTY = {"[]", "{}", "list()", "dict()", "set()"}


class LongModuleWarning(UserWarning):
    """A module is so long that it may hold two meanings."""


@pytest.mark.filterwarnings("default::tests.unit.test_architecture.LongModuleWarning")
def test_a_module_above_600_lines_gives_a_warning() -> None:
    for module in MODULES:
        lines = len(module.read_text().splitlines())
        if lines > LONG_LINES:
            about = f"{module.relative_to(ROOT)} has {lines} lines: does it hold more than one meaning?"
            warnings.warn(about, LongModuleWarning, stacklevel=1)


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [path for path in MODULES if path.stem.strip("_") in VAGUE] == []


@pytest.mark.parametrize("package", ["zoo_runner", "zoo_staging", "stagein", "stageout"])
def test_a_package_declares_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").exists()


# whoever is not named here is given settings and workspace as values
READS_AN_ENVIRONMENT = {
    "config/configuration.py": "reads all of it for an entry point",
    "config/service.py": "reads all of it for the entry point of a service",
    "config/settings.py": "reads its part",
    "config/kubernetes.py": "reads its part",
    "config/workspace.py": "reads its part",
    "config/argo.py": "reads its part",
    "config/identity.py": "reads its part",
    "config/server.py": "reads its part",
    "cli/options.py": "entry point: the command line",
    "cli/hera.py": "entry point: what it runs inherits its environment",
    "cli/hera_options.py": "entry point: the commands for Hera workflows, whose configuration is another one",
    "hera/configuration.py": "reads its part",
    "hera/lent/zoo_runner_hera_start.py": "entry point: the process of a user's script",
    "hera/lent/hera_utils/parser.py": "lent to that process: defaults of the script's options",
    "cli/access.py": "entry point: the commands of what a server keeps for its workspaces",
    "cli/credentials.py": "entry point: the commands of tokens and secrets that a server keeps",
    "cli/records_options.py": "entry point: the commands that read where records are kept",
    "cli/recover.py": "entry point: the command that reads the settings of a server",
    "cli/serve.py": "entry point: the commands of the server, whose workers inherit it",
    "zoo/ahead.py": "entry point: the first moment of a service of a ZOO kernel",
    "zoo/service.py": "entry point: a service of a ZOO kernel",
    "zoo/conf.py": "merges the environment with what the kernel and the site's handler say, for that entry point",
    "zoo/process.py": "takes the proxy of the Kubernetes API out of the kernel's environment while a job runs",
    "zoo/dismiss.py": "entry point: the service runDismiss of a ZOO kernel",
    "calrissian_runner.py": "entry point: names of zoo-calrissian-runner, whose defaults installations set there",
    "engines/local/launcher.py": "takes on the environment that its job has",
    "engines/calrissian/pod_main.py": "entry point: main program of the job pod",
    "engines/kubernetes/job_pod/publishing.py": "entry point: main program of the pod that publishes kept results",
    "engines/argo/job_pod.py": "entry point: main program of each node of a Workflow",
    "engines/kubernetes/job_pod/pod.py": "entry point: shared by both job pods",
    "engines/kubernetes/job_pod/smoke_test.py": "entry point: main program of the pod that doctor starts",
    "testing/kernel.py": "sets the environment of the processes that it starts",
}


# each reads the environment, or folders that it names, behind the back of the settings
HIDDEN_READS = {
    "getproxies",
    "getproxies_environment",
    "proxy_bypass",
    "expanduser",
    "expandvars",
    "home",
    "getuser",
    "gettempdir",
}
READS_HIDDEN = {
    "zoo_runner/config/settings.py: expanduser": "reads the settings",
    "zoo_runner/engines/kubernetes/client.py: expanduser": "looks where the Kubernetes client looks by itself",
}
MAKES_TEMPORARIES = {"mkstemp", "mkdtemp", "TemporaryDirectory", "NamedTemporaryFile", "TemporaryFile"}


def find_hidden_reads(module: Path) -> Iterator[str]:
    """Calls that read an environment without its name, temporary files in a folder that nobody chose included."""
    for node in list_nodes(module, ast.Call):
        name = getattr(node.func, "attr", None) or getattr(node.func, "id", "")
        chosen = any(keyword.arg == "dir" for keyword in node.keywords)
        if name in HIDDEN_READS or (name in MAKES_TEMPORARIES and not chosen):
            yield f"{module.relative_to(ROOT)}: {name}"


def test_nothing_below_the_entry_points_reads_an_environment_behind_the_back_of_the_settings() -> None:
    packages = ("zoo_runner", "zoo_staging", "stagein", "stageout")
    modules = [path for package in packages for path in (ROOT / package).rglob("*.py")]
    found = {read for module in modules for read in find_hidden_reads(module)}
    assert found - set(READS_HIDDEN) == set()
    assert set(READS_HIDDEN) - found == set()


def find_environments(module: Path) -> Iterator[str]:
    """Parameters, fields, variables and attributes that are an environment."""
    for node in list_nodes(module, ast.arg, ast.Attribute, ast.Name):
        match node:
            case ast.arg(arg=name) | ast.Attribute(attr=name) | ast.Name(id=name):
                if name.strip("_") == "environ":
                    yield f"{module.relative_to(ROOT / 'zoo_runner')}:{node.lineno}"


def test_nothing_below_the_entry_points_takes_an_environment() -> None:
    modules = [path for path in (ROOT / "zoo_runner").rglob("*.py")]
    found = {place.rpartition(":")[0]: place for module in modules for place in find_environments(module)}
    assert {name: place for name, place in found.items() if name not in READS_AN_ENVIRONMENT} == {}
    assert set(READS_AN_ENVIRONMENT) - set(found) == set()


# click and other libraries call by keyword; who else takes a bag hides what it needs
TAKES_ANY_KEYWORD = {
    "cli/options.py: call": "click gives the options of a command by keyword",
    "engines/cwl_process/javascript.py: eval": "cwl-utils gives its engines the options of Node.js too",
    "handler.py: __init__": "public interface: what existing handlers take",
    "handler.py: load_handler": "gives handlers what they take",
    "package/community_schemas.py: _record": "the keywords are the names of a CWL record's fields",
    "server/quicklook_process.py: open_it": "rasterio gives what opens its files more than that needs",
    "package/community_schemas.py: _build_tagged": "the keywords are the names of a CWL record's fields",
}


def find_bags(module: Path) -> Iterator[str]:
    """Functions that take any keyword, but for those that pass all arguments on to what they stand in for."""
    for node in list_nodes(module, ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda() if node.args.kwarg and not node.args.vararg:
                name = getattr(node, "name", f"lambda of line {node.lineno}")
                yield f"{module.relative_to(ROOT / 'zoo_runner')}: {name}"


def test_no_function_takes_a_bag_of_keywords() -> None:
    found = {bag for module in (ROOT / "zoo_runner").rglob("*.py") for bag in find_bags(module)}
    assert found - set(TAKES_ANY_KEYWORD) == set()
    assert set(TAKES_ANY_KEYWORD) - found == set()


def find_imports(module: Path) -> set[str]:
    """Top-level names of all that a module imports."""
    names = [alias.name for node in list_nodes(module, ast.Import) for alias in node.names]
    names += [node.module or "" for node in list_nodes(module, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


def find_shared_state(module: Path) -> Iterator[str]:
    """Places where a module keeps state that one test can leave for another: `global`, and empty collections."""
    for node in list_nodes(module, ast.Global):
        yield f"{module.relative_to(ROOT)}:{node.lineno}"
    for statement in parse(module).body:
        match statement:
            case ast.Assign(value=value) | ast.AnnAssign(value=value) if value and ast.unparse(value) in EMPTY:
                yield f"{module.relative_to(ROOT)}:{statement.lineno}"


def test_no_module_of_the_tests_keeps_state() -> None:
    # an audit hook cannot be removed, so that those who listen are in a list
    modules = [path for path in (ROOT / "tests").rglob("*.py") if path.name != "watching.py"]
    assert [place for module in modules for place in find_shared_state(module)] == []


def test_unit_tests_start_no_processes() -> None:
    # what starts one belongs to tests/contract
    assert [f"{path.relative_to(ROOT)}" for path in UNIT_TESTS if SLOW & find_imports(path)] == []
