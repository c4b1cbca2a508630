"""Deploys packages on a running ZOO kernel, runs them and reads their results and logs; docs/zoo.md, Live tests."""

import http.server
import json
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.live.zoo_kernel import MARKS, RESULTS, SERVICES, start_slow
from tests.processes import choose_seconds, find_by_text, find_in_folder
from tests.values import PACKAGES, ROOT
from tests.waiting import wait_for
from tests.zoo_client import CWL, Job, User, ask

pytestmark = MARKS

ECHO = ROOT / "examples" / "echo" / "echo.cwl"
PACKAGE = "application/ogcapppkg+json"
GIVEN = {
    "text": "plain",
    "whole": 3,
    "real": 2.25,
    "flag": True,
    "color": "green",
    "words": ["a", "b"],
    "usual": "given",
}


@pytest.fixture(scope="module")
def kinds(user: User) -> str:
    assert user.deploy(PACKAGES / "kernel" / "kinds.cwl").code == 201
    return "kinds"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server on this machine with two files and a package; the URL of its root."""
    root = tmp_path_factory.mktemp("served")
    (root / "one.txt").write_text("one")
    (root / "two.txt").write_text("two two")
    (root / "linked.cwl").write_text(ECHO.read_text().replace("id: echo", "id: echo-linked"))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(root))

        def log_message(self, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def read_given(job: Job) -> Any:
    """What the package `kinds` got, read through the links of its results."""
    last = job.wait()[-1]
    assert last["status"] == "successful", last["message"]
    collection = job.results()
    item_href = next(link["href"] for link in collection["links"] if link["rel"] == "item")
    return ask("GET", item_href.rpartition("/")[0] + "/given.json").json


# --- deploy


def test_a_package_is_deployed_listed_described_and_refused_twice(user: User, echo: str) -> None:
    listed = {process["id"] for process in ask("GET", f"{user.api}/processes").json["processes"]}
    assert echo in listed
    description = ask("GET", f"{user.api}/processes/{echo}").json
    assert (description["title"], set(description["inputs"]), set(description["outputs"])) == (
        "Echo",
        {"message"},
        {"text"},
    )
    assert user.deploy(ECHO).code == 409


def test_a_package_is_deployed_by_link(user: User, files: str) -> None:
    body = json.dumps({"executionUnit": {"href": f"{files}/linked.cwl", "type": CWL}}).encode()
    assert ask("POST", f"{user.api}/processes", body, PACKAGE).code == 201
    last = user.execute("echo-linked", {"message": "by link"}).wait()[-1]
    assert last["status"] == "successful", last["message"]


def test_a_package_is_deployed_by_value_replaced_and_undeployed(user: User) -> None:
    text = ECHO.read_text().replace("id: echo", "id: echo-value")
    body = json.dumps({"executionUnit": {"value": text, "mediaType": "application/cwl+yaml"}}).encode()
    assert ask("POST", f"{user.api}/processes", body, PACKAGE).code == 201
    process = f"{user.api}/processes/echo-value"
    replaced = text.replace("label: Echo", "label: Echo replaced")
    assert ask("PUT", process, replaced.encode(), CWL).code == 204
    assert ask("GET", process).json["title"] == "Echo replaced"
    assert ask("DELETE", process).code == 204
    assert ask("GET", process).code == 404
    assert ask("DELETE", process).code == 404


@pytest.mark.parametrize("name", ["1st", "json", "zoo_runner", "requests", "typing_extensions", "DeployProcess"])
def test_an_id_that_cannot_run_is_refused_at_deploy(user: User, name: str) -> None:
    body = ECHO.read_text().replace("id: echo", f"id: {name}").encode()
    assert ask("POST", f"{user.api}/processes", body, CWL).code == 400
    # the kernel may have a service of its own by that name
    listed = ask("GET", f"{user.api}/processes").json["processes"]
    assert name not in {process["id"] for process in listed if process.get("mutable")}


def test_deploys_work_after_ids_were_refused(user: User) -> None:
    for name in ("requests", "rich"):
        refused = ECHO.read_text().replace("id: echo", f"id: {name}").encode()
        assert ask("POST", f"{user.api}/processes", refused, CWL).code == 400
    accepted = ECHO.read_text().replace("id: echo", "id: echo-afterwards").encode()
    assert ask("POST", f"{user.api}/processes", accepted, CWL).code == 201


def test_a_package_with_text_outside_of_ascii_is_deployed(user: User) -> None:
    text = ECHO.read_text().replace("id: echo", "id: echo-letters").replace("label: Echo", "label: Écho ✓")
    assert ask("POST", f"{user.api}/processes", text.encode(), CWL).code == 201
    assert ask("GET", f"{user.api}/processes/echo-letters").json["title"] == "Écho ✓"


# --- execute


def test_progress_moves_results_are_a_collection_and_every_log_opens(user: User, echo: str) -> None:
    job = user.execute(echo, {"message": "100% live $$"})
    seen = job.wait()
    assert seen[-1]["status"] == "successful", seen[-1]["message"]
    numbers = [status["progress"] for status in seen if "progress" in status]
    assert numbers == sorted(numbers)
    assert len({number for number in numbers if number > 3}) >= 2
    collection = job.results()
    assert collection["type"] == "Collection"
    links = job.links()
    assert {"Job log", "Tool log write.log", "Usage report"} <= set(links)
    for title in ("Job log", "Tool log write.log", "Usage report"):
        assert ask("GET", links[title]).code == 200, title
    log = ask("GET", links["Job log"]).body
    assert log.index("[execute] begins") < log.index("[write] begins") < log.index("[job] SUCCESSFUL")


def test_every_kind_of_input_arrives(user: User, kinds: str, files: str) -> None:
    inputs = {**GIVEN, "large": 2**40, "numbers": [7], "note": f"{files}/two.txt"}
    given = read_given(user.execute(kinds, inputs))
    assert given["note"].pop("size") == len("two two")
    assert {name: given[name] for name in (*GIVEN, "large", "numbers")} == {**GIVEN, "large": 2**40, "numbers": [7]}
    assert given["perhaps"] is given["notes"] is None


def test_an_empty_array_and_a_file_by_value_arrive(user: User, kinds: str) -> None:
    note = {"value": "words of the note\n", "format": {"mediaType": "text/plain"}}
    given = read_given(user.execute(kinds, {**GIVEN, "words": [], "note": note}))
    assert given["words"] == []
    assert (given["note"]["basename"], given["note"]["contents"]) == ("note.txt", "words of the note\n")


def test_a_file_object_that_the_kernel_drops_arrives(user: User, kinds: str) -> None:
    note = {"class": "File", "basename": "n.txt", "contents": "contents"}
    given = read_given(user.execute(kinds, {**GIVEN, "note": note}))
    assert (given["note"]["basename"], given["note"]["contents"]) == ("n.txt", "contents")


def test_a_link_arrives(user: User, kinds: str, files: str) -> None:
    given = read_given(user.execute(kinds, {**GIVEN, "note": {"href": f"{files}/one.txt", "type": "text/plain"}}))
    assert (given["note"]["basename"], given["note"]["size"]) == ("one.txt", 3)


def test_several_links_in_one_request_arrive(user: User, kinds: str, files: str) -> None:
    notes = [{"href": f"{files}/one.txt"}, {"href": f"{files}/two.txt"}]
    given = read_given(user.execute(kinds, {**GIVEN, "notes": notes}))
    assert [note["basename"] for note in given["notes"]] == ["one.txt", "two.txt"]


def test_values_that_do_not_fit_are_refused_with_the_reason(user: User, kinds: str) -> None:
    last = user.execute(kinds, {**GIVEN, "color": "100% $$ blue"}).wait()[-1]
    assert last["status"] == "failed"
    assert "color: expected one of red, green" in last["message"]
    assert "Code: inputs.type" in last["message"]
    assert "What to do: " in last["message"]


@pytest.mark.parametrize("response", ["raw", "document"])
def test_a_result_of_an_odd_name_survives_the_kernel(user: User, response: str) -> None:
    user.deploy(PACKAGES / "kernel" / "odd-names.cwl")
    job = user.execute("odd-names", {"name": "50% of $$ é.txt"}, response=response)
    assert job.wait()[-1]["status"] == "successful"
    results = job.results()
    document = results if response == "raw" else results["result"]["value"]
    assert document.get("type") == "Collection" or "href" in document


@pytest.mark.parametrize("text", ["a%20b", "", "costs 5$", "$$", "plain"])
def test_a_literal_result_arrives_exactly(user: User, text: str) -> None:
    user.deploy(PACKAGES / "kernel" / "literal.cwl")
    job = user.execute("literal", {"given": [text]})
    assert job.wait()[-1]["status"] == "successful"
    body = ask("GET", f"{job.url}/results").body
    assert text in (body, read_json(body))


def test_the_exact_literal_of_a_document_is_one_link_away(user: User) -> None:
    user.deploy(PACKAGES / "kernel" / "literal.cwl")
    job = user.execute("literal", {"given": ["a%20b"]}, response="document")
    assert job.wait()[-1]["status"] == "successful"
    link = json.loads(job.results()["result"])
    assert ask("GET", link["href"]).json == {"result": "a%20b"}


@pytest.mark.skipif(bool(RESULTS), reason="ZOO_RESULTS_FOLDER is set: results of any kind are there")
def test_results_that_the_kernel_cannot_serve_are_refused_with_the_setting(user: User) -> None:
    user.deploy(PACKAGES / "kernel" / "picture.cwl")
    last = user.execute("picture", {}).wait()[-1]
    assert last["status"] == "failed"
    assert "Code: settings.results-not-served" in last["message"]
    assert "STAGEOUT_OUTPUT" in last["message"]


def test_a_package_that_fails_says_why(user: User) -> None:
    user.deploy(PACKAGES / "failing" / "tool-exit-code" / "tool-exit-code.cwl")
    job = user.execute("tool-exit-code", {})
    last = job.wait()[-1]
    assert last["status"] == "failed"
    facts = ("step 'run'", "exit code 3: scene has no band red", "What to do: ", "Code: step.exit-code")
    assert all(fact in last["message"] for fact in facts)
    assert "Log: http" in last["message"]
    log = ask("GET", job.links()["Job log"]).body
    assert "FAILED at execute" in log
    assert "Traceback" not in log


def test_signs_of_printf_stay_readable_in_messages(user: User, kinds: str) -> None:
    last = user.execute(kinds, {**GIVEN, "color": "a %s b"}).wait()[-1]
    assert '"a \N{FULLWIDTH PERCENT SIGN}s b"' in last["message"]


def test_an_argument_that_the_system_does_not_take_is_the_inputs_fault(user: User, echo: str) -> None:
    last = user.execute(echo, {"message": "x" * 1_000_000}).wait()[-1]
    assert last["status"] == "failed"
    assert "Code: inputs.too-large." in last["message"]


@pytest.mark.skipif(not SERVICES, reason="ZOO_SERVICES_FOLDER is not set: the kernel is elsewhere")
def test_a_launcher_that_is_killed_is_named(user: User) -> None:
    seconds = choose_seconds()
    job = start_slow(user, seconds)
    [launcher] = find_in_folder(job.id, b"engines.local.launcher")
    os.kill(launcher, signal.SIGKILL)
    last = job.wait()[-1]
    assert last["status"] == "failed"
    assert "Code: engine.killed." in last["message"]
    wait_for(lambda: not find_by_text(f"sleep {seconds}"))


def test_the_log_of_a_tool_that_prints_much_is_complete_and_readable_in_a_browser(user: User) -> None:
    user.deploy(PACKAGES / "kernel" / "prints.cwl")
    job = user.execute("prints", {"count": 200_000})
    last = job.wait()[-1]
    assert last["status"] == "successful", last["message"]
    answer = ask("GET", job.links()["Job log"])
    assert answer.headers["Content-Type"].replace(" ", "").lower() == "text/plain;charset=utf-8"
    assert "attachment" not in answer.headers.get("Content-Disposition", "")
    printed = [line.partition("[print] ")[2] for line in answer.body.splitlines() if "[print] " in line]
    _, first, *numbers, last_line, _ = printed
    assert (first, last_line) == ("érste ✓ 50% %s <b>", "dernière ✓")
    assert numbers == [str(number) for number in range(1, 200_001)]
    assert "\x1b" not in answer.body
    assert "[job] SUCCESSFUL" in answer.body.splitlines()[-2]


def test_nested_authors_are_refused_by_the_kernel_itself(user: User) -> None:
    assert user.deploy(PACKAGES / "kernel" / "nested-authors.cwl").code == 400


# --- two users, many at once


def test_two_users_deploy_the_same_id_and_see_their_own_jobs_only(user: User, other: User, echo: str) -> None:
    assert other.deploy(ECHO).code == 201
    theirs = other.execute("echo", {"message": "theirs"})
    assert theirs.wait()[-1]["status"] == "successful"
    listed = {job["jobID"] for job in ask("GET", f"{user.api}/jobs").json["jobs"]}
    assert theirs.id not in listed
    assert f"/{other.name}/temp/" in theirs.links()["Job log"]


def test_twenty_jobs_at_once_all_succeed(user: User, echo: str) -> None:
    jobs = [user.execute(echo, {"message": f"number {number}"}) for number in range(20)]
    ends = [job.wait(900)[-1] for job in jobs]
    assert [end["status"] for end in ends] == ["successful"] * 20


def read_json(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
