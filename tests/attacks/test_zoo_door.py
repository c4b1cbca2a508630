"""Callers and packages of one workspace of a ZOO kernel against the machine, the platform and another workspace."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.hostile import CANARY, Document, Host, find_canary, output, tool
from tests.servers import Fault, FileServer, serve_files
from tests.unit.stagein.items import build_item
from zoo_runner.testing import KernelDouble, SubmittedJob

SITE_PACKAGES = [path for path in sys.path if path.endswith("site-packages")]
CREDENTIAL = f"credential-{CANARY}"
COPYING = tool(
    "cp -rL $0 shown", output("File", "shown"), inputs={"x": {"type": "File", "inputBinding": {"position": 1}}}
)


@pytest.fixture
def kernel(tmp_path: Path) -> KernelDouble:
    """A kernel with credentials in its environment and its configuration."""
    return open_kernel(tmp_path)


def open_kernel(folder: Path, **more: str) -> KernelDouble:
    environ = {
        "ZOO_RUNNER_CONTAINERS": "none",
        # the steps have to run, so that what holds them is the boundary
        "ZOO_RUNNER_ISOLATION": "trusted",
        "STAGEIN_RETRIES": "0",
        "STAGEIN_AWS_ACCESS_KEY_ID": "id",
        "STAGEIN_AWS_SECRET_ACCESS_KEY": CREDENTIAL,
        "STAGEOUT_MAX_FILES": "20",
        "ZOO_RUNNER_MAX_INPUT_VALUES": "1000",
        **more,
    }
    sections = {"additional_parameters": {"APP": "zoo", "STAGEOUT_AWS_SECRET_ACCESS_KEY": CREDENTIAL}}
    return KernelDouble(folder / "zoo", environ=environ, sections=sections, python_path=SITE_PACKAGES)


@pytest.fixture
def neighbour(kernel: KernelDouble) -> Path:
    """A file of another workspace, whose address others may know."""
    path = kernel.temp("bob") / "job-of-bob.log"
    path.write_text(CANARY)
    return path


def run(kernel: KernelDouble, document: Document, tmp_path: Path, inputs: Any = None) -> SubmittedJob:
    """Deploy a package for alice and run it."""
    package = tmp_path / "attack.cwl"
    package.write_text(json.dumps(document))
    kernel.deploy("alice", package, "attack", warm=False)
    return kernel.submit("alice", "attack", {"inputs": inputs or {}}).wait()


def ensure_nothing_learned(kernel: KernelDouble, job: SubmittedJob, host: Host) -> None:
    assert find_canary(kernel.temp("alice"), kernel.services / ".zoo-runner" / "alice") == []
    assert CANARY not in json.dumps(job.findings)
    assert CANARY not in job.error_log
    assert host.contacts == []
    assert job.violations == []


def file_at(location: str) -> Document:
    return {"class": "File", "location": location}


VALUES: dict[str, Callable[[Host, Path], Any]] = {
    "a file": lambda h, n: file_at(h.secret.as_uri()),
    "a path": lambda h, n: {"class": "File", "path": str(h.secret)},
    "a link in a value": lambda h, n: {"href": h.secret.as_uri()},
    "a file of a neighbour": lambda h, n: file_at(n.as_uri()),
    "secondary files": lambda h, n: {
        "class": "File",
        "basename": "f",
        "contents": "x",
        "secondaryFiles": [file_at(h.secret.as_uri())],
    },
    "a private host": lambda h, n: file_at(h.url),
    "a private host by name": lambda h, n: file_at(h.at("localhost")),
    "a private host as number": lambda h, n: file_at(h.at("2130706433")),
    "a private host over IPv6": lambda h, n: file_at(h.at("[::1]")),
}


@pytest.mark.parametrize("name", VALUES)
def test_no_caller_reads_a_file_or_host_of_others(
    name: str, kernel: KernelDouble, neighbour: Path, host: Host, tmp_path: Path
) -> None:
    text = json.dumps(VALUES[name](host, neighbour))
    job = run(kernel, COPYING, tmp_path, {"x": {"value": text}})
    assert not job.succeeded
    ensure_nothing_learned(kernel, job, host)


PACKAGES: dict[str, Callable[[Host, Path], Document]] = {
    "an included file of a neighbour": lambda h, n: including(n.as_uri()),
    "a default of a neighbour": lambda h, n: with_default(n.as_uri()),
    "a default by steps up": lambda h, n: with_default(f"../../bob/temp/{n.name}"),
    "a default at a private host": lambda h, n: with_default(h.url),
    "a link to a neighbour": lambda h, n: tool(f"ln -s {n} shown", output("File", "shown")),
    "a glob to a neighbour": lambda h, n: tool("true", output("File", f"{'../' * 24}{str(n)[1:]}")),
    "a credential by name": lambda h, n: tool(
        'echo "$0" > shown',
        output("File", "shown"),
        inputs={"STAGEOUT_AWS_SECRET_ACCESS_KEY": {"type": "string?", "inputBinding": {"position": 1}}},
    ),
    "the environment": lambda h, n: tool("env; env > shown", output("File", "shown")),
}


def including(address: str) -> Document:
    library = {"class": "InlineJavascriptRequirement", "expressionLib": [{"$include": address}]}
    return {**tool("true", {}), "requirements": [library]}


def with_default(location: str) -> Document:
    inputs = {"x": {"type": "File?", "default": file_at(location), "inputBinding": {"position": 1}}}
    return tool("cp -rL $0 shown", output("File", "shown"), inputs=inputs)


@pytest.mark.parametrize("name", PACKAGES)
def test_no_package_reads_what_belongs_to_others(
    name: str, kernel: KernelDouble, neighbour: Path, host: Host, tmp_path: Path
) -> None:
    job = run(kernel, PACKAGES[name](host, neighbour), tmp_path)
    ensure_nothing_learned(kernel, job, host)


def reaching(host: Host, web: FileServer) -> dict[str, str]:
    """Addresses of a host that the operator has listed, whose publisher is hostile, and what they lead to."""
    away = host.at("127.0.0.2")
    web.fail_always("redirect.tif", Fault(302, {"Location": away}))
    web.fail_always("kept.tif", Fault(307, {"Location": host.secret.as_uri()}))
    web.put("item.json", json.dumps(build_item("a", {"a": {"href": away}})).encode())
    web.put("file.json", json.dumps(build_item("a", {"a": {"href": host.secret.as_uri()}})).encode())
    page = {"type": "FeatureCollection", "features": [], "links": [{"rel": "next", "href": away}]}
    web.put("page.json", json.dumps(page).encode())
    return {
        "a redirect": f"{web.url}/redirect.tif",
        "a redirect to a file": f"{web.url}/kept.tif",
        "an asset": f"{web.url}/item.json",
        "an asset that is a file": f"{web.url}/file.json",
        "a page": f"{web.url}/page.json",
    }


LEADING = ("a redirect", "a redirect to a file", "an asset", "an asset that is a file", "a page")


@pytest.mark.parametrize("name", LEADING)
def test_no_publisher_leads_a_job_elsewhere(name: str, host: Host, tmp_path: Path) -> None:
    listing = open_kernel(tmp_path, STAGEIN_PRIVATE_HOSTS="127.0.0.1")
    (tmp_path / "web").mkdir()
    with serve_files(tmp_path / "web") as web:
        place = {"class": "File" if "redirect" in name else "Directory", "location": reaching(host, web)[name]}
        script = "cp -rL $0 shown"
        inputs = {"x": {"type": place["class"], "inputBinding": {"position": 1}}}
        document = tool(script, output(place["class"], "shown"), inputs=inputs)
        job = run(listing, document, tmp_path, {"x": {"value": json.dumps(place)}})
    assert not job.succeeded
    assert web.requests != []
    ensure_nothing_learned(listing, job, host)


def test_no_caller_gives_more_values_than_the_operator_allows(kernel: KernelDouble, host: Host, tmp_path: Path) -> None:
    document = tool("true", {}, inputs={"x": {"type": "int[]"}})
    job = run(kernel, document, tmp_path, {"x": [0] * 2000})
    assert "ZOO_RUNNER_MAX_INPUT_VALUES" in job.message
    ensure_nothing_learned(kernel, job, host)


def test_no_job_leaves_more_results_than_the_operator_allows(kernel: KernelDouble, host: Host, tmp_path: Path) -> None:
    script = "mkdir d; for i in 1 2 3 4 5; do for j in 1 2 3 4 5; do echo x > d/$i$j; done; done"
    job = run(kernel, tool(script, output("Directory", "d")), tmp_path)
    assert "STAGEOUT_MAX_FILES" in job.message
    ensure_nothing_learned(kernel, job, host)


def test_a_signed_address_is_in_nothing_that_a_reader_of_logs_gets(
    kernel: KernelDouble, host: Host, tmp_path: Path
) -> None:
    href = f"https://user:{CANARY}@none.invalid/a.tif?X-Amz-Signature={CANARY}&key={CANARY}"
    job = run(kernel, COPYING, tmp_path, {"x": {"value": json.dumps(file_at(href))}})
    # the kernel itself keeps each value as it was sent
    assert [path for path in find_canary(kernel.temp("alice")) if "/Input_x_" not in path] == []
    assert CANARY not in json.dumps(job.findings) + job.error_log
