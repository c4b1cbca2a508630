"""Callers and packages against a real server process: they read, contact, overload or impersonate nothing."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.attacks.hostile import CANARY, Document, Host, listening, output, tool
from tests.serving import ASYNC, CWL, Answer, Server, serving
from tests.site import Site

ALICE, BOB = "/workspaces/alice", "/workspaces/bob"
PACKAGE = "application/ogcapppkg+json"
CREDENTIAL = f"credential-{CANARY}"
OPERATORS = {
    "STAGEIN_AWS_SECRET_ACCESS_KEY": CREDENTIAL,
    "STAGEIN_AWS_ACCESS_KEY_ID": "id",
    "DATABASE_PASSWORD": CREDENTIAL,
    "PLAIN_CREDENTIAL": CREDENTIAL,
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    planted = Host(tmp_path_factory.mktemp("host") / "host")
    planted.plant()
    with listening(planted) as heard:
        yield heard


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, package_cache: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    site = Site(folder, package_cache).having(
        ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"),
        ZOO_RUNNER_WORKSPACE_PREFIX="/workspaces/",
        ZOO_RUNNER_MAX_BODY_MIB="2",
        ZOO_RUNNER_MAX_INPUT_VALUES="1000",
        STAGEIN_MAX_FILES="20",
        STAGEOUT_MAX_FILES="20",
        STAGEOUT_MAX_BYTES="1000000",
        **OPERATORS,
    )
    with serving(site.environ, folder) as started:
        yield started


def deploy(server: Server, document: Document, name: str, base: str = "") -> Answer:
    body = json.dumps({**document, "id": name}).encode()
    return server.request("POST", f"{base}/processes", body, {"Content-Type": CWL})


def copying(kind: str) -> Document:
    inputs = {"x": {"type": kind, "inputBinding": {"position": 1}}}
    return tool("cp -rL $0 shown", output(kind, "shown"), inputs=inputs)


@pytest.fixture(scope="module")
def copiers(server: Server) -> None:
    for base in ("", ALICE, BOB):
        for kind in ("File", "Directory"):
            assert deploy(server, copying(kind), f"copy-{kind}", base).status == 201


def run(server: Server, process: str, inputs: Any, base: str = "") -> list[Answer]:
    """Execute a process; return every answer that says something of the job."""
    answer = server.request("POST", f"{base}/processes/{process}/execution", {"inputs": inputs}, ASYNC)
    if answer.status != 201:
        return [answer]
    job = answer.json["jobID"]
    server.wait(job, base=base)
    paths = ["", "/results", "/logs"]
    answers = [answer, *(server.request("GET", f"{base}/jobs/{job}{path}") for path in paths)]
    links = answers[-1].json.get("logs", []) + answers[-1].json.get("links", [])
    answers += [server.request("GET", link["href"]) for link in links if "/logs/" in link.get("href", "")]
    for each in _list_hrefs(answers[2].json):
        if "/files/" in each:
            answers.append(server.request("GET", each))
    return answers


def _list_hrefs(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("href"), str):
            yield node["href"]
        for member in node.values():
            yield from _list_hrefs(member)
    elif isinstance(node, list):
        for member in node:
            yield from _list_hrefs(member)


def ensure_nothing_learned(answers: list[Answer], host: Host) -> None:
    assert [answer.body[:500] for answer in answers if CANARY.encode() in answer.body] == []
    assert host.contacts == []


INPUTS: dict[str, Callable[[Host], tuple[str, Any]]] = {
    "a file": lambda h: ("File", {"href": h.secret.as_uri()}),
    "a path": lambda h: ("File", str(h.secret)),
    "a file in CWL's form": lambda h: ("File", {"class": "File", "location": h.secret.as_uri()}),
    "a file by steps up": lambda h: ("File", {"href": f"../../../../../../../../../..{h.secret}"}),
    "a folder": lambda h: ("Directory", {"href": h.folder.as_uri()}),
    "a listing": lambda h: (
        "Directory",
        {"class": "Directory", "basename": "d", "listing": [{"class": "File", "location": h.secret.as_uri()}]},
    ),
    "secondary files": lambda h: (
        "File",
        {
            "class": "File",
            "basename": "f",
            "contents": "x",
            "secondaryFiles": [{"class": "File", "location": h.secret.as_uri()}],
        },
    ),
    "a private host": lambda h: ("File", {"href": h.url}),
    "a private host by name": lambda h: ("File", {"href": h.at("localhost")}),
    "a private host as number": lambda h: ("File", {"href": h.at("2130706433")}),
    "a private host over IPv6": lambda h: ("Directory", {"href": h.at("[::1]")}),
    "a metadata service": lambda h: ("File", {"href": "http://169.254.169.254/latest/meta-data/"}),
    "the environment": lambda h: ("File", {"href": "file:///proc/self/environ"}),
}


@pytest.mark.usefixtures("copiers")
@pytest.mark.parametrize("name", INPUTS)
def test_no_caller_reads_a_file_or_host_behind_the_server(name: str, server: Server, host: Host) -> None:
    kind, value = INPUTS[name](host)
    ensure_nothing_learned(run(server, f"copy-{kind}", {"x": value}), host)


DEPLOYMENTS: dict[str, Callable[[Host], Any]] = {
    "a private host": lambda h: {"href": h.url},
    "a private host by name": lambda h: {"href": h.at("localhost")},
    "a private host as number": lambda h: {"href": h.at("0x7f000001")},
    "a file": lambda h: {"href": (h.folder / "secret.json").as_uri()},
    "another protocol": lambda h: {"href": f"ftp://127.0.0.1:{h.port}/a.cwl"},
    "an included file": lambda h: {
        "unit": {
            **tool("true", {}),
            "requirements": [
                {"class": "InlineJavascriptRequirement", "expressionLib": [{"$include": h.secret.as_uri()}]}
            ],
        }
    },
    "an included address": lambda h: {
        "unit": {
            **tool("true", {}),
            "requirements": [{"class": "InlineJavascriptRequirement", "expressionLib": [{"$include": h.url}]}],
        }
    },
    "a document that includes itself": lambda h: {
        "unit": {**tool("true", {}), "hints": [{"class": "ResourceRequirement", "ramMin": {"$include": ""}}]}
    },
    "a step at an address": lambda h: {
        "unit": {
            "cwlVersion": "v1.2",
            "class": "Workflow",
            "inputs": {},
            "outputs": {},
            "steps": {"one": {"run": h.url, "in": {}, "out": []}},
        }
    },
}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_no_deployment_reads_a_file_or_host_behind_the_server(name: str, server: Server, host: Host) -> None:
    body = json.dumps({"executionUnit": DEPLOYMENTS[name](host)}).encode()
    answer = server.request("POST", "/processes", body, {"Content-Type": PACKAGE})
    assert 400 <= answer.status < 500, answer.body
    ensure_nothing_learned([answer], host)


PACKAGES: dict[str, Callable[[Host], Document]] = {
    "a glob": lambda h: tool("true", output("File", f"{'../' * 24}{str(h.secret)[1:]}")),
    "a link": lambda h: tool(f"ln -s {h.secret} o", output("File", "o")),
    "variables of the step": lambda h: tool("env; env > o", output("File", "o")),
    "variables of processes above it": lambda h: tool(
        "for p in $PPID 1 self; do cat /proc/$p/environ >> o 2>/dev/null; done; true", output("File", "o")
    ),
    "a default": lambda h: tool(
        "cp $0 o",
        output("File", "o"),
        inputs={
            "x": {
                "type": "File",
                "default": {"class": "File", "location": h.secret.as_uri()},
                "inputBinding": {"position": 1},
            }
        },
    ),
    "a default at a private host": lambda h: tool(
        "cp $0 o",
        output("File", "o"),
        inputs={
            "x": {"type": "File", "default": {"class": "File", "location": h.url}, "inputBinding": {"position": 1}}
        },
    ),
}


@pytest.mark.parametrize("name", PACKAGES)
def test_no_deployed_package_reads_what_is_the_servers(name: str, server: Server, host: Host) -> None:
    process = f"package-{list(PACKAGES).index(name)}"
    answer = deploy(server, PACKAGES[name](host), process)
    answers = [answer] if answer.status != 201 else run(server, process, {})
    ensure_nothing_learned(answers, host)


LIMITS: dict[str, tuple[str, str]] = {
    "too many files": ("for i in $(seq 30); do mkdir -p d; echo x > d/$i; done", "output.refused"),
    "too many bytes": ("mkdir d; truncate -s 2M d/o", "output.refused"),
}


@pytest.mark.parametrize("name", LIMITS)
def test_no_job_leaves_more_results_than_the_operator_allows(name: str, server: Server) -> None:
    script, code = LIMITS[name]
    process = f"limit-{list(LIMITS).index(name)}"
    # a dollar and a parenthesis begin an expression
    assert deploy(server, tool(script.replace("$(", "\\$("), output("Directory", "d")), process).status == 201
    job = server.execute(process, {})
    assert server.wait(job)["diagnosis"]["code"] == code


BODIES: dict[str, bytes] = {
    "too many values": json.dumps({"inputs": {"x": [0] * 2000}}).encode(),
    "too many members": json.dumps({"inputs": {f"x{i}": 0 for i in range(2000)}}).encode(),
    "too deep": b'{"inputs": {"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
    "deep objects": b'{"inputs": {"x": ' + b'{"a": ' * 500 + b"1" + b"}" * 500 + b"}}",
    "a huge number": b'{"inputs": {"x": ' + b"9" * 100_000 + b"}}",
    "not JSON": b"{" * 1000,
    "no text": b"\xff\xfe\x00",
    "half a character": b'{"inputs": {"x": "\\ud800"}}',
    "half a character as bytes": b'{"inputs": {"x": "\xed\xa0\x80"}}',
    "a null character": b'{"inputs": {"x": "\\u0000"}}',
    "no number": b'{"inputs": {"x": NaN}}',
}


@pytest.mark.usefixtures("copiers")
@pytest.mark.parametrize("name", BODIES)
def test_no_request_keeps_the_server_busy_or_breaks_it(name: str, server: Server) -> None:
    headers = {"Content-Type": "application/json", **ASYNC}
    answer = server.request("POST", "/processes/copy-File/execution", BODIES[name], headers)
    assert 400 <= answer.status < 500, answer.body
    assert server.request("GET", "/health").status == 200


IDS = (
    "../x",
    "..",
    ".",
    "a/b",
    "a\\b",
    "",
    " ",
    "a\nb",
    "x" * 200,
    "%2e%2e",
    "a\0b",
    "$(id)",
    "'; drop table jobs; --",
)


@pytest.mark.parametrize("name", IDS)
def test_no_process_has_an_id_that_is_a_path_or_a_command(name: str, server: Server) -> None:
    unit = {"processDescription": {"id": name}, "executionUnit": {"unit": {**tool("true", {}), "id": "plain"}}}
    body = json.dumps(unit).encode()
    answer = server.request("POST", "/processes", body, {"Content-Type": PACKAGE})
    assert answer.status in (400, 422) or answer.json["id"] == "plain"
    server.request("DELETE", "/processes/plain")


@pytest.fixture(scope="module")
def bobs(server: Server, copiers: None) -> str:
    """A job of another workspace, with a result."""
    value = {"class": "File", "basename": "f.txt", "contents": "bob's"}
    job = server.execute("copy-File", {"x": value}, BOB)
    assert server.wait(job, base=BOB)["status"] == "successful"
    return job


FOREIGN = (
    ("GET", "/jobs/{job}"),
    ("GET", "/jobs/{job}/results"),
    ("GET", "/jobs/{job}/logs"),
    ("GET", "/jobs/{job}/logs/job"),
    ("GET", "/jobs/{job}/events"),
    ("GET", "/jobs/{job}/files/shown/shown"),
    ("GET", "/jobs/{job}/files/collection.json"),
    ("DELETE", "/jobs/{job}"),
)


@pytest.mark.parametrize(("method", "path"), FOREIGN)
@pytest.mark.parametrize("base", ["", ALICE])
def test_no_workspace_reaches_a_job_of_another(base: str, method: str, path: str, server: Server, bobs: str) -> None:
    answer = server.request(method, base + path.format(job=bobs))
    assert answer.status == 404
    assert server.request("GET", f"{BOB}/jobs/{bobs}/results").status == 200


def test_no_list_of_jobs_has_those_of_another_workspace(server: Server, bobs: str) -> None:
    for query in ("", f"?q={bobs}", "?processID=copy-File", "?q=%25", "?q=_", f"?q={quote(chr(39))} or 1=1 --"):
        answer = server.request("GET", f"{ALICE}/jobs{query.replace(' ', '%20')}")
        assert bobs.encode() not in answer.body


FILES = (
    "../" * 12 + "etc/passwd",
    "..%2f" * 12 + "etc%2fpasswd",
    "%2e%2e/" * 12 + "etc/passwd",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    ".stageout.json/../../../x",
    "shown/..%00",
    "%00",
    "x" * 300,
    "\\..\\..\\x",
    "~root/.ssh/id_rsa",
    "shown",
    "",
)


@pytest.mark.parametrize("name", FILES)
def test_no_address_of_a_result_leads_out_of_the_results(name: str, server: Server, bobs: str) -> None:
    answer = server.request("GET", f"{BOB}/jobs/{bobs}/files/{name}")
    assert answer.status in (400, 404), answer.body[:200]
    assert b"root:" not in answer.body


@pytest.mark.parametrize("name", FILES[:-1])
def test_no_address_of_a_log_leads_elsewhere(name: str, server: Server, bobs: str) -> None:
    answer = server.request("GET", f"{BOB}/jobs/{bobs}/logs/{name}")
    assert answer.status in (200, 400, 404)
    assert b"root:" not in answer.body


@pytest.mark.parametrize(
    "workspace", ["..", "%2e%2e", "a%2fb", "A", "a_b", "-a", "x" * 70, "a%00", "a b".replace(" ", "%20")]
)
def test_no_workspace_has_a_name_that_is_a_path(workspace: str, server: Server) -> None:
    answer = server.request("GET", f"/workspaces/{workspace}/jobs")
    assert answer.status == (400 if "%00" in workspace else 404), answer.body


@pytest.mark.usefixtures("copiers")
def test_a_signed_address_is_nowhere_in_what_a_caller_or_reader_of_logs_gets(server: Server, host: Host) -> None:
    href = f"https://user:{CANARY}@none.invalid/a.tif?X-Amz-Signature={CANARY}&key={CANARY}"
    ensure_nothing_learned(run(server, "copy-File", {"x": {"href": href}}), host)
