"""Where results and jobs are, and what a map is given of it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zoo_runner.model.job import Job, Outcome, Results, Status
from zoo_runner.server import result_files
from zoo_runner.server.api import Call
from zoo_runner.server.pages.maps import build_job_shapes, find_input_box, find_result_box, read_box, read_geometry
from zoo_runner.server.pages.result_items import locate
from zoo_runner.server.pages.results_page import ResultsPage, build_results_page
from zoo_runner.server.result_bucket import Begin, BucketFiles
from zoo_runner.server.result_files import FolderFiles
from zoo_runner.server.results import find_result_file

BOX = (10.0, 46.0, 11.0, 47.0)
CALL = Call("alpha", "https://eo.example/api")


def build_page(document: Mapping[str, Any], job: Job, call: Call = CALL) -> ResultsPage:
    store = BucketFiles(job, None) if "://" in job.destination else FolderFiles(job)
    return build_results_page(document, job, call, store)


def build_job(job_id: str, inputs: Mapping[str, Any] | None = None, destination: str = "/results") -> Job:
    time = "2026-01-31T12:00:00.000Z"
    known = ("alpha", "scene", "scene", "local", "digest", inputs or {}, destination, time, time)
    return Job(job_id, *known, Status.ACCEPTED)


@pytest.mark.parametrize(
    ("given", "box"),
    [
        ([10, 46, 11, 47], BOX),
        ([10, 46, 0, 11, 47, 3000], BOX),
        ("10,46, 11,47", BOX),
        ({"bbox": [10, 46, 11, 47], "crs": "x"}, BOX),
        ([170, -10, -170, 10], (170.0, -10.0, -170.0, 10.0)),
        ([10, 47, 11, 46], None),
        ([10, 46, 11], None),
        ([10, 46, 11, "north"], None),
        ([10, 46, 11, float("nan")], None),
        ([1000, 46, 11, 47], None),
        ([True, 0, 1, 1], None),
        ("somewhere", None),
        (None, None),
    ],
)
def test_a_box_is_read_as_clients_and_packages_write_it(given: Any, box: Any) -> None:
    assert read_box(given) == box


def test_only_inputs_that_say_so_are_boxes() -> None:
    assert find_input_box({"range": "1,2,3,4", "bbox": "10,46,11,47"}) == BOX
    assert find_input_box({"range": "1,2,3,4", "many": [1, 2, 3, 4, 5]}) is None


@pytest.mark.parametrize("geometry", [None, {"type": "Other"}, {"type": "Polygon", "coordinates": [[1] * 20_000]}])
def test_what_cannot_be_drawn_is_its_box(geometry: Any) -> None:
    assert read_geometry(geometry, BOX)["coordinates"][0][0] == [10.0, 46.0]


def test_a_geometry_of_more_levels_than_there_are_is_its_box() -> None:
    square = [[[[10, 46], [11, 46], [11, 47], [10, 46]]]]
    assert read_geometry({"type": "MultiPolygon", "coordinates": square}, BOX)["coordinates"] == square
    deep = json.loads("[" * 900 + "]" * 900)
    assert read_geometry({"type": "Polygon", "coordinates": deep}, BOX)["coordinates"][0][0] == [10.0, 46.0]


def have_results(job: Job, collection: Any, document: Any = None) -> Job:
    results = Results(document or {}, collection, "")
    return replace(job, status=Status.SUCCESSFUL, outcome=Outcome(Status.SUCCESSFUL, results=results))


def say_extent(*boxes: Any) -> dict[str, Any]:
    return {"extent": {"spatial": {"bbox": list(boxes)}}}


def test_a_job_is_where_its_results_are_and_else_where_its_inputs_say() -> None:
    made = have_results(build_job("made"), say_extent([10, 46, 11, 47]))
    asked = build_job("asked", inputs={"area": {"bbox": [0, 0, 1, 1]}})
    nowhere = have_results(build_job("nowhere"), say_extent([-180, -90, 180, 90]))
    assert find_result_box(made) == BOX
    shapes = build_job_shapes([asked, made, nowhere], "https://a", with_results=True, with_inputs=True)
    assert [(one.href, one.kind) for one in shapes] == [
        ("https://a/jobs/asked", "accepted"),
        ("https://a/jobs/made", "successful"),
    ]
    assert build_job_shapes([asked, made], "https://a", with_results=False, with_inputs=False) == ()


@pytest.mark.parametrize("collection", [{}, {"extent": 1}, {"extent": {"spatial": {"bbox": [[]]}}}, say_extent()])
def test_results_without_a_place_have_none(collection: Any) -> None:
    assert find_result_box(have_results(build_job("one"), collection)) is None


@pytest.fixture
def results(tmp_path: Path) -> Path:
    (tmp_path / "scene").mkdir()
    (tmp_path / "scene" / "red.tif").write_bytes(b"II")
    (tmp_path / "scene" / "line.geojson").write_text('{"type": "Point", "coordinates": [1, 2]}')
    item = {
        "type": "Feature",
        "id": "scene-1",
        "bbox": [10, 46, 11, 47],
        "geometry": {"type": "Point", "coordinates": [10, 46]},
        "assets": {
            "red": {"href": "./red.tif", "type": "image/tiff; application=geotiff"},
            "line": {"href": "line.geojson", "type": "application/geo+json", "title": "Line"},
            "other": {"href": "s3://bucket/other.tif"},
            "outside": {"href": "../../../../etc/passwd", "type": "text/plain"},
            "none": None,
        },
    }
    (tmp_path / "scene" / "item.json").write_text(json.dumps(item))
    catalog = {"type": "Catalog", "links": [{"rel": "item", "href": "scene/item.json"}, {"rel": "root"}, 7]}
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    (tmp_path / "table.csv").write_text("day,growth\n2026-01-01,1\n2026-01-02,3\n2026-01-03,2\n")
    return tmp_path


def test_the_items_of_results_are_found_with_their_files_on_this_machine(results: Path) -> None:
    collection = {"links": [{"rel": "child", "href": (results / "catalog.json").as_uri()}, {"rel": "child", "href": 1}]}
    job = have_results(build_job("one", destination=str(results)), collection)
    document = {"table": {"href": "https://eo.example/api/jobs/one/files/table.csv", "type": "text/csv"}}
    page = build_page(document, job)
    (item,) = page.items
    assert [asset.path for asset in item.assets] == ["scene/red.tif", "scene/line.geojson"]
    (shape,) = page.map.shapes
    assert (shape.title, shape.box, shape.geometry["type"]) == ("scene-1", BOX, "Point")
    assert shape.picture == "/api/jobs/one/quicklook/scene/red.tif?bbox=10.0,46.0,11.0,47.0"
    assert dict(page.map.vectors) == {"line.geojson": "/api/jobs/one/files/scene/line.geojson"}
    assert [file.name for file in page.files] == ["table.csv", "red.tif", "line.geojson"]
    chart, table = page.files[0].chart, page.files[0].table
    assert chart
    assert table
    assert [(line.name, line.least, line.most) for line in chart.lines] == [("growth", "1", "3")]
    assert table.rows[0] == ("2026-01-01", "1")


def test_results_in_a_bucket_are_shown_by_their_extent() -> None:
    job = have_results(build_job("one", destination="s3://bucket/one"), say_extent([10, 46, 11, 47]))
    page = build_page({}, job)
    assert ([shape.box for shape in page.map.shapes], page.items, page.files) == ([BOX], (), ())


def test_rasters_in_a_bucket_have_quicklooks_and_addresses() -> None:
    job = replace(
        have_results(build_job("one", destination="s3://bucket/one"), say_extent([10, 46, 11, 47])),
        public_url="https://data.example/x",
    )
    base, pictures = "https://data.example/x/one/", "/api/jobs/one/quicklook/"
    document = {"red": {"href": f"{base}red.tif", "type": "image/tiff; application=geotiff"}}
    page = build_page(document, job)
    (shape,) = page.map.shapes
    assert shape.picture == f"{pictures}red.tif?bbox=10.0,46.0,11.0,47.0"
    assert [(file.name, file.picture) for file in page.files] == [("red.tif", f"https://eo.example{pictures}red.tif")]
    (place,) = page.places
    assert (place.web, place.store, place.path) == (f"{base}red.tif", "s3://bucket/one/red.tif", "red.tif")
    assert place.download == "https://eo.example/api/jobs/one/files/red.tif"


BASES = ("https://data.example/x/", "s3://bucket/x/")


@pytest.mark.parametrize(
    ("href", "path"),
    [
        *(("a.tif", "s/a.tif"), ("../a%20b.tif", "a b.tif"), ("s3://bucket/x/a.tif", "a.tif")),
        *(("https://data.example/x/t/a.tif", "t/a.tif"), ("../../a.tif", None), ("%2e%2e/../a.tif", None)),
        *(("s3://bucket/x/../a.tif", None), ("s3://other/x/a.tif", None), ("/etc/passwd", None), ("..", None)),
        *((None, None), ("", None), ("a" * 5000, None), ("file:///a.tif", None)),
    ],
)
def test_only_what_lies_below_the_results_is_a_file_of_an_item(href: Any, path: str | None) -> None:
    assert locate("s/item.json", href, BASES) == path


def test_items_that_lead_to_each_other_end(results: Path) -> None:
    (results / "catalog.json").write_text('{"links": [{"rel": "child", "href": "catalog.json"}]}')
    collection = {"links": [{"rel": "child", "href": (results / "catalog.json").as_uri()}]}
    job = have_results(build_job("one", destination=str(results)), collection)
    assert build_page({}, job).map.is_empty


def count_looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note each file that is looked for on the disk."""
    looked = list[str]()
    find = find_result_file

    def look(job: Job, path: str) -> Path | None:
        looked.append(path)
        return find(job, path)

    monkeypatch.setattr(result_files, "find_result_file", look)
    return looked


