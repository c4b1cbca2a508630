"""Tokens of steps by a real Keycloak: for one service, in exchange for that of the caller, and revoked at every end."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from tests.cluster import kubectl
from tests.keycloak import PASSWORD, SERVER, find_keycloak, get_token, is_active
from tests.servers import S3Server
from tests.serving import ASYNC, CWL, Answer, Server, kill, serving
from tests.site import Pipe, Site
from tests.waiting import wait_for

PACKAGE = b"""cwlVersion: v1.2
$namespaces: {cwltool: "http://commonwl.org/cwltool#"}
$graph:
  - class: Workflow
    id: hand
    inputs: {seen: string, gate: string, code: int, platform_token: string?}
    outputs: {said: {type: File, outputSource: use/said}}
    steps:
      use:
        run: "#use"
        in: {seen: seen, gate: gate, code: code, token: platform_token}
        out: [said]
  - class: CommandLineTool
    id: use
    requirements:
      cwltool:Secrets: {secrets: [token]}
      EnvVarRequirement: {envDef: {CATALOGUE_TOKEN: $(inputs.token)}}
    baseCommand:
      [sh, -c, 'echo "has $CATALOGUE_TOKEN" >&2; printf %s "$CATALOGUE_TOKEN" > "$0"; read go < "$1"; exit "$2"']
    inputs:
      seen: {type: string, inputBinding: {position: 1}}
      gate: {type: string, inputBinding: {position: 2}}
      code: {type: int, inputBinding: {position: 3}}
      token: string?
    outputs: {said: stdout}
    stdout: said.txt
"""

IN_PODS = b"""cwlVersion: v1.2
$namespaces: {cwltool: "http://commonwl.org/cwltool#"}
$graph:
  - class: Workflow
    id: hand
    inputs: {platform_token: string?}
    outputs: {said: {type: File, outputSource: use/said}}
    steps: {use: {run: "#use", in: {token: platform_token}, out: [said]}}
  - class: CommandLineTool
    id: use
    requirements:
      DockerRequirement: {dockerPull: "docker.io/library/busybox:latest"}
      cwltool:Secrets: {secrets: [token]}
      EnvVarRequirement: {envDef: {CATALOGUE_TOKEN: $(inputs.token)}}
    baseCommand: [sh, -c, 'echo "has $CATALOGUE_TOKEN" >&2; printf %s "$CATALOGUE_TOKEN" | rev']
    inputs: {token: string?}
    outputs: {said: stdout}
    stdout: said.txt
