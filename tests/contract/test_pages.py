"""The API as pages: each document as HTML for clients that prefer it, safe whatever users have written."""

import gzip
import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing
from html import unescape
from http.client import HTTPConnection
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.markup import EVIL, Page
from tests.servers import S3Server, serve_s3
from tests.serving import Answer, Server, serving
from tests.site import Site
from tests.values import ROOT

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
HTML = {"Accept": BROWSER}
HUB = "/api/catalogs/user/catalogs/ws-one"
NOTHING: Mapping[str, str] = MappingProxyType({})
ECHO = ROOT / "examples" / "echo" / "echo.cwl"
SURVEY = ROOT / "tests" / "data" / "pages" / "survey.cwl"
AREA = {"bbox": [10.2, 46.1, 11.4, 46.9]}
HOSTILE = {
    "cwlVersion": "v1.2",
    "$namespaces": {"s": "https://schema.org/"},
    "s:softwareVersion": EVIL,
    "s:keywords": [EVIL],
    "s:license": "javascript:alert(3)",
    "class": "CommandLineTool",
    "id": "hostile",
    "label": EVIL,
    "doc": EVIL,
    "baseCommand": ["sh", "-c", "printf '%s' \"$0\" > cwl.output.json"],
    "inputs": {"text": {"type": "string", "label": EVIL, "doc": EVIL, "default": EVIL}},
    "arguments": [json.dumps({"text": EVIL, "link": "javascript:alert(4)"})],
    "outputs": {"text": {"type": "string", "label": EVIL}, "link": {"type": "string"}},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, package_cache: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("pages")
    site = Site(folder, package_cache).having(
        ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"),
        ZOO_RUNNER_WORKSPACE_PREFIX="/api/catalogs/user/catalogs",
    )
    with serving(site.environ, folder) as server:
        server.deploy(ECHO)
        server.deploy(ECHO, HUB)
        body = json.dumps(HOSTILE).encode()
        assert server.request("POST", "/processes", body, {"Content-Type": "application/cwl+json"}).status == 201
        yield server


def read(answer: Answer) -> Page:
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    return Page(answer.body.decode())


def get(server: Server, path: str) -> Page:
    answer = server.request("GET", path, None, HTML)
    assert answer.status == 200, answer.body
    return read(answer)


def list_texts(node: Any) -> list[str]:
    if isinstance(node, dict | list):
        members = node.values() if isinstance(node, dict) else node
        return [text for member in members for text in list_texts(member)]
    return [node] if isinstance(node, str) else []


@pytest.fixture(scope="module")
def job(server: Server) -> str:
    found = server.execute("echo", {"message": "shown"})
    server.wait(found, "successful")
    return found


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/conformance",
        "/api",
        "/processes",
        "/processes/echo",
        "/jobs",
        "/jobs/{}",
        "/jobs/{}/results",
        "/jobs/{}/logs",
        "/jobs/{}/definition",
        "/jobs/{}/inputs",
        "/failures",
        "/usage",
        "/operations",
        "/operations/engine",
        "/items",
        "/comparison?job={0}&job={0}",
        "/uses?href=https://eo.example/a.tif&type=image/tiff",
        f"{HUB}/",
        f"{HUB}/processes/echo",
        f"{HUB}/jobs",
    ],
)
def test_a_browser_gets_a_page_and_others_json(server: Server, job: str, path: str) -> None:
    path = path.format(job)
    get(server, path)
    for accept in ("", "*/*", "application/json", "application/json, text/html;q=0.9", "text/html, application/json"):
        answer = server.request("GET", path, None, {"Accept": accept})
        assert (answer.status, "json" in answer.headers["content-type"]) == (200, True)
        assert answer.headers["vary"] == "Accept"


@pytest.mark.parametrize(
    "path", ["/", "/conformance", "/processes", "/processes/echo", "/jobs", "/jobs/{}", "/jobs/{}/results"]
)
def test_a_page_has_all_that_its_document_has_and_its_addresses_as_links(server: Server, job: str, path: str) -> None:
    document, page = read_twice(server, path.format(job))
    texts = set(list_texts(document))
    assert {href for href in list_hrefs(document) if re.match("https?://", href)} <= set(page.list_addresses())
    assert [text for text in texts if text not in page.text and text not in page.list_addresses()] == []


def read_twice(server: Server, path: str) -> tuple[Any, Page]:
    return server.request("GET", path).json, get(server, path)


