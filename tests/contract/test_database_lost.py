"""A PostgreSQL that is killed, or that nobody reaches for a while: no job is lost, none runs twice or for ever."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.kill_points import END_SECONDS, FAULTS, KILL, LOST_POINTS, Fault, KillPoint, build_site
from tests.contract.kill_points import lose_database as lose
from tests.network import Network, a_network
from tests.postgres import PrivatePostgres, own_postgres, use_schema
from tests.serving import kill, serving
from tests.waiting import wait_for

# the claim, the submission, the run, the outcome, the end
IN_CI = [KillPoint("worker", "after", number) for number in (3, 15, 26, 42, 45)]
# a third of it is when a worker looks by itself: far later than any test waits
LEASE = 3600


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivatePostgres]:
    with own_postgres(tmp_path_factory.mktemp("postgres")) as postgres:
        yield postgres


@pytest.fixture
def network(postgres: PrivatePostgres) -> Iterator[Network]:
    with a_network(postgres.port) as network:
        yield network


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("point", IN_CI, ids=str)
def test_a_job_ends_as_it_should_though_its_worker_loses_the_database(
    point: KillPoint, name: str, postgres: PrivatePostgres, network: Network, tmp_path: Path, package_cache: Path
) -> None:
    lose(Fault(name, postgres, network), point, tmp_path, package_cache)


@pytest.mark.long
@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("point", LOST_POINTS, ids=str)
def test_at_every_point(
    point: KillPoint, name: str, postgres: PrivatePostgres, network: Network, tmp_path: Path, package_cache: Path
) -> None:
    lose(Fault(name, postgres, network), point, tmp_path, package_cache)


@pytest.mark.parametrize("name", FAULTS)
def test_server_and_worker_go_on_after_the_database_was_away(
    name: str, postgres: PrivatePostgres, network: Network, tmp_path: Path, package_cache: Path
) -> None:
    fault = Fault(name, postgres, network)
    with use_schema(f"postgresql://tests@127.0.0.1:{network.port}/postgres") as url:
        site = build_site(tmp_path, package_cache, url)
        with serving(site.environ, tmp_path) as server:
            process = server.deploy(KILL / "once.cwl")
            first = server.execute(process, {"ran": str(tmp_path / "first")})
            server.wait(first)
            fault.begin()
            away = server.request("GET", f"/jobs/{first}")
            assert (away.status, away.json["diagnosis"]["code"]) == (503, "store.unreachable")
            assert server.request("GET", "/health/ready").status == 503
            assert server.request("GET", "/health/live").status == 200
            fault.end()
            wait_for(lambda: server.request("GET", "/health/ready").status == 200, END_SECONDS)
            jobs = [server.execute(process, {"ran": str(tmp_path / f"ran-{number}")}) for number in range(2)]
            assert [server.wait(job)["status"] for job in jobs] == ["successful"] * 2
            assert [(tmp_path / f"ran-{number}").read_text() for number in range(2)] == ["ran\n"] * 2


def test_a_separate_worker_is_woken_and_asks_nothing_while_it_is_idle(
    postgres: PrivatePostgres, network: Network, tmp_path: Path, package_cache: Path
) -> None:
    with use_schema(postgres.url) as url:
        site = build_site(tmp_path, package_cache, url).having(ZOO_RUNNER_LEASE=str(LEASE), ZOO_RUNNER_WORKERS="0")
        through = site.having(ZOO_RUNNER_DATABASE=url.replace(f":{postgres.port}/", f":{network.port}/"))
        with serving(site.environ, tmp_path) as server, (tmp_path / "worker.log").open("wb") as log:
            process = server.deploy(KILL / "once.cwl")
            worker = subprocess.Popen([sys.executable, "-m", "zoo_runner", "worker"], env=through.environ, stderr=log)
            try:
                server.wait(server.execute(process, {"ran": str(tmp_path / "first")}))
                wait_for(_Quiet(network), END_SECONDS)
                for number in range(3):
                    job = server.execute(process, {"ran": str(tmp_path / f"ran-{number}")})
                    server.wait(job)
            finally:
                kill(worker.pid)
                worker.wait()


class _Quiet:
    """Whether nothing was sent for two seconds."""

    def __init__(self, network: Network) -> None:
        self._network, self._sent, self._looks = network, -1, 0

    def __call__(self) -> bool:
        self._looks = self._looks + 1 if self._network.sent == self._sent else 0
        self._sent = self._network.sent
        return self._looks > 40
