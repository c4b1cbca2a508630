import re
from pathlib import Path
from typing import Any

import pytest

from tests.values import settings_in, small_package
from zoo_runner.inputs.job_file import read_order
from zoo_runner.model.errors import InputError

PACKAGE = small_package(
    inputs=[
        {"id": "#main/name", "type": ["null", "string"]},
        {"id": "#main/count", "type": ["null", "int"]},
        {"id": "#main/bands", "type": ["null", {"type": "array", "items": "string"}]},
        {"id": "#main/item", "type": ["null", "File"]},
        {
            "id": "#main/level",
            "type": ["null", {"type": "enum", "symbols": ["#main/level/1", "#main/level/2"]}],
        },
    ]
)


def read(folder: Path, *words: str, job_file: Path | None = None) -> dict[str, Any]:
    return dict(read_order(PACKAGE, str(job_file) if job_file else None, words, settings_in(folder)).values)


def given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def test_a_job_file_may_be_yaml_or_json(tmp_path: Path) -> None:
    for name, text in (("a.yml", "name: x\ncount: 2\n"), ("a.json", '{"name": "x", "count": 2}')):
        path = tmp_path / name
        path.write_text(text)
        assert given(read(tmp_path, job_file=path)) == {"name": "x", "count": 2}


def test_an_empty_job_file_gives_no_inputs(tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_text("")
    assert given(read(tmp_path, job_file=path)) == {}


def test_a_member_inputs_makes_it_an_execute_request(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"inputs": {"name": "x", "item": {"href": "https://h/a.txt"}}}')
    values = read(tmp_path, job_file=path)
    assert values["name"] == "x"
    assert values["item"]["location"] == "https://h/a.txt"


def test_words_win_over_the_job_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_text("name: x\ncount: 2\n")
    assert given(read(tmp_path, "name=y", job_file=path)) == {"name": "y", "count": 2}


def test_words_are_texts_where_a_text_is_asked_for_and_json_elsewhere(tmp_path: Path) -> None:
    assert given(read(tmp_path, "name=3", "count=3")) == {"name": "3", "count": 3}
    assert given(read(tmp_path, "name=a=b")) == {"name": "a=b"}


def test_a_repeated_word_makes_an_array(tmp_path: Path) -> None:
    assert given(read(tmp_path, "bands=red")) == {"bands": ["red"]}
    assert given(read(tmp_path, "bands=red", "bands=nir")) == {"bands": ["red", "nir"]}
    assert given(read(tmp_path, 'bands=["red", "nir"]')) == {"bands": ["red", "nir"]}


def test_paths_in_a_job_file_are_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("x")
    path = tmp_path / "a.yml"
    path.write_text("item: {class: File, path: data.txt}\n")
    assert read(tmp_path, job_file=path)["item"]["location"] == (tmp_path / "data.txt").as_uri()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"a: [b", "inputs.syntax"),
        (b"\xff\xfe", "inputs.syntax"),
        (b"- a\n", "inputs.type"),
        (b"just text", "inputs.type"),
        (b"[" * 4_000, "inputs.syntax"),
    ],
)
def test_a_job_file_that_is_invalid_is_refused_with_its_name(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "a.yml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.yml") as caught:
        read(tmp_path, job_file=path)
    assert caught.value.diagnosis.code == code


def test_a_job_file_that_is_missing_is_a_matter_of_inputs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yml: No such file") as caught:
        read(tmp_path, job_file=tmp_path / "none.yml")
    assert caught.value.diagnosis.code == "inputs.unreadable"


def test_an_input_in_the_place_of_the_job_file_is_shown_its_place(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, job_file=tmp_path / "name=two words")
    assert f"-i '{tmp_path}/name=two words'" in caught.value.diagnosis.remedy


@pytest.mark.parametrize("word", ["name", "", "-"])
def test_a_word_without_a_value_is_refused(tmp_path: Path, word: str) -> None:
    with pytest.raises(InputError, match=re.escape(repr(word))) as caught:
        read(tmp_path, word)
    assert caught.value.diagnosis.code == "inputs.syntax"


def test_a_package_without_inputs_is_refused_with_unknown_inputs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing"):
        read_order(small_package(), None, ("nothing=1",), settings_in(tmp_path))


def test_an_execute_request_whose_inputs_are_no_object_is_refused_with_words_beside_it_too(tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    path.write_text('{"inputs": [1]}')
    with pytest.raises(InputError):
        read(tmp_path, "name=x", job_file=path)


def test_a_repeated_word_for_what_is_no_array_is_refused(tmp_path: Path) -> None:
    for words in (("count=1", "count=2"), ("name=a", "name=b")):
        with pytest.raises(InputError, match=f"{words[0].partition('=')[0]} ") as caught:
            read(tmp_path, *words)
        assert caught.value.diagnosis.code == "inputs.type"


def test_a_word_for_a_choice_is_a_text_though_it_looks_like_a_number(tmp_path: Path) -> None:
    assert given(read(tmp_path, "level=2")) == {"level": "2"}


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.json", '{"name": "x",\n "name": "y"}'), ("a.yml", "name: x\nname: y\n")],
)
def test_a_name_that_stands_twice_in_a_job_file_is_refused_at_its_place(
    tmp_path: Path, name: str, content: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError, match=r'line \d, column \d: found duplicate key "name"') as caught:
        read(tmp_path, job_file=path)
    assert str(path) in "\n".join(caught.value.diagnosis.evidence)


def test_an_unknown_input_of_a_job_file_is_a_warning_and_with_strict_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.yml"
    path.write_text("name: x\nnmae: y\n")
    order = read_order(PACKAGE, str(path), (), settings_in(tmp_path))
    assert given(dict(order.values)) == {"name": "x"}
    assert [(one.code, one.path) for one in order.warnings] == [("inputs.unknown", "nmae")]
    for words, strict in (((), True), (("nmae=y",), False)):
        with pytest.raises(InputError) as caught:
            read_order(PACKAGE, str(path), words, settings_in(tmp_path), strict=strict)
        assert caught.value.diagnosis.code == "inputs.unknown"


def test_an_unknown_input_of_a_request_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"inputs": {"nmae": "y"}}')
    with pytest.raises(InputError) as caught:
        read_order(PACKAGE, str(path), (), settings_in(tmp_path))
    assert caught.value.diagnosis.code == "inputs.unknown"
