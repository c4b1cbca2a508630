"""Rules of what a document may be before a loader sees it."""

import json
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


def test_a_date_that_does_not_exist_is_answered_with_what_to_write() -> None:
    with pytest.raises(ShapeError, match="day is out of range") as caught:
        parse_document("published: 2024-02-30")
    assert "quotes" in caught.value.remedy