@pytest.mark.parametrize("name", ["scene/item.json", "none.json", "catalog.json"])
def test_of_very_many_links_the_first_are_looked_at(results: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    looked = count_looks(monkeypatch)
    (results / "catalog.json").write_text(json.dumps({"links": [{"rel": "child", "href": name}] * 5000}))
    links = [{"rel": "child", "href": name}, {"rel": "child", "href": "x" * 5000}] * 50_000
    build_page({}, have_results(build_job("one", destination=str(results)), {"links": links}))
    assert 0 < len(looked) <= 1010


def test_of_very_many_items_and_assets_the_first_are_shown(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = count_looks(monkeypatch)
    assets = {f"a{number}": {"href": "scene/red.tif", "title": "t" * 1000} for number in range(200)}
    item = json.dumps({"type": "Feature", "id": "i" * 1000, "bbox": [10, 46, 11, 47], "assets": assets})
    for number in range(210):
        (results / f"item-{number}.json").write_text(item)
    collection = {"links": [{"rel": "item", "href": f"item-{number}.json"} for number in range(210)]}
    page = build_page({}, have_results(build_job("one", destination=str(results)), collection))
    assert len(page.items) == 200
    assert [len(one.assets) for one in page.items] == [50] * 40 + [0] * 160
    assert len(looked) <= 200 + 2000
    assert {len(one.title) for one in page.items} == {len(one.title) for one in page.items[0].assets} == {200}
    assert sum(1 for one in page.map.shapes if one.picture) == 12


def test_of_very_many_outputs_the_first_are_looked_at(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = count_looks(monkeypatch)
    link = {"href": "https://eo.example/api/jobs/one/files/none.csv", "type": "text/csv"}
    job = have_results(build_job("one", destination=str(results)), {})
    assert build_page({"many": [link] * 20_000}, job).files == ()
    assert len(looked) == 500


def test_a_file_that_is_removed_while_the_page_is_built_is_not_shown(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = find_result_file

    def find_last(job: Job, path: str) -> Path | None:
        file = find(job, path)
        if file:
            file.unlink()
        return file

    monkeypatch.setattr(result_files, "find_result_file", find_last)
    document = {
        "line": {"href": "https://eo.example/api/jobs/one/files/scene/line.geojson", "type": "application/geo+json"}
    }
    page = build_page(document, have_results(build_job("one", destination=str(results)), {}))
    assert (page.files, dict(page.map.vectors)) == ((), {})


def test_the_begin_of_a_file_has_its_size(results: Path) -> None:
    files = FolderFiles(build_job("one", destination=str(results)))
    table = (results / "table.csv").read_bytes()
    assert files.read(["table.csv", "none.csv"], 10) == [Begin(table[:10], len(table)), None]
    assert files.read(["table.csv"], 1000) == [Begin(table, len(table))]
    assert files.find("../x") is None
