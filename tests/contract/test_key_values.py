"""Executions by an address alone: the requirements of the class kvp-execute, one by one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.servers import FileServer
from tests.serving import Answer, Server, serving
from tests.site import Site

PROCESS = "/processes/EchoProcess/execution"
TOOL = {
    "cwlVersion": "v1.2",
    "class": "ExpressionTool",
    "id": "several",
    "requirements": {"InlineJavascriptRequirement": {}},
    "inputs": {
        "words": "string[]?",
        "numbers": "int[]?",
        "rows": {"type": ["null", {"type": "array", "items": {"type": "array", "items": "int"}}]},
        "files": "File[]?",
        "any": "Any?",
    },
    "outputs": {"words": "Any?", "numbers": "Any?", "rows": "Any?", "names": "Any?", "any": "Any?"},
    "expression": "${ return {words: inputs.words, numbers: inputs.numbers, rows: inputs.rows, any: inputs.any,"
    " names: inputs.files && inputs.files.map(function (f) { return f.basename; })}; }",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, package_cache: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("key-values")
    site = Site(folder, package_cache).having(
        ZOO_RUNNER_ECHO="true",
        ZOO_RUNNER_RESULTS_FOLDER=str(folder / "results"),
        STAGEIN_ALLOW_PRIVATE="true",
    )
    with serving(site.environ, folder) as server:
        body = json.dumps(TOOL).encode()
        assert server.request("POST", "/processes", body, {"Content-Type": "application/cwl+json"}).status == 201
        yield server


def get(server: Server, query: str, path: str = PROCESS) -> Answer:
    answer = server.request("GET", f"{path}?{query}")
    assert answer.status in (200, 201), answer.body
    return answer


def get_several(server: Server, query: str) -> Any:
    return get(server, query, "/processes/several/execution").json


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("string", "a+text,%20with%26all", "a text, with&all"),
        ("integer", "10", 10),
        ("double", "3.14159", 3.14159),
        ("boolean", "true", True),
        ("array", "%5B1%2C2%2C3%5D", [1, 2, 3]),
        ("array", "1,2,3", [1, 2, 3]),
        ("object", quote('{"value": "Straße"}'), {"value": "Straße"}),
        ("boundingBox", "51.9,7,52,7.1", {"bbox": [51.9, 7, 52, 7.1]}),
        ("boundingBox", "1,2,-3,4,5,6", {"bbox": [1, 2, -3, 4, 5, 6]}),
        ("boundingBox", quote('{"bbox": [1, 2, 3, 4]}'), {"bbox": [1, 2, 3, 4]}),
    ],
)
def test_each_kind_of_value_is_a_parameter(server: Server, kind: str, text: str, value: Any) -> None:
    others = "" if kind == "string" else "stringInput=x&"
    assert get(server, f"{others}{kind}Input={text}").json[f"{kind}Output"] == value


@pytest.mark.parametrize("order", [1, -1])
def test_a_bounding_box_has_its_crs_beside_it(server: Server, order: int) -> None:
    crs = "urn:ogc:def:crs:EPSG:6.6:4326"
    parts = ["boundingBoxInput=1,2,3,4", f"boundingBoxInput%5Bcrs%5D={quote(crs)}"][::order]
    box = get(server, "&".join(["stringInput=x", *parts])).json["boundingBoxOutput"]
    assert box == {"bbox": [1, 2, 3, 4], "crs": crs}


def test_names_of_parameters_are_read_in_upper_and_lower_case(server: Server) -> None:
    assert get(server, "STRINGINPUT=x&integerinput=1").json["integerOutput"] == 1
    refused = server.request("GET", f"{PROCESS}?stringInput=x&massage=1")
    assert (refused.status, refused.json["diagnosis"]["code"]) == (400, "inputs.unknown")


def test_an_input_is_given_by_reference_and_by_value_with_its_media_type(server: Server, web: FileServer) -> None:
    href = web.put("a.txt", b"by reference")
    query = urlencode({"stringInput": "x", "fileInput[href]": href, "fileInput[type]": "text/plain"})
    assert get(server, f"{query}&fileOutput[include]=true&response=raw").body == b"by reference"
    query = urlencode({"stringInput": "x", "fileInput[value]": "YSx2YWx1ZQ==", "fileInput[encoding]": "base64"})
    answer = get(server, f"{query}&fileInput[mediaType]=text/plain&fileOutput[include]=true&response=raw")
    assert answer.body == b"a,value"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("words=blue,green,red", {"words": ["blue", "green", "red"]}),
        ("words=blue,%20and%2C%20green", {"words": ["blue", " and, green"]}),
        ("words=1,true", {"words": ["1", "true"]}),
        ("words=blue&words=green", {"words": ["blue", "green"]}),
        ("words=blue", {"words": ["blue"]}),
        ("words=%5B%22a%22,%22b%22%5D", {"words": ["a", "b"]}),
        ("numbers=1,2&numbers=3", {"numbers": [1, 2, 3]}),
        ("rows=[1,2,3],[6,7,8]", {"rows": [[1, 2, 3], [6, 7, 8]]}),
        ("rows=[[1],[2]]", {"rows": [[1], [2]]}),
        ("any=[1,{}]", {"any": [1, {}]}),
    ],
)
def test_an_input_may_have_several_values(server: Server, query: str, expected: Any) -> None:
    assert get_several(server, query) == expected


def test_several_references_are_written_as_links(server: Server, web: FileServer) -> None:
    links = [{"href": web.put(name, b"x")} for name in ("a.txt", "b.txt")]
    for text in (json.dumps(links), ",".join(map(json.dumps, links))):
        assert get_several(server, f"files={quote(text)}") == {"names": ["a.txt", "b.txt"]}
    repeated = urlencode([("files[href]", link["href"]) for link in links])
    assert get_several(server, repeated) == {"names": ["a.txt", "b.txt"]}


def test_outputs_are_asked_for(server: Server) -> None:
    query = "stringInput=x&integerInput=1&stringOutput[include]=true&STRINGOUTPUT[mediaType]=text/plain"
    for document in (f"{query}&response=document", f"{query}&response[f]=application%2Fjson"):
        assert get(server, document).json == {"stringOutput": "x"}
    one = get(server, query)
    assert (one.headers["content-type"].partition(";")[0], one.body) == ("text/plain", b"x")
    assert get(server, f"{query}&integeroutput[include]=true").json == {"stringOutput": "x", "integerOutput": 1}
    left_out = f"{query}&integerOutput[include]=false"
    assert get(server, f"{left_out}&response=raw").body == b"x"


def test_the_format_of_the_answer_is_a_parameter(server: Server) -> None:
    for wanted in ("application/json", "text/html", "multipart/related"):
        answer = get(server, f"stringInput=x&response[f]={quote(wanted)}")
        assert answer.headers["content-type"].startswith(wanted)
    for path in ("/processes/none/execution", PROCESS):
        refused = server.request("GET", f"{path}?integerInput=1")
        assert refused.headers["content-type"] == "application/json"


def test_a_preference_is_a_parameter(server: Server) -> None:
    answer = get(server, "stringInput=x&response[prefer]=handling%3Dlenient%2C%20respond-async")
    assert (answer.status, answer.headers["preference-applied"]) == (201, "respond-async")
    assert server.wait(answer.json["jobID"])["status"] == "successful"
