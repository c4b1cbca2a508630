"""Links to results at a real server: they open what they were made for, for as long as they hold, and nothing else."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.attacks.hostile import CANARY
from tests.serving import CWL, Answer, Server, serving
from tests.site import Site
from tests.values import ROOT
from tests.waiting import wait_for

ALICE, BOB = "/workspaces/alice", "/workspaces/bob"
SECRET = "link-secret-0123456789abcdef0123456789"
ECHO = ROOT / "examples" / "echo" / "echo.cwl"
EXPIRY_SECONDS = 60


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, package_cache: Path) -> Site:
    folder = tmp_path_factory.mktemp("shared")
    return Site(folder, package_cache).having(
        ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"), ZOO_RUNNER_WORKSPACE_PREFIX="/workspaces/"
    )


@pytest.fixture(scope="module")
def server(site: Site) -> Iterator[Server]:
    with serving(site.having(ZOO_RUNNER_LINK_SECRET=SECRET).environ, site.folder) as started:
        for base in ("", ALICE, BOB):
            started.deploy(ECHO, base)
        yield started


@pytest.fixture(scope="module")
def jobs(server: Server) -> dict[str, str]:
    """A job of each workspace, by its base."""
    found = {}
    for base in ("", ALICE, BOB):
        answer = server.request(
            "POST",
            f"{base}/processes/echo/execution",
            {"inputs": {"message": f"of {base}"}},
            {"Prefer": "respond-async"},
        )
        found[base] = answer.json["jobID"]
        server.wait(found[base], "successful", base=base)
    return found


def find_folder(server: Server, job: str) -> Path:
    """Find the folder of a job's results."""
    (folder,) = [path for path in Path(server.environ["ZOO_RUNNER_RESULTS_FOLDER"]).rglob(job) if path.is_dir()]
    return folder


def find_path(server: Server, job: str) -> str:
    """Find the path of the one text among the results of a job."""
    folder = find_folder(server, job)
    (file,) = folder.rglob("*.txt")
    return str(file.relative_to(folder))


def share(server: Server, base: str, job: str, path: str, days: float = 1) -> Answer:
    return server.request("POST", f"{base}/jobs/{job}/links", {"path": path, "days": days})


def read_code(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["diagnosis"]["code"]


@pytest.mark.parametrize("base", ["", ALICE, BOB])
def test_a_link_opens_the_one_file_that_it_was_made_for(server: Server, jobs: dict[str, str], base: str) -> None:
    made = share(server, base, jobs[base], find_path(server, jobs[base]))
    assert made.status == 201
    opened = server.request("GET", made.json["href"])
    assert opened.body == f"of {base}\n".encode()
    assert opened.headers["content-security-policy"] == "sandbox"
    assert opened.headers["cache-control"] == "private, no-store"
    assert server.request("HEAD", made.json["href"]).status == 200
    part = server.request("GET", made.json["href"], None, {"Range": "bytes=0-1"})
    assert (part.status, part.body) == (206, b"of")
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert server.request(method, made.json["href"]).status == 405
    # whose it is and what was read is in the audit log of the workspace, and the link is not
    log = server.request("GET", f"{base}/audit").body.decode()
    recorded = [json.loads(line)["action"] for line in log.splitlines() if jobs[base] in line]
    assert {"link.create", "link.read"} <= set(recorded)
    assert made.json["href"].rpartition("/")[2] not in log + server.log.read_text()


def test_a_link_that_was_changed_opens_nothing(server: Server, jobs: dict[str, str]) -> None:
    href = share(server, ALICE, jobs[ALICE], find_path(server, jobs[ALICE])).json["href"]
    token = href.rpartition("/")[2]
    other = share(server, BOB, jobs[BOB], find_path(server, jobs[BOB])).json["href"].rpartition("/")[2]
    signed, _, signature = token.partition(".")
    attempts = [
        f"{other.partition('.')[0]}.{signature}",
        f"{signed}.{other.partition('.')[2]}",
        *(f"{token[:at]}{'A' if token[at] != 'A' else 'B'}{token[at + 1 :]}" for at in range(0, len(token), 7)),
        *(signed, f"{signed}.", f".{signature}", "x", quote("é"), f"{token}%00", "A" * 9000),
        *(f"{token}/..", f"..%2f..%2f{token}"),
    ]
    for one in attempts:
        answer = server.request("GET", f"/shared/{one}")
        assert answer.status in (400, 403, 404), one
        assert b"of /workspaces" not in answer.body
    assert server.request("GET", f"{ALICE}/shared/{token}").status == 404


@pytest.mark.parametrize(
    "path",
    [
        "../../../etc/passwd",
        "/etc/passwd",
        "..",
        "",
        "text/../../x",
        "a\u0000b",
        "collection.json/x",
        "x" * 5000,
        "%2e%2e/x",
    ],
)
def test_no_link_leads_out_of_the_results(server: Server, jobs: dict[str, str], path: str) -> None:
    assert share(server, ALICE, jobs[ALICE], path).status in (400, 404)


def test_no_link_is_made_in_another_workspace(server: Server, jobs: dict[str, str]) -> None:
    path = find_path(server, jobs[ALICE])
    assert read_code(share(server, BOB, jobs[ALICE], path)) == (404, "job.not-found")


def test_a_result_that_leads_elsewhere_is_not_shared(server: Server) -> None:
    package = {
        "cwlVersion": "v1.2",
        "class": "CommandLineTool",
        "id": "linker",
        "baseCommand": ["sh", "-c", "ln -s /etc/passwd out; echo x > text"],
        "inputs": {},
        "outputs": {"text": {"type": "File", "outputBinding": {"glob": "text"}}},
    }
    assert server.request("POST", "/processes", json.dumps(package).encode(), {"Content-Type": CWL}).status == 201
    job = server.execute("linker", {})
    server.wait(job, "successful")
    folder = find_folder(server, job)
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "canary").write_text(CANARY)
    assert share(server, "", job, "link").status == 404
    # nor does a file that becomes a link later
    href = share(server, "", job, "canary").json["href"]
    assert CANARY in server.request("GET", href).body.decode()
    (folder / "canary").unlink()
    (folder / "canary").symlink_to("/etc/passwd")
    assert server.request("GET", href).status == 404


def test_a_link_ends_with_its_time_with_its_results_and_with_the_secret(server: Server, jobs: dict[str, str]) -> None:
    path = find_path(server, jobs[""])
    href = share(server, "", jobs[""], path, days=1e-5).json["href"]
    wait_for(lambda: server.request("GET", href).status == 410, EXPIRY_SECONDS)
    assert read_code(server.request("GET", href)) == (410, "link.expired")
    lasting = share(server, "", jobs[""], path).json["href"]
    token = share(server, BOB, jobs[BOB], find_path(server, jobs[BOB])).json["href"].rpartition("/")[2]
    assert server.request("DELETE", f"/jobs/{jobs['']}/results").status == 204
    assert server.request("GET", lasting).status == 404
    for secret in ("another-secret-0123456789abcdef01234", ""):
        with serving({**server.environ, "ZOO_RUNNER_LINK_SECRET": secret}, server.log.parent) as other:
            assert read_code(other.request("GET", f"/shared/{token}")) == (403, "link.invalid")
