"""Secrets of a workspace at a real server with real object storage: its jobs use them, and nobody gets to see them."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet

from tests.servers import S3Server, serve_s3
from tests.serving import Answer, Server, serving
from tests.site import Site

PREFIX = "/catalogs/user/catalogs"
KEY_ID, SECRET = "of-alpha-" + uuid4().hex, uuid4().hex
PACKAGE = b"""cwlVersion: v1.2
$graph:
  - class: Workflow
    id: copy
    inputs: {source: File}
    outputs: {copied: {type: File, outputSource: run/copied}}
    steps: {run: {run: "#cat", in: {source: source}, out: [copied]}}
  - class: CommandLineTool
    id: cat
    baseCommand: cat
    inputs: {source: {type: File, inputBinding: {}}}
    outputs: {copied: stdout}
    stdout: copied.txt
"""


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    folder = tmp_path_factory.mktemp("s3")
    (folder / "results").mkdir()
    with serve_s3(folder, KEY_ID, SECRET) as running:
        running.put("data", "a.txt", b"of alpha")
        yield running


@pytest.fixture(scope="module")
def site(bucket: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("secrets")
    keys = folder / "keys"
    keys.write_text(Fernet.generate_key().decode())
    return Site(folder, folder / "cache").having(
        ZOO_RUNNER_WORKSPACE_PREFIX=PREFIX,
        ZOO_RUNNER_ENCRYPTION_KEYS_FILE=str(keys),
        AWS_ENDPOINT_URL=str(bucket.options.endpoint),
        # the installation has others, which open nothing here
        AWS_ACCESS_KEY_ID="of-the-operator",
        AWS_SECRET_ACCESS_KEY="opens-nothing-here",
        STAGEOUT_OUTPUT="s3://results",
        STAGEIN_PRIVATE_HOSTS="127.0.0.1",
    )


@pytest.fixture(scope="module")
def server(site: Site) -> Iterator[Server]:
    with serving(site.environ, site.folder) as running:
        for workspace in ("alpha", "beta"):
            headers = {"Content-Type": "application/cwl+yaml"}
            answer = running.request("POST", f"{PREFIX}/{workspace}/processes?w=copy", PACKAGE, headers)
            assert answer.status == 201, answer.body
        yield running


def put(server: Server, name: str, value: str, workspace: str = "alpha") -> Answer:
    return server.request("PUT", f"{PREFIX}/{workspace}/secrets/{name}", {"value": value})


def run(server: Server, workspace: str) -> dict[str, str]:
    inputs = {"source": {"href": "s3://data/a.txt"}}
    job = server.execute("copy", inputs, f"{PREFIX}/{workspace}")
    found = server.wait(job, base=f"{PREFIX}/{workspace}")
    return {"status": found["status"], "job": job, "text": json.dumps(found)}


def test_jobs_of_a_workspace_use_its_secrets_and_nobody_sees_them(
    server: Server, site: Site, bucket: S3Server, tmp_path: Path
) -> None:
    before = run(server, "alpha")
    assert before["status"] == "failed"
    assert "InvalidAccessKeyId" in before["text"]
    for name, value in (("AWS_ACCESS_KEY_ID", KEY_ID), ("AWS_SECRET_ACCESS_KEY", SECRET)):
        assert put(server, name, value).status == 204
    after = run(server, "alpha")
    assert after["status"] == "successful", after["text"]
    assert [path.read_bytes() for path in (bucket.folder / "results").rglob("copied.txt")] == [b"of alpha"]
    # another workspace has none of it
    assert run(server, "beta")["status"] == "failed"
    listed = server.request("GET", f"{PREFIX}/alpha/secrets")
    assert [one["name"] for one in listed.json["secrets"]] == ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
    assert server.request("GET", f"{PREFIX}/beta/secrets").json["secrets"] == []
    assert server.request("GET", f"{PREFIX}/alpha/secrets/AWS_SECRET_ACCESS_KEY").status == 405
    base = f"{PREFIX}/alpha/jobs/{after['job']}"
    shown = [server.request("GET", f"{base}{path}").body for path in ("", "/results", "/logs/job.log", "/inputs")]
    archive = tmp_path / "backup.zip"
    assert site.command("backup", str(archive)).returncode == 0
    with zipfile.ZipFile(archive) as kept:
        assert b"AWS_SECRET_ACCESS_KEY" in kept.read("tables/secrets.jsonl")
        shown += [kept.read(name) for name in kept.namelist()]
    shown += [path.read_bytes() for path in site.folder.rglob("*") if path.is_file() and path.name != "keys"]
    assert len(shown) > 10
    assert not any(SECRET.encode() in data for data in shown)


def test_secrets_are_set_listed_rotated_and_removed_at_the_server(server: Server, site: Site) -> None:
    given = site.command("secrets", "set", "gamma", "STAGEIN_AWS_SECRET_ACCESS_KEY", given="value-of-gamma\n")
    assert given.returncode == 0, given.stderr
    listed = json.loads(site.command("secrets", "list", "gamma").stdout)
    assert [one["name"] for one in listed["secrets"]] == ["STAGEIN_AWS_SECRET_ACCESS_KEY"]
    assert site.command("secrets", "rotate").returncode == 0
    assert site.command("secrets", "remove", "gamma", "STAGEIN_AWS_SECRET_ACCESS_KEY").returncode == 0
    entries = [json.loads(line) for line in site.command("audit", "--workspace", "gamma").stdout.splitlines()]
    assert [(one["action"], one["secret"]) for one in entries] == [
        ("secret.put", "STAGEIN_AWS_SECRET_ACCESS_KEY"),
        ("secret.remove", "STAGEIN_AWS_SECRET_ACCESS_KEY"),
    ]
    assert "value-of-gamma" not in json.dumps([listed, entries, given.stdout, given.stderr])


def test_what_is_no_secret_is_refused(server: Server) -> None:
    for name in ("AWS_ENDPOINT_URL", "STAGEIN_HOSTS_FILE", "PATH"):
        answer = put(server, name, "http://169.254.169.254")
        assert (answer.status, answer.json["diagnosis"]["code"]) == (400, "request.invalid")
    answer = server.request("DELETE", f"{PREFIX}/alpha/secrets/AWS_SESSION_TOKEN")
    assert (answer.status, answer.json["diagnosis"]["code"]) == (404, "secret.not-found")