"""


@dataclass(frozen=True)
class Place:
    """A server whose workspace may have tokens for a catalogue, and the provider."""

    server: Server
    site: Site
    keycloak: str
    ada: dict[str, str]

    def ask(self, path: str, method: str = "GET", body: Any = None) -> Answer:
        """Send a request of ada."""
        return self.server.request(method, path, body, self.ada | (ASYNC if body else {}))

    def wait(self, job: str) -> str:
        """Wait for the end of a job; return its status."""
        wait_for(lambda: self.ask(f"/jobs/{job}").json["status"] in ("successful", "failed", "dismissed"))
        return str(self.ask(f"/jobs/{job}").json["status"])


@contextmanager
def serve_tokens(site: Site, folder: Path, package: bytes) -> Iterator[Place]:
    keycloak = find_keycloak()
    (folder / "keys").write_text(Fernet.generate_key().decode())
    profiles = {"alpha": {"stepToken": {"audience": "catalogue", "scope": "catalogue.read"}}}
    (folder / "profiles.json").write_text(json.dumps(profiles))
    site = site.having(
        ZOO_RUNNER_WORKSPACE="alpha",
        ZOO_RUNNER_WORKSPACES=str(folder / "profiles.json"),
        ZOO_RUNNER_ENCRYPTION_KEYS_FILE=str(folder / "keys"),
        ZOO_RUNNER_OIDC_ISSUER=f"{keycloak}/realms/eo",
        ZOO_RUNNER_OIDC_AUDIENCE="zoo-runner",
        ZOO_RUNNER_OIDC_CLIENT=SERVER,
        ZOO_RUNNER_OIDC_CLIENT_SECRET=PASSWORD,
        ZOO_RUNNER_LEASE="3",
    )
    site.folder.mkdir(exist_ok=True)
    with serving(site.environ, site.folder) as server:
        ada = {"Authorization": f"Bearer {get_token(keycloak, 'ada')}"}
        answer = server.request("POST", "/processes?w=hand", package, ada | {"Content-Type": CWL})
        assert answer.status == 201, answer.body
        yield Place(server, site, keycloak, ada)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    results = tmp_path / "site" / "results"
    site = Site(tmp_path / "site", tmp_path / "cache").having(ZOO_RUNNER_RESULTS_FOLDER=str(results))
    with serve_tokens(site, tmp_path, PACKAGE) as served:
        yield served


@dataclass(frozen=True)
class Running:
    """A job whose step has its token, and waits."""

    job: str
    token: str
    gate: Pipe


def begin(place: Place, folder: Path, code: int) -> Running:
    seen, gate = Pipe(folder / "seen"), Pipe(folder / "gate")
    inputs = {"seen": str(seen.path), "gate": str(gate.path), "code": code}
    answer = place.ask("/processes/hand/execution", "POST", {"inputs": inputs})
    assert answer.status == 201, answer.body
    token = seen.read()
    seen.close()
    return Running(str(answer.json["jobID"]), token, gate)


def read_claims(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


def assert_unwritten(place: Place, running: Running) -> None:
    """Assert that no file of the installation has the token."""
    kept = [path.read_bytes() for path in place.site.folder.rglob("*") if path.is_file()]
    assert len(kept) > 5
    assert not any(running.token.encode() in text for text in kept)


def end(place: Place, running: Running, status: str) -> None:
    """Bring a job to one of its ends, with the step still in the middle."""
    if status == "dismissed":
        place.ask(f"/jobs/{running.job}", "DELETE")
    elif status == "lost":
        workers = place.server.find_workers()
        place.server.kill()
        # a worker alone would go on to the end of its job
        for worker in workers:
            kill(worker)
        place.server.start()
    else:
        running.gate.release()


@pytest.mark.parametrize(("status", "code"), [("successful", 0), ("failed", 3), ("dismissed", 0), ("lost", 0)])
def test_a_step_has_a_token_of_its_caller_for_one_service_until_its_job_ends_in_whatever_way(
    place: Place, tmp_path: Path, status: str, code: int
) -> None:
    running = begin(place, tmp_path, code)
    claims = read_claims(running.token)
    assert claims["aud"] in ("catalogue", ["catalogue"])
    # `basic` is a scope of all clients of the realm, which says who it is
    assert (claims["azp"], set(claims["scope"].split())) == (SERVER, {"basic", "catalogue.read"})
    # of the same person, and it is no key to this server
    assert claims["sub"] == read_claims(place.ada["Authorization"])["sub"]
    assert "workspaces" not in claims
    refused = place.server.request("GET", "/jobs", headers={"Authorization": f"Bearer {running.token}"})
    assert (refused.status, refused.json["diagnosis"]["code"]) == (401, "identity.audience")
    assert is_active(place.keycloak, running.token)
    assert_unwritten(place, running)
    end(place, running, status)
    assert place.wait(running.job) == ("failed" if status == "lost" else status)
    wait_for(lambda: not is_active(place.keycloak, running.token))
    running.gate.close()
    shown = [place.ask(f"/jobs/{running.job}{path}").body for path in ("", "/inputs", "/definition", "/logs/job.log")]
    assert not any(running.token.encode() in text for text in shown)
    assert_unwritten(place, running)


@pytest.mark.parametrize("engine", ["calrissian", "argo"])
def test_on_a_cluster_only_the_secret_of_the_job_has_the_token(
    engine: str, site: Site, s3: S3Server, tmp_path: Path
) -> None:
    where = site.having(ZOO_RUNNER_ENGINE=engine, STAGEOUT_OUTPUT=f"s3://results/{engine}")
    manifests: list[str] = []

    def look() -> bool:
        manifests.append(kubectl(site, "get", "all,configmaps,pvc,workflows", "-n", "ws-alpha", "-o", "json"))
        return str(place.ask(f"/jobs/{job}").json["status"]) in ("successful", "failed", "dismissed")

    with serve_tokens(where, tmp_path, IN_PODS) as place:
        answer = place.ask("/processes/hand/execution", "POST", {"inputs": {}})
        assert answer.status == 201, answer.body
        job = answer.json["jobID"]
        wait_for(look)
        shown = place.ask(f"/jobs/{job}")
        assert shown.json["status"] == "successful", shown.body
        (result,) = (s3.folder / "results" / engine).rglob("said.txt")
        # the tool has written it backwards, so that it is no secret for what masks logs
        token = result.read_text()[::-1]
        assert read_claims(token)["azp"] == SERVER
        wait_for(lambda: not is_active(place.keycloak, token))
        logs = [place.ask(f"/jobs/{job}{path}").body for path in ("", "/inputs", "/logs/job.log", "/logs/use.log")]
        assert any(b"has " in text for text in logs)
        assert not any(token.encode() in text for text in logs)
    assert any(f"job-{job}" in text for text in manifests)
    assert not any(token in text or base64.b64encode(token.encode()).decode() in text for text in manifests)
    wait_for(lambda: f"job-{job}" not in kubectl(site, "get", "secrets", "-n", "ws-alpha", "-o", "name"))
