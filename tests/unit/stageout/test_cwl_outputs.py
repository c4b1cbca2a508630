"""The CWL output object of published outputs has their addresses, and keeps what CWL says of them."""

from pathlib import Path
from typing import Any

from stageout.model import StageOutOptions
from stageout.stage import stage_out
from zoo_runner.cli.output_object import build_output_object
from zoo_runner.model.job import Results

SHA1_OF_A = "sha1$86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"


def publish(tmp_path: Path, outputs: dict[str, Any]) -> dict[str, Any]:
    done = stage_out(outputs, str(tmp_path / "results"), StageOutOptions("7", "w"))
    return build_output_object(Results(done.document, done.collection, done.collection_href, done.outputs))


def test_a_file_keeps_name_format_and_secondary_files(tmp_path: Path) -> None:
    for name in ("x.tif", "x.tif.aux"):
        (tmp_path / name).write_text("a")
    (tmp_path / "side").mkdir()
    (tmp_path / "side" / "b").write_text("a")
    secondary = [
        {"class": "File", "location": (tmp_path / "x.tif.aux").as_uri()},
        {"class": "Directory", "location": (tmp_path / "side").as_uri(), "basename": "aside"},
    ]
    file = {"class": "File", "location": (tmp_path / "x.tif").as_uri(), "format": "http://edamontology.org/format_3591"}
    published = publish(tmp_path, {"o": {**file, "secondaryFiles": secondary}})["o"]
    place = (tmp_path / "results" / "o").as_uri()
    assert published["location"] == f"{place}/x.tif"
    assert (published["format"], published["size"], published["checksum"]) == (file["format"], 1, SHA1_OF_A)
    aux, side = published["secondaryFiles"]
    assert aux["location"] == f"{place}/x.tif.aux"
    assert (side["class"], side["location"]) == ("Directory", f"{place}/aside")
    assert [each["basename"] for each in side["listing"]] == ["b"]


def test_a_directory_lists_what_the_tool_wrote_and_not_the_item_beside_it(tmp_path: Path) -> None:
    for folder in ("d", "d/below"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "f").write_text("a")
    outputs = {"o": {"class": "Directory", "location": (tmp_path / "d").as_uri()}}
    published = publish(tmp_path, outputs)["o"]
    assert published["basename"] == "d"
    assert [each["basename"] for each in published["listing"]] == ["below", "f"]
    assert [each["checksum"] for each in published["listing"][0]["listing"]] == [SHA1_OF_A]


def test_values_arrays_and_records_are_kept(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("a")
    file = {"class": "File", "location": (tmp_path / "f").as_uri()}
    published = publish(tmp_path, {"n": 3, "nothing": None, "many": [file, file], "rec": {"a": file, "b": [1, "x"]}})
    assert (published["n"], published["nothing"], published["rec"]["b"]) == (3, None, [1, "x"])
    assert [each["basename"] for each in published["many"]] == ["f", "f"]
    assert published["rec"]["a"]["location"] == (tmp_path / "results" / "rec" / "a" / "f").as_uri()


def test_files_of_one_name_are_all_kept_and_numbered_as_cwltool_does(tmp_path: Path) -> None:
    for name, text in (("a.txt", "MAIN"), ("sub/a.txt", "FIRST"), ("sub2/a.txt", "SECOND"), ("sub2/x/a.txt", "FOLDER")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    files = [{"class": "File", "location": (tmp_path / name).as_uri()} for name in ("sub/a.txt", "sub2/a.txt")]
    folder = {"class": "Directory", "location": (tmp_path / "sub2/x").as_uri(), "basename": "a.txt"}
    main = {"class": "File", "location": (tmp_path / "a.txt").as_uri()}
    literal = {"class": "Directory", "basename": "all", "listing": [main, *files, main]}
    published = publish(tmp_path, {"o": {**main, "secondaryFiles": [*files, folder, main]}, "d": literal})
    place = tmp_path / "results"
    assert [each["basename"] for each in published["o"]["secondaryFiles"]] == ["a.txt_2", "a.txt_3", "a.txt_4"]
    names = ("o/a.txt", "o/a.txt_2", "o/a.txt_3", "o/a.txt_4/a.txt", "d/a.txt", "d/a.txt_2", "d/a.txt_3")
    texts = ["MAIN", "FIRST", "SECOND", "FOLDER", "MAIN", "FIRST", "SECOND"]
    assert [(place / name).read_text() for name in names] == texts
    assert [each["basename"] for each in published["d"]["listing"]] == ["a.txt", "a.txt_2", "a.txt_3"]
