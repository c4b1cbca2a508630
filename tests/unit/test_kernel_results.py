"""What leaves for a kernel: nothing that its printf, its SQL or its read-back trips over."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo_runner.model.diagnosis import Diagnosis, Level, Stage
from zoo_runner.model.job import Results
from zoo_runner.zoo.results import (
    LONGEST_MESSAGE,
    Response,
    build_failure_message,
    build_json,
    build_message,
    build_outputs,
    build_text,
)

LINK = {"href": "https://example.org/a%20b.tif", "type": "image/tiff"}
RAW = Response(document=False, alone=False, results_href="https://example.org/results.json")
DOCUMENT = Response(document=True, alone=True, results_href="https://example.org/results.json")
COLLECTION = {"type": "Collection", "links": [LINK]}


def make_results(**document: Any) -> Results:
    return Results(document, COLLECTION, "https://example.org/collection.json")


@given(st.text())
def test_a_message_never_holds_what_the_kernel_trips_over(text: str) -> None:
    message = build_message(text)
    assert message
    assert "%" not in message
    assert "$$" not in message
    assert "\n" not in message
    assert len(message) <= LONGEST_MESSAGE


@given(st.text(), st.booleans())
def test_a_raw_literal_goes_out_exactly_and_holds_nothing_that_breaks(text: str, alone: bool) -> None:
    entry = build_text(text, Response(document=False, alone=alone, results_href=""))
    value = entry["value"]
    assert (json.loads(value) if "mimeType" in entry else value) == text
    assert value
    assert "$$" not in f"{value}$"
    assert alone or "%" not in value


@pytest.mark.parametrize("text", ["", "a%20b", "$$", "100%"])
def test_in_a_document_a_literal_that_it_cannot_carry_is_a_link_to_the_exact_value(text: str) -> None:
    entry = build_text(text, DOCUMENT)
    assert (json.loads(entry["value"])["href"], entry["mimeType"]) == (DOCUMENT.results_href, "application/json")


@pytest.mark.parametrize("text", ["plain", "costs 5$", "é"])
def test_in_a_document_other_literals_are_themselves(text: str) -> None:
    assert build_text(text, DOCUMENT) == {"value": text}


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_a_raw_json_result_says_the_same_without_the_characters(value: Any) -> None:
    text = build_json(value, "https://example.org/c.json", document=False)
    assert "%" not in text
    assert "$$" not in text
    assert json.loads(text) == value


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_in_a_document_the_characters_do_not_come_back(value: Any) -> None:
    reprinted = json.dumps(json.loads(build_json(value, "https://example.org/c.json", document=True)))
    assert "%" not in reprinted
    assert "$$" not in reprinted


def test_encoded_addresses_are_readable_in_messages() -> None:
    assert (
        build_message("no such object https://x/a%20b.tif at 50%") == "no such object https://x/a b.tif at 50 percent"
    )


def test_percent_signs_that_are_no_percentages_stay_readable_in_messages() -> None:
    assert build_message("50% or 5.5 % of '%s'") == "50 percent or 5.5 percent of '\N{FULLWIDTH PERCENT SIGN}s'"
    assert build_message("3 %s in 7%d") == "3 \N{FULLWIDTH PERCENT SIGN}s in 7\N{FULLWIDTH PERCENT SIGN}d"


def test_cause_and_remedy_come_first_and_the_log_last_also_when_the_cause_is_long() -> None:
    diagnosis = Diagnosis(Stage.EXECUTE, Level.USER, "x" * 3000, "Look.")
    message = build_failure_message(diagnosis, "http://example.org/log")
    assert message.endswith(" Code: runner.defect. Log: http://example.org/log")
    assert len(message) <= LONGEST_MESSAGE
    short = Diagnosis(Stage.EXECUTE, Level.USER, "it broke", "Fix it.")
    assert build_failure_message(short, "") == "it broke. What to do: Fix it. Code: runner.defect."
    named = Diagnosis(Stage.EXECUTE, Level.USER, "it broke", "See `zoo-runner diagnose 7`.")
    assert "See the operator's `zoo-runner diagnose 7`." in build_failure_message(named, "")


@pytest.mark.parametrize(
    ("form", "names", "is_collection"),
    [("auto", 1, True), ("auto", 2, False), ("collection", 2, True), ("links", 1, False)],
)
def test_a_file_output_is_the_collection_or_a_link_as_the_setting_says(
    form: Any, names: int, is_collection: bool
) -> None:
    outputs = {f"out{number}": {"inRequest": "true"} for number in range(names)}
    results = make_results(**{name: LINK for name in outputs})
    built = build_outputs(results, outputs, form, RAW)
    expected = COLLECTION if is_collection else LINK
    assert [json.loads(entry["value"]) for entry in built.values()] == [expected] * names


def test_literals_are_texts_and_what_was_not_made_is_null() -> None:
    outputs = {name: {"inRequest": "true"} for name in ("text", "number", "flag", "none", "list")}
    built = build_outputs(make_results(text="t", number=3, flag=True, list=[1]), outputs, "auto", RAW)
    assert {name: entry["value"] for name, entry in built.items()} == {
        "text": "t",
        "number": "3",
        "flag": "true",
        "none": "null",
        "list": "[1]",
    }


def test_outputs_that_nobody_asked_for_are_left_alone() -> None:
    assert build_outputs(make_results(a="x"), {"a": {"inRequest": "false"}}, "auto", RAW) == {}


def test_in_a_document_links_are_decoded_where_that_means_the_same() -> None:
    text = build_json({"href": "https://x/a%20b.tif"}, "https://x/c.json", document=True)
    assert json.loads(text) == {"href": "https://x/a b.tif"}
    replaced = build_json({"href": "https://x/50%25.tif"}, "https://x/c.json", document=True)
    assert json.loads(replaced)["href"] == "https://x/c.json"
