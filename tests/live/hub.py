"""A data hub with two workspaces for tests: a server, a real policy agent, a bucket of access documents, callers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.issuer import Issuer, issuer
from tests.opa import Agent, agent
from tests.servers import S3Server, serve_s3
from tests.serving import ASYNC, LONGEST_SECONDS, Answer, Server, serving
from tests.site import Site
from tests.values import EXAMPLES
from tests.waiting import wait_for

PREFIX = "/catalogs/user/catalogs"
ECHO = (EXAMPLES / "echo" / "echo.cwl").read_text()
ACCESS = {"shown": {"access": "public"}, "service": {"access": "public", "type": "user-service"}}
PROCESSES = ("hidden", "shown", "service")


@dataclass(frozen=True)
class Hub:
    """The parts, and the headers of users: ada of alpha, ben of beta, nobody of none; olu operates."""

    server: Server
    agent: Agent
    bucket: S3Server
    folder: Path
    ada: dict[str, str]
    ben: dict[str, str]
    nobody: dict[str, str]
    olu: dict[str, str]
    provider: Issuer

    def ask(self, user: dict[str, str], path: str, method: str = "GET", body: Any = None) -> Answer:
        """Send a request to a path of all workspaces, such as /alpha/jobs."""
        return self.server.request(method, f"{PREFIX}{path}", body, user | (ASYNC if body else {}))

    def deploy(self, user: dict[str, str], workspace: str, process: str) -> Answer:
        """Deploy a package under an id."""
        package = json.dumps({"processDescription": {"id": process}, "executionUnit": {"value": ECHO}}).encode()
        headers = user | {"Content-Type": "application/ogcapppkg+json"}
        return self.server.request("POST", f"{PREFIX}/{workspace}/processes", package, headers)

    def execute(self, user: dict[str, str], workspace: str, process: str, **more: Any) -> Any:
        """Execute a process; return the status of its job. `more` are members of the request."""
        body = {"inputs": {"message": "x"}, **more}
        answer = self.ask(user, f"/{workspace}/processes/{process}/execution", "POST", body)
        assert answer.status == 201, answer.body
        return answer.json

    def wait(self, user: dict[str, str], path: str) -> Any:
        """Wait until a job has ended; return its status."""
        found: list[Any] = []

        def look() -> bool:
            found[:] = [self.ask(user, path).json]
            return found[0]["status"] in ("successful", "failed")

        wait_for(look, LONGEST_SECONDS)
        return found[0]

    def publish(self, workspace: str, workflows: dict[str, Any]) -> None:
        """Write the access document of a workspace into the bucket, as a harvester does."""
        self.bucket.put("access", f"{workspace}.json", json.dumps({"workflows": workflows}).encode())


@contextmanager
def hub(folder: Path, **more: str) -> Iterator[Hub]:
    """Run a hub while the block runs; the processes of alpha are deployed."""
    with issuer(folder / "issuer") as provider, agent(folder, {}) as running, serve_s3(folder / "s3") as bucket:
        site = Site(folder, folder / "cache").having(
            ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"),
            ZOO_RUNNER_WORKSPACE_PREFIX=PREFIX,
            ZOO_RUNNER_OPA_URL=running.url,
            ZOO_RUNNER_OPA_CACHE="0.001",
            ZOO_RUNNER_ACCESS="s3://access",
            ZOO_RUNNER_ACCESS_INTERVAL="0.1",
            AWS_ENDPOINT_URL=str(bucket.options.endpoint),
            AWS_ACCESS_KEY_ID=str(bucket.options.access_key_id),
            AWS_SECRET_ACCESS_KEY=str(bucket.options.secret_access_key),
            **provider.settings,
            **more,
        )
        users = (provider.sign("ada", "alpha"), provider.sign("ben", "beta"), provider.sign("nobody"))
        operator = provider.sign("olu", roles=["operator"])
        with serving(site.environ, folder) as server:
            made = Hub(server, running, bucket, folder, *users, operator, provider)
            made.publish("alpha", ACCESS)
            for process in PROCESSES:
                answer = made.deploy(made.ada, "alpha", process)
                assert answer.status == 201, answer.body
            yield made


def read_code(answer: Answer) -> tuple[int, str]:
    """Return the status of a refusal and its code."""
    return answer.status, str(answer.json["diagnosis"]["code"])
