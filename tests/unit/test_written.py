"""Numbers keep the form in which they were written, wherever JSON takes them, and tools get it as from cwltool."""

import copy
import doctest
import json
import pickle
from typing import Any

import pytest
from cwltool.builder import Builder
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from zoo_runner.model import written
from zoo_runner.model.codec import to_plain
from zoo_runner.model.written import WrittenNumber, read_json, read_number, write_json
from zoo_runner.package import graph_ids
from zoo_runner.package.parsing import parse_document
from zoo_runner.package.yaml_values import keep_forms, read_as_cwltool, restore_forms

FORMS = ("10.50", "1e21", "1.23e5", "1.5E+3", "0.00001", "123456789.123456789", "12345678901234567890.5", "-1.50e-10")
NUMBERS = st.from_regex(
    r"[-+]?[1-9][0-9]{0,19}(\.[0-9]{1,20}([eE][-+]?[0-9]{1,2})?|[eE][-+]?[0-9]{1,2})", fullmatch=True
)


def write_word(number: Any) -> str:
    """Write a number as cwltool does on a command line."""
    return Builder.tostr(Builder.__new__(Builder), number)


def test_the_examples_hold() -> None:
    assert [doctest.testmod(module).failed for module in (written, graph_ids)] == [0, 0]


@settings(max_examples=50, deadline=None, derandomize=True)
@given(text=NUMBERS)
@example("5.")
@example("+007.50")
@example("1_000.50")
@example("-0.0")
@example("1e-5")
def test_a_number_of_yaml_reaches_a_tool_as_from_cwltool(text: str) -> None:
    sent = write_json(parse_document(f"x: {text}"))
    number = json.loads(sent, parse_float=read_as_cwltool)["x"]
    expected = YAML().load(text)
    # expressions get the number that JSON has, command lines its form
    assert (write_word(number), float(number)) == (write_word(expected), float(expected))


@pytest.mark.parametrize("text", FORMS)
def test_a_number_is_written_as_it_was_read(text: str) -> None:
    order = read_json(f'{{"x": [{text}, {{"y": {text}}}], "z": 1.5}}')
    for copied in (order, copy.deepcopy(order), pickle.loads(pickle.dumps(order)), to_plain(order)):
        assert write_json(copied) == f'{{"x": [{text}, {{"y": {text}}}], "z": 1.5}}'
    assert write_json({"b": read_number(text), "a": "ü"}, sort_keys=True, ensure_ascii=False) == (
        f'{{"a": "ü", "b": {text}}}'
    )


@pytest.mark.parametrize("text", FORMS)
def test_what_cwltool_has_read_or_made_is_written_as_it_was_read(text: str) -> None:
    read = YAML().load(f"x: [{text}]")
    kept = keep_forms(read)
    # of more digits than a number has, those that it has
    digits = len(text.strip("-").replace(".", "")) > 17
    assert digits or write_json(kept) == f'{{"x": [{text}]}}'
    assert write_word(restore_forms(kept)["x"][0]) == write_word(read["x"][0])


@pytest.mark.parametrize("text", ["10.5", "0.1", "-0.0", "123456789.12345679"])
def test_a_number_that_has_the_usual_form_is_a_plain_one(text: str) -> None:
    assert type(read_number(text)) is float


def test_a_number_that_cwltool_cannot_write_is_a_plain_one() -> None:
    assert write_word(read_as_cwltool("-0e0")) == "-0.0"


def test_other_values_are_written_as_ever() -> None:
    value = {"a": [1, 2.5, None, True, "10.50"], "b": {"c": []}}
    assert write_json(value) == json.dumps(value)
    assert json.dumps(WrittenNumber("1e21")) == "1e+21"  # whatever else writes it
