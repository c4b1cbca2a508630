"""Rules of what a document may be before a loader sees it."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.values import settings_in
from zoo_runner.model.errors import PackageError
from zoo_runner.package.loading import load_package
from zoo_runner.package.parsing import DEEPEST_LEVELS, ShapeError, check_shape, parse_document


def nested(levels: int) -> Any:
    node: Any = "x"
    for _ in range(levels):
        node = [node]
    return node


def test_a_document_has_a_deepest_level() -> None:
    check_shape(nested(DEEPEST_LEVELS))
    with pytest.raises(ShapeError, match="64 levels"):
        check_shape(nested(DEEPEST_LEVELS + 2))


def test_a_shared_part_counts_at_every_place_where_it_stands() -> None:
    shared = nested(40)
    with pytest.raises(ShapeError, match="64 levels"):
        check_shape([shared, {"a": {"b": nested(0), "c": [[[[[[[[[[[[[[[[[[[[[[[[[[shared]]]]]]]]]]]]]]]]]]]]]]]]]]}}])


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 5_000, "a: &a [*a]", json.dumps(nested(200))])
def test_what_would_bring_a_parser_down_is_refused(text: str) -> None:
    with pytest.raises(ShapeError, match="64 levels"):
        parse_document(text)


@pytest.mark.parametrize("text", ['{"a": [1, 2]}', "a: [1, 2]", "{a: [1, 2]}"])
def test_yaml_and_json_are_the_same(text: str) -> None:
    assert parse_document(text) == {"a": [1, 2]}


def test_a_package_that_imports_itself_is_refused(tmp_path: Path) -> None:
    tool = {"cwlVersion": "v1.2", "class": "CommandLineTool", "inputs": [], "outputs": []}
    (tmp_path / "a.cwl").write_text(json.dumps({**tool, "requirements": [{"$import": "b.cwl"}]}))
    (tmp_path / "b.cwl").write_text(json.dumps({"class": "SchemaDefRequirement", "types": [{"$import": "a.cwl"}]}))
    with pytest.raises(PackageError, match=r"a\.cwl") as caught:
        load_package(str(tmp_path / "a.cwl"), settings_in(tmp_path))
    assert caught.value.diagnosis.code == "package.recursion"


@pytest.mark.parametrize("text", ["2024-02-30", "2024-07-31", "2024-07-31T10:00:00Z"])
def test_a_date_is_a_text_as_for_cwltool(text: str) -> None:
    assert parse_document(f"published: {text}") == {"published": text}


@pytest.mark.parametrize("form", ["x: {}", '{{"x": {}}}'])
@pytest.mark.parametrize(
    ("text", "number"),
    [("1e21", 1e21), ("1.23e5", 123000.0), ("1.5e-3", 0.0015), ("0.00001", 0.00001), ("3.0", 3.0), ("1e400", math.inf)],
)
def test_a_number_with_decimals_or_an_exponent_is_no_integer(form: str, text: str, number: float) -> None:
    value = parse_document(form.format(text))["x"]
    assert (value, isinstance(value, float)) == (number, True)
