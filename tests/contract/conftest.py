"""What contract tests share: installations of the runner, and one cache of resolved packages for all of them.

It also counts hostile cases and prints the count at the end of the run.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from xdist.workermanage import WorkerController

from tests.clouds import AzureServer, GoogleServer, serve_azure, serve_google
from tests.cluster import find_kubeconfig, serve_pods
from tests.servers import FileServer, S3Server, serve_files, serve_s3
from tests.site import Site

CANARY = "canary-of-the-contract"
CASES = pytest.StashKey[Counter[str]]()


@pytest.fixture(scope="session")
def package_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packages")


@pytest.fixture
def site(tmp_path: Path, package_cache: Path) -> Site:
    return Site(tmp_path, package_cache)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[FileServer]:
    with serve_files(tmp_path / "web") as server:
        yield server


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with serve_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def azure() -> Iterator[AzureServer]:
    with serve_azure() as server:
        yield server


@pytest.fixture(scope="session")
def google() -> Iterator[GoogleServer]:
    with serve_google() as server:
        yield server


@pytest.fixture(scope="session")
def kubeconfig() -> str:
    return find_kubeconfig()


@pytest.fixture(scope="session")
def pods_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with serve_pods(tmp_path_factory.mktemp("pods-s3"), CANARY) as server:
        yield server


def pytest_configure(config: pytest.Config) -> None:
    config.stash[CASES] = Counter()


@pytest.fixture(scope="session")
def count(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Counts a hostile case of a kind."""

    def add(kind: str) -> None:
        pytestconfig.stash[CASES][kind] += 1

    return add


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Give the counts of a worker to the run."""
    if output := getattr(session.config, "workeroutput", None):
        cases: Counter[str] = session.config.stash[CASES]
        output["cases"] = dict(cases)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController) -> None:
    """Add the counts of a worker."""
    found: dict[str, int] = getattr(node, "workeroutput", {}).get("cases", {})
    node.config.stash[CASES].update(found)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    cases = config.stash[CASES]
    if cases:
        reported = ", ".join(f"{number} {kind}" for kind, number in cases.items())
        terminalreporter.write_line(f"fuzz: {cases.total()} hostile cases ({reported})")