def list_hrefs(node: Any) -> list[str]:
    if isinstance(node, dict | list):
        own = [node["href"]] if isinstance(node, dict) and isinstance(node.get("href"), str) else []
        members = node.values() if isinstance(node, dict) else node
        return [*own, *(href for member in members for href in list_hrefs(member))]
    return []


def test_a_link_asks_for_a_format_whatever_a_client_accepts(server: Server) -> None:
    assert server.request("GET", "/processes?f=json", None, HTML).json["processes"]
    assert read(server.request("GET", "/processes?f=html", None, {"Accept": "application/json"})).text
    refused = server.request("GET", "/processes?f=xml")
    assert (refused.status, refused.json["diagnosis"]["code"]) == (400, "request.invalid")
    (as_json,) = {href for href in get(server, "/jobs?limit=1&status=failed").list_addresses() if "f=json" in href}
    assert server.request("GET", f"/jobs{as_json}", None, HTML).json["jobs"] == []


def test_jobs_are_shown_in_pages_and_narrowed(server: Server) -> None:
    jobs = [server.execute("echo", {}) for _ in range(3)]
    for one in jobs:
        server.wait(one)
    first = server.request("GET", "/jobs?limit=2", None, HTML)
    assert [one for one in jobs if one in read(first).text] == jobs[1:]
    (following,) = {href for href in read(first).list_addresses() if "cursor=" in href}
    assert jobs[0] in get(server, following).text
    assert jobs[0] in get(server, f"/jobs?status=successful&q={jobs[0]}&f=html").text
    assert jobs[0] not in get(server, "/jobs?status=failed&q=&f=html").text


def test_a_job_that_runs_is_looked_at_again_and_one_that_has_ended_is_not(server: Server, job: str) -> None:
    running = server.execute("echo", {})
    started = server.request("GET", f"/jobs/{running}", None, HTML)
    if server.wait(running) and b"accepted" in started.body:
        page = read(started)
        assert ("meta", {"http-equiv": "refresh", "content": "5"}) in page.elements
        assert any("live." in (one["src"] or "") for one in page.list_all("script"))
    ended = get(server, f"/jobs/{job}")
    assert all(attributes.get("http-equiv") is None for _, attributes in ended.elements)
    assert not any("live." in (one["src"] or "") for one in ended.list_all("script"))


def submit(
    server: Server, path: str, fields: Mapping[str, str] = NOTHING, headers: Mapping[str, str] = NOTHING
) -> tuple[int, str]:
    """Send a form: return the status, and the address to go on with or else the page."""
    sent = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin", **HTML, **headers}
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    with closing(connection):
        connection.request("POST", path, urlencode(fields), sent)
        answer = connection.getresponse()
        following = (answer.getheader("Location") or "").removeprefix(server.url)
        return answer.status, following or answer.read().decode()


def list_recorded(server: Server, member: str, value: str) -> list[str]:
    """List the actions that the audit log has of a job or process."""
    entries = [json.loads(line) for line in server.request("GET", "/audit").body.splitlines()]
    return [entry["action"] for entry in entries if entry[member] == value]


def test_buttons_run_again_and_remove_and_lead_to_the_next_page(server: Server) -> None:
    first = server.execute("echo", {"message": "again"})
    server.wait(first, "successful")
    status, page = submit(server, f"/jobs/{first}/again")
    assert (status, page.startswith("/jobs/")) == (303, True)
    second = page.removeprefix("/jobs/")
    server.wait(second, "successful")
    assert list_recorded(server, "job", second) == ["process.execute"]
    get(server, page)
    assert set(list_recorded(server, "job", second)) == {"process.execute", "job.logs", "job.inputs"}
    assert server.request("GET", f"/jobs/{second}/inputs").json == {"message": "again"}
    assert submit(server, f"/jobs/{first}/dismiss") == (303, "/jobs")
    assert server.request("GET", f"/jobs/{first}").status == 404


