"""What a stage-in would download is found without downloading it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stagein.settings import StageInOptions
from stagein.survey import MOST_ASKED, survey
from tests.servers import Fault, FileServer
from tests.unit.stagein.items import build_item

pytestmark = pytest.mark.contract

OPTIONS = StageInOptions(allow_private=True, read_timeout_seconds=10)


def at(href: str, word: str = "File") -> dict[str, Any]:
    return {"class": word, "location": href}


def put_item(web: FileServer, sizes: dict[str, int | None]) -> str:
    """An item whose assets have one byte each, and say another size where one is given."""
    assets = {}
    for name, size in sizes.items():
        href = web.put(f"data/{name}.tif", b"x")
        assets[name] = {"href": href, "roles": ["data"], **({} if size is None else {"file:size": size})}
    return web.put("item.json", json.dumps({**build_item("one", {}), "assets": assets}).encode())


def test_files_and_bytes_are_counted_and_nothing_is_written(web: FileServer, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    order = {"file": at(web.put("a.txt", b"12345")), "item": at(put_item(web, {"red": None, "nir": None}), "Directory")}
    known = sorted(tmp_path.rglob("*"))
    found = survey(order, OPTIONS)
    assert (found.files, found.known_bytes, found.errors) == (3, 7, ())
    assert sorted(tmp_path.rglob("*")) == known != before


def test_a_file_that_several_inputs_refer_to_is_counted_once(web: FileServer) -> None:
    file, item = at(web.put("a.txt", b"12345")), at(put_item(web, {"red": None}), "Directory")
    secondary = {**file, "secondaryFiles": [at(web.put("a.txt.idx", b"12"))]}
    found = survey({"one": file, "two": [secondary, file], "item": item, "again": item}, OPTIONS)
    assert (found.files, found.known_bytes, found.errors) == (3, 8, ())


def test_each_source_that_fails_is_named_with_its_place(web: FileServer) -> None:
    order = {
        "there": at(web.put("a.txt", b"12345")),
        "many": [at(web.put("b.txt", b"1")), at(f"{web.url}/missing.txt")],
        "item": at(f"{web.url}/missing.json", "Directory"),
        "refused": at("ftp://host/x"),
    }
    found = survey(order, OPTIONS)
    assert (found.files, found.known_bytes) == (2, 6)
    assert {where: error.code for where, error in found.errors} == {
        ("many", 1): "source.not-found",
        ("item",): "source.not-found",
        ("refused",): "source.unsupported",
    }


def test_an_asset_that_is_missing_is_found_before_the_job(web: FileServer) -> None:
    href = put_item(web, {"red": None, "nir": None})
    web.fail_always("data/nir.tif", Fault(status=404))
    ((where, error),) = survey({"item": at(href, "Directory")}, OPTIONS).errors
    assert (where, error.code) == (("item",), "source.not-found")
    assert "nir" in str(error)


def test_of_many_files_some_are_asked_and_the_others_believed(web: FileServer) -> None:
    href = put_item(web, {f"a{number:03}": 1000 for number in range(MOST_ASKED + 10)})
    found = survey({"item": at(href, "Directory")}, OPTIONS)
    assert found.files == MOST_ASKED + 10
    assert found.known_bytes == MOST_ASKED + 10 * 1000
    assert sum(path.startswith("data/") for path in web.requests) == MOST_ASKED


def test_more_than_a_job_may_have_is_an_error(web: FileServer) -> None:
    order = {"file": at(web.put("a.txt", b"12345"))}
    ((where, error),) = survey(order, replace(OPTIONS, max_bytes=4)).errors
    assert (where, error.code) == (("file",), "source.refused")
    ((_, error),) = survey(
        {"item": at(put_item(web, {"a": 1, "b": 1}), "Directory")}, replace(OPTIONS, max_files=1)
    ).errors
    assert error.code == "source.refused"


def test_a_private_network_is_refused(web: FileServer) -> None:
    href = web.put("a.txt", b"12345")
    ((_, error),) = survey({"file": at(href)}, replace(OPTIONS, allow_private=False)).errors
    assert error.code == "source.refused"
    assert web.requests == []


def test_a_job_without_references_asks_nobody() -> None:
    assert survey({"number": 1, "text": "https://host/x"}, OPTIONS).files == 0