def test_a_job_whose_step_took_too_long_is_run_again_with_a_higher_limit(server: Server) -> None:
    package = {
        "cwlVersion": "v1.2",
        "class": "CommandLineTool",
        "id": "patient",
        "requirements": {"ToolTimeLimit": {"timelimit": 1}},
        "baseCommand": ["sh", "-c", "sleep 3; echo done"],
        "inputs": {},
        "outputs": {"text": {"type": "stdout"}},
        "stdout": "text.txt",
    }
    sent = server.request("POST", "/processes", json.dumps(package).encode(), {"Content-Type": "application/cwl+json"})
    assert sent.status == 201
    job = server.execute("patient", {})
    assert server.wait(job, "failed")["diagnosis"]["code"] == "step.time-limit"
    page = get(server, f"/jobs/{job}")
    offered = {
        str(one["name"]): str(one["value"]) for one in page.list_all("input") if one.get("name") in ("step", "seconds")
    }
    assert offered == {"step": "patient", "seconds": "60"}
    status, following = submit(server, f"/jobs/{job}/retry", offered)
    assert (status, following.startswith("/jobs/")) == (303, True)
    server.wait(following.removeprefix("/jobs/"), "successful")
    assert list_recorded(server, "job", following.removeprefix("/jobs/")) == ["job.retry"]
    # without the page
    limits = {"timeLimits": {"patient": 60}}
    assert server.request("POST", f"/jobs/{job}/retry", limits).json["diagnosis"]["code"] == "job.nothing-kept"
    again = server.request("POST", f"/jobs/{job}/retry", {**limits, "restart": "always"})
    assert again.status == 201
    server.wait(again.json["jobID"], "successful")


def test_buttons_start_a_job_that_was_created_and_dismiss_it(server: Server) -> None:
    definition = {"process": "echo", "inputs": {"message": "later"}}
    created = server.request("POST", "/jobs", definition).json["jobID"]
    assert {"Start", "Dismiss"} <= set(get(server, f"/jobs/{created}").text.splitlines())
    assert submit(server, f"/jobs/{created}/start") == (303, f"/jobs/{created}")
    server.wait(created, "successful")
    other = server.request("POST", "/jobs", definition).json["jobID"]
    assert submit(server, f"/jobs/{other}/dismiss") == (303, f"/jobs/{other}")
    assert server.wait(other)["status"] == "dismissed"


def test_jobs_are_chosen_run_again_compared_and_removed(server: Server) -> None:
    first, second = (server.execute("echo", {"message": word}) for word in ("one", "three"))
    for job in (first, second):
        server.wait(job, "successful")
    listed = get(server, "/jobs?status=successful&f=html")
    assert {first, second} <= {one.get("value") for one in listed.list_all("input") if one.get("type") == "checkbox"}
    compared = server.request("GET", f"/comparison?job={first}&job={second}").json
    assert [(one["name"], one["same"]) for one in compared["inputs"]] == [("message", False)]
    assert [(one["name"], one["same"]) for one in compared["results"]] == [("text/message.txt", False)]
    assert {"one", "three"} <= set(get(server, f"/comparison?job={first}&job={second}").text.split())
    assert {"job.compare", "job.inputs", "job.results"} <= {
        *list_recorded(server, "job", first),
        *list_recorded(server, "action", "job.compare"),
    }
    assert server.request("GET", f"/comparison?job={first}").json["diagnosis"]["code"] == "request.invalid"
    assert server.request("GET", f"/comparison?job={first}&job=nowhere").status == 404
    done = server.request("POST", "/selection", {"action": "run-again", "jobs": [first, second, "nowhere"]}).json
    created = [one["newJobID"] for one in done["jobs"][:2]]
    assert (done["numberRefused"], done["jobs"][2]["problem"]["diagnosis"]["code"]) == (1, "job.not-found")
    for job in created:
        server.wait(job, "successful")
        assert list_recorded(server, "job", job) == ["process.execute"]
    chosen = "&".join(f"job={job}" for job in created)
    body = f"action=dismiss&{chosen}&back=status%3Dsuccessful".encode()
    sent = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin", **HTML}
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    with closing(connection):
        connection.request("POST", "/selection", body, sent)
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Location")) == (303, f"{server.url}/jobs?status=successful")
    assert [server.request("GET", f"/jobs/{job}").status for job in created] == [404, 404]


def test_a_catalog_in_a_private_network_is_asked_only_where_that_is_listed(server: Server) -> None:
    for catalog in (f"{server.url}/processes", "http://169.254.169.254/latest", "http://localhost/catalog.json"):
        answer = server.request("GET", f"/items?catalog={catalog}")
        assert (answer.status, answer.json["diagnosis"]["code"]) == (400, "source.refused")
    assert "Name a catalog" in get(server, "/items.html").text
    assert server.request("GET", "/items?datetime=yesterday").status == 400


def test_an_operator_sees_what_doctor_finds(server: Server) -> None:
    found = server.request("GET", "/operations/engine").json
    assert found["engine"] == "local"
    assert found["ok"] is all(one["ok"] for one in found["checks"])
    assert {"containers", "JavaScript"} <= {one["about"] for one in found["checks"]}


def test_failures_are_counted_by_cause(server: Server) -> None:
    package = {
        "cwlVersion": "v1.2",
        "class": "CommandLineTool",
        "id": "broken",
        "baseCommand": ["sh", "-c", "exit 3"],
        "inputs": {},
        "outputs": {},
    }
    sent = server.request("POST", "/processes", json.dumps(package).encode(), {"Content-Type": "application/cwl+json"})
    assert sent.status == 201
    jobs = [server.execute("broken", {}) for _ in range(2)]
    for job in jobs:
        server.wait(job, "failed")
    (cause,) = server.request("GET", "/failures?processID=broken").json["failures"]
    assert (cause["count"], cause["step"]) == (2, "broken")
    (link,) = cause["links"]
    assert {one["jobID"] for one in server.request("GET", link["href"]).json["jobs"]} == set(jobs)
    assert cause["code"] in get(server, "/failures.html").text


def test_a_form_that_is_filled_in_runs_and_one_that_does_not_fit_says_so_beside_the_field(server: Server) -> None:
    status, page = submit(server, "/processes/echo/execution", {"message": "by form", "unknown": ""})
    assert status == 303
    job = page.removeprefix("/jobs/")
    assert list_recorded(server, "job", job) == ["process.execute"]
    assert server.request("GET", f"/jobs/{job}/inputs").json == {"message": "by form"}
    server.wait(job, "successful")
    status, page = submit(server, "/processes/echo/execution", {"message": "kept", "more": "x"})
    assert (status, "inputs.unknown" in page, "kept" in page) == (400, True, True)
    assert submit(server, "/processes/nothing/execution", {})[0] == 404


def test_a_form_can_be_checked_and_what_a_job_was_given_edited(server: Server, job: str) -> None:
    before = server.request("GET", "/jobs?limit=1").json["numberTotal"]
    status, page = submit(server, "/processes/echo/execution?dryRun=true", {"message": "checked"})
    assert (status, "panel passed" in page) == (200, True)
    assert server.request("GET", "/jobs?limit=1").json["numberTotal"] == before
    edited = Page(urllib.request.urlopen(f"{server.url}/jobs/{job}/edit?f=html", timeout=60).read().decode())
    assert ("message", "shown") in {(one.get("name"), one.get("value")) for one in edited.list_all("input")}


def test_the_cwl_job_file_of_what_is_filled_in_runs_with_other_runners(server: Server, tmp_path: Path) -> None:
    status, page = submit(server, "/processes/echo/execution?dryRun=true", {"message": "it's <b>"})
    (call,) = [line for line in unescape(page).split("<pre") if "echo-job.json" in line]
    script = call.partition(">")[2].partition("</pre>")[0].replace("zoo-runner run", "cwltool --no-container")
    assert status == 200
    environ = {**server.environ, "PATH": f"{Path(sys.executable).parent}:{os.defpath}"}
    done = subprocess.run(["sh", "-ec", script], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["text"]["basename"] == "message.txt"
    assert (tmp_path / "message.txt").read_text() == "it's <b>\n"


def test_a_form_is_filled_in_from_json(server: Server) -> None:
    status, page = submit(server, "/processes/echo/form", {"inputs": '{"inputs": {"message": "from JSON"}}'})
    filled = Page(page)
    assert (status, ("message", "from JSON")) == (
        200,
        next((one["name"], one["value"]) for one in filled.list_all("input") if one.get("name") == "message"),
    )
    assert submit(server, "/processes/nothing/form", {"inputs": "{}"})[0] == 404


def deploy(server: Server, path: str, package: str, process_id: str) -> tuple[int, str]:
    """Fill in the form that deploys, with no file chosen."""
    fields = {"href": "", "package": package, "w": "", "id": process_id}
    lines = ["--sep", 'Content-Disposition: form-data; name="files"; filename=""', "", ""]
    for name, value in fields.items():
        lines += ["--sep", f'Content-Disposition: form-data; name="{name}"', "", value]
    sent = {"Content-Type": "multipart/form-data; boundary=sep", "Sec-Fetch-Site": "same-origin", **HTML}
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    with closing(connection):
        connection.request("POST", path, "\r\n".join([*lines, "--sep--", ""]), sent)
        answer = connection.getresponse()
        return answer.status, (answer.getheader("Location") or "") or answer.read().decode()


def test_a_package_is_checked_and_deployed_from_a_form(server: Server) -> None:
    status, page = deploy(server, "/processes?dryRun=true", ECHO.read_text(), "pasted")
    assert (status, "panel passed" in page) == (200, True)
    assert server.request("GET", "/processes/pasted").status == 404
    status, page = deploy(server, "/processes", ECHO.read_text(), "pasted")
    assert (status, page.endswith("/processes/pasted")) == (303, True)
    assert list_recorded(server, "process", "pasted") == ["process.deploy"]
    assert "process.exists" in deploy(server, "/processes", ECHO.read_text(), "pasted")[1]
    status, page = deploy(server, "/processes", "class: Nothing", "wrong")
    assert (status, "class: Nothing" in page) == (400, True)


def list_marked(page: Page) -> list[str]:
    """List the ids of the lines in which something was found."""
    return [str(one["id"]) for one in page.list_all("tr") if one.get("class") == "marked"]


def test_what_is_wrong_with_a_package_is_shown_beside_its_line_and_what_was_pasted_is_kept(server: Server) -> None:
    label = f"label: {json.dumps(EVIL)}"
    text = f"cwlVersion: v1.2\nclass: CommandLineTool\n{label}\nbaseComand: echo\ninputs: {{}}\noutputs: []\n"
    status, page = deploy(server, "/processes", text, "wrong")
    seen = Page(page)
    assert (status, EVIL in page, seen.list_all("script")) == (400, False, get(server, "/processes").list_all("script"))
    (marked,) = list_marked(seen)
    assert marked.endswith("-4")
    assert f"#{marked}" in [one.get("href") for one in seen.list_all("a")]
    assert [one["class"] for one in seen.list_all("div") if str(one.get("class")).startswith("finding")] == [
        "finding error"
    ]
    assert unescape(page).count(label) == 2


def test_what_other_platforms_object_to_is_shown_beside_its_line_with_the_api_and_on_the_page(server: Server) -> None:
    text = SURVEY.read_text()
    sent = {"Content-Type": "application/cwl"}
    answer = server.request("POST", "/processes?dryRun=true", text.encode(), sent)
    places = {(one["document"], one["line"]) for one in answer.json["problems"]}
    assert {name for name, _ in places} == {"package.cwl"}
    lines = text.split("\n")
    assert {"cwlVersion", "transect"} < {lines[line - 1].strip().partition(":")[0] for _, line in places}
    seen = Page(deploy(server, "/processes?dryRun=true", text, "survey")[1])
    assert {int(one.rpartition("-")[2]) for one in list_marked(seen)} == {line for _, line in places}


def test_a_text_among_the_results_is_shown(server: Server, job: str) -> None:
    page = get(server, f"/jobs/{job}/results")
    assert "shown" in page.text.split()
    assert len(page.list_all("pre")) == 1


def open_survey(server: Server) -> tuple[str, Page, Any]:
    """Run the survey; return its job, the page of its results, and the data of the map on it."""
    server.deploy(SURVEY)
    job = server.execute("survey", {"area": AREA})
    server.wait(job, "successful")
    page = get(server, f"/jobs/{job}/results")
    page.ensure_safe()
    (data,) = [json.loads(one["data-map"] or "") for one in page.list_all("div") if "data-map" in one]
    return job, page, data


def test_results_are_shown_on_a_map_and_as_a_chart(server: Server) -> None:
    job, page, data = open_survey(server)
    assert {tuple(shape["box"]) for shape in data["shapes"]} == {tuple(AREA["bbox"])}
    assert list(data["vectors"]) == ["transect.geojson"]
    assert len(page.list_all("polyline")) == 1
    (picture,) = [shape["picture"] for shape in data["shapes"] if shape["picture"]]
    drawn = server.request("GET", picture)
    assert (drawn.headers["content-type"], drawn.body[:4]) == ("image/png", b"\x89PNG")
    assert server.request("GET", picture, None, {"If-None-Match": drawn.headers["etag"]}).status == 304
    for wrong, code in (("transect/transect.csv", "job.no-quicklook"), ("field/none.tif", "job.no-quicklook")):
        answer = server.request("GET", f"/jobs/{job}/quicklook/{wrong}")
        assert (answer.status, answer.json["diagnosis"]["code"]) == (404, code)
    (file,) = Path(server.environ["ZOO_RUNNER_RESULTS_FOLDER"]).rglob("field.tif")
    file.write_bytes(file.read_bytes()[:5000])
    answer = server.request("GET", f"/jobs/{job}/quicklook/field/field.tif")
    assert (answer.status, answer.json["diagnosis"]["code"]) == (404, "job.no-quicklook")
    shown = [json.loads(one["data-map"] or "") for one in get(server, "/jobs").list_all("div") if "data-map" in one]
    assert f"{server.url}/jobs/{job}" in [shape["href"] for shape in shown[0]["shapes"]]


def test_programs_that_send_json_as_a_form_learn_that_it_is_none(server: Server) -> None:
    sent = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = server.request("POST", "/processes/echo/execution", b'{"inputs": {}}', sent)
    assert (answer.status, answer.json["diagnosis"]["code"]) == (415, "request.media-type")


@pytest.mark.parametrize("path", ["/jobs/{}/again", "/jobs/{}/dismiss", "/jobs/{}/start", "/processes/echo/execution"])
def test_no_page_of_another_site_presses_a_button(server: Server, job: str, path: str) -> None:
    path = path.format(job)
    assert submit(server, path, headers={"Sec-Fetch-Site": "cross-site"})[0] == 403
    assert submit(server, path, headers={"Sec-Fetch-Site": "", "Origin": "http://elsewhere.example"})[0] == 403
    assert server.request("GET", f"/jobs/{job}").status == 200


def test_the_ending_html_is_the_page_and_forms_may_leave_fields_empty(server: Server, job: str) -> None:
    paths = ("/jobs.html?q=&minDuration=&datetime=", f"/jobs/{job}.html", "/processes/echo.html")
    for path in paths:
        assert read(server.request("GET", path, None, {"Accept": "application/json"})).text


def test_what_pages_load_is_kept_by_browsers_for_ever(server: Server) -> None:
    page = get(server, "/")
    for address in [one["href"] or "" for one in page.list_all("link")] + [page.list_all("script")[0]["src"] or ""]:
        answer = server.request("GET", address)
        assert (answer.status, "immutable" in answer.headers["cache-control"]) == (200, True)
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert server.request("GET", "/assets/style.css").status == 404


def test_a_page_is_sent_compressed(server: Server, job: str) -> None:
    answer = server.request("GET", f"/jobs/{job}", None, {**HTML, "Accept-Encoding": "gzip"})
    assert (answer.headers["content-encoding"], answer.headers["vary"]) == ("gzip", "Accept, Accept-Encoding")
    assert b"<html" in gzip.decompress(answer.body)


def test_the_log_that_is_watched_is_reported_as_it_grows(server: Server) -> None:
    running = server.execute("echo", {"message": "watched"})
    with urllib.request.urlopen(f"{server.url}/jobs/{running}/events?log=job.log", timeout=60) as stream:
        kinds = [line.split(b": ")[1].strip().decode() for line in stream if line.startswith(b"event: ")]
    assert kinds[-1] == "status"
    assert "log" in kinds
    missing = server.request("GET", f"/jobs/{running}/events?log=nothing")
    assert (missing.status, missing.json["diagnosis"]["code"]) == (404, "job.no-log")


def test_what_users_have_written_is_text(server: Server) -> None:
    hostile = server.execute("hostile", {"text": EVIL})
    status = server.wait(hostile)
    paths = ["/processes", "/processes/hostile", "/jobs", f"/jobs/{hostile}", f"/jobs/{hostile}/inputs"]
    if status["status"] == "successful":
        paths.append(f"/jobs/{hostile}/results")
    pages = [get(server, path) for path in paths]
    pages.append(read(server.request("GET", f"/jobs/{EVIL}".replace(" ", "%20"), None, HTML)))
    pages.append(read(server.request("GET", "/jobs?q=%22%3E%3Cscript%3E", None, HTML)))
    for page in pages:
        page.ensure_safe()
    assert any(EVIL in page.text for page in pages)
    assert status["status"] == "successful", status


def test_a_person_learns_why_something_failed(server: Server) -> None:
    answer = server.request("GET", "/jobs/nobody", None, HTML)
    assert answer.status == 404
    assert "job.not-found" in read(answer).text
    refused = server.request("POST", "/processes/echo/execution", {"inputs": {"message": 1}}, HTML)
    assert refused.status == 400
    assert "/inputs/message" in read(refused).text
    failed = server.execute("echo", {"message": "hub", "other": 1}, HUB)
    assert "inputs.unknown" in get(server, f"{HUB}/jobs/{failed}").text


def test_results_of_a_synchronous_execution_are_a_page_too(server: Server) -> None:
    answer = server.request("POST", "/processes/echo/execution", {"inputs": {"message": "now"}}, HTML)
    assert (answer.status, "/files/" in "".join(read(answer).list_addresses())) == (200, True)


def test_the_head_of_a_page_is_that_of_a_page(server: Server) -> None:
    head = server.request("HEAD", "/processes", None, HTML)
    assert (head.status, head.headers["content-type"], head.body) == (200, "text/html; charset=utf-8", b"")


@pytest.fixture(scope="module")
def in_bucket(tmp_path_factory: pytest.TempPathFactory, package_cache: Path) -> Iterator[tuple[Server, S3Server]]:
    """A server whose results lie in a bucket of a real server of S3."""
    folder = tmp_path_factory.mktemp("bucket")
    with serve_s3(folder / "s3") as s3:
        (s3.folder / "page-results").mkdir(parents=True)
        options = s3.options
        site = Site(folder, package_cache).having(
            STAGEOUT_OUTPUT="s3://page-results/here",
            ZOO_RUNNER_LINK_SECRET="only-for-tests-0123456789abcdef0123",
            AWS_ENDPOINT_URL=str(options.endpoint),
            AWS_ACCESS_KEY_ID=str(options.access_key_id),
            AWS_SECRET_ACCESS_KEY=str(options.secret_access_key),
            AWS_REGION=options.region,
        )
        with serving(site.environ, folder) as server:
            yield server, s3


def test_results_in_a_bucket_have_footprints_and_quicklooks(in_bucket: tuple[Server, S3Server]) -> None:
    server, s3 = in_bucket
    job, page, data = open_survey(server)
    assert tuple(AREA["bbox"]) in {tuple(shape["box"]) for shape in data["shapes"]}
    (picture, *_) = [shape["picture"] for shape in data["shapes"] if shape["picture"]]
    drawn = server.request("GET", picture)
    assert (drawn.status, drawn.headers["content-type"], drawn.body[:4]) == (200, "image/png", b"\x89PNG")
    assert server.request("GET", picture, None, {"If-None-Match": drawn.headers["etag"]}).status == 304
    for wrong in ("none.tif", "../../other/a.tif", "transect/transect.csv"):
        answer = server.request("GET", f"/jobs/{job}/quicklook/{wrong}")
        assert answer.status == 404, wrong
    raw = server.request("GET", f"/jobs/{job}/results", None, HTML).body.decode()
    assert str(s3.options.secret_access_key) not in raw
    assert list(data["vectors"]) == ["transect.geojson"]
    assert len(page.list_all("polyline")) == 1


KINDS = ROOT / "tests" / "data" / "pages" / "kinds.cwl"


@pytest.fixture(scope="module")
def kinds(in_bucket: tuple[Server, S3Server]) -> str:
    """A job with a result of each kind in a bucket."""
    server, _ = in_bucket
    server.deploy(KINDS)
    job = server.execute("kinds", {})
    server.wait(job, "successful")
    return job


def test_results_in_a_bucket_are_shown_as_those_on_the_server(
    in_bucket: tuple[Server, S3Server], kinds: str, server: Server
) -> None:
    far, s3 = in_bucket
    server.deploy(KINDS)
    near = server.execute("kinds", {})
    server.wait(near, "successful")
    pages = [get(far, f"/jobs/{kinds}/results"), get(server, f"/jobs/{near}/results")]
    for page in pages:
        page.ensure_safe()
    shown = [
        [text.replace(job, "JOB") for name in ("h2", "pre", "td") for text in page.list_texts(name)]
        for page, job in zip(pages, (kinds, near), strict=True)
    ]
    own = ("s3://", "http://", "Download", "curl")
    seen, same = ([text for text in texts if not text.startswith(own)] for texts in shown)
    assert seen == same
    assert "<script>alert(1)</script> seen at noon\n" in shown[0]
    (cut,) = [text for text in shown[0] if text.startswith("line 0\n")]
    assert len(cut) < 33_000
    for page, of, job in ((pages[0], far, kinds), (pages[1], server, near)):
        (picture,) = [one["src"] or "" for one in page.list_all("img") if "loading" in one]
        assert picture == f"/jobs/{job}/files/dot/dot.png"
        answer = of.request("GET", picture)
        assert (answer.headers["content-type"], answer.body[:4]) == ("image/png", b"\x89PNG")
        assert answer.headers["content-security-policy"] == "sandbox"
        (data,) = [json.loads(one["data-map"] or "") for one in page.list_all("div") if "data-map" in one]
        assert of.request("GET", data["vectors"]["field.geojson"]).json["type"] == "FeatureCollection"
    assert str(s3.options.secret_access_key) not in pages[0].text


def test_columns_of_a_table_in_a_bucket_are_chosen_by_the_address(
    in_bucket: tuple[Server, S3Server], kinds: str
) -> None:
    server, _ = in_bucket
    page = get(server, f"/jobs/{kinds}/results")
    # the days are put in order, and two of the flow are missing
    assert [len((one["points"] or "").split()) for one in page.list_all("polyline")] == [30, 18, 10]
    assert any(text.startswith("day: 2026-03-01 to 2026-03-30. Each line") for text in page.list_texts("p"))
    page = get(server, f"/jobs/{kinds}/results?chart=gauges/gauges.csv&x=3&y=2")
    page.ensure_safe()
    assert [len((one["points"] or "").split()) for one in page.list_all("polyline")] == [28]
    words = "<b>flow</b>: 0 to 58. 2 rows are left out, which have no place on it."
    assert words in [" ".join(text.split()) for text in page.list_texts("p")]
    assert {one["value"] for one in page.list_all("input") if one.get("name") == "y" and "checked" in one} == {"2"}
    (form,) = [one for one in page.list_all("form") if "#file-" in (one["action"] or "")]
    assert (form["action"] or "").startswith(f"/jobs/{kinds}/results#file-")


def test_results_in_a_bucket_are_downloaded_whole_in_parts_and_by_links(
    in_bucket: tuple[Server, S3Server], kinds: str
) -> None:
    server, s3 = in_bucket
    path = f"/jobs/{kinds}/files/long/long.txt"
    whole = server.request("GET", path)
    text = "".join(f"line {number}\n" for number in range(20000)).encode()
    assert (whole.status, whole.body, whole.headers["content-length"]) == (200, text, str(len(text)))
    tag = whole.headers["etag"]
    for asked, part in (("bytes=5-9", text[5:10]), ("bytes=-7", text[-7:]), ("bytes=200000-", text[200000:])):
        answer = server.request("GET", path, None, {"Range": asked})
        assert (answer.status, answer.body) == (206, part), asked
    first = server.request("GET", path, None, {"Range": "bytes=0-0", "If-Range": tag})
    assert (first.status, first.headers["content-range"]) == (206, f"bytes 0-0/{len(text)}")
    assert server.request("GET", path, None, {"Range": "bytes=0-0", "If-Range": '"other"'}).status == 200
    assert server.request("GET", path, None, {"If-None-Match": tag}).status == 304
    changed = server.request("GET", path, None, {"If-Match": '"other"', "Range": "bytes=0-0"})
    assert (changed.status, changed.json["diagnosis"]["code"]) == (412, "request.precondition")
    assert server.request("GET", path, None, {"If-Match": tag, "Range": "bytes=0-0"}).status == 206
    head = server.request("HEAD", path)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(text)))
    beyond = server.request("GET", path, None, {"Range": "bytes=999999-"})
    assert (beyond.status, beyond.json["diagnosis"]["code"]) == (416, "request.range")
    for wrong in ("none.txt", "../x", "%2e%2e/x", "long/", "a//b"):
        assert server.request("GET", f"/jobs/{kinds}/files/{wrong}").status == 404, wrong
    made = server.request("POST", f"/jobs/{kinds}/links", {"path": "note/note.txt", "days": 1})
    assert made.status == 201, made.body
    shared = server.request("GET", made.json["href"].removeprefix(server.url))
    assert (shared.status, shared.body) == (200, b"<script>alert(1)</script> seen at noon\n")
    assert shared.headers["content-security-policy"] == "sandbox"
    assert server.request("POST", f"/jobs/{kinds}/links", {"path": "note/none.txt"}).status == 404
    assert str(s3.options.secret_access_key).encode() not in made.body + shared.body
