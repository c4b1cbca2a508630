"""What the page of results shows beside the document: a map, pictures, tables and texts of files on the server."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from stageout.raster import build_footprint
from zoo_runner.model.job import Job
from zoo_runner.server.api import Call
from zoo_runner.server.pages.maps import Box, MapView, Shape, find_result_box
from zoo_runner.server.pages.result_items import ResultItem, list_items
from zoo_runner.server.pages.stored_items import list_bases
from zoo_runner.server.pages.tables import Chart, Table, build_chart, build_table, read_rows
from zoo_runner.server.quicklook import PATH, can_draw
from zoo_runner.server.result_bucket import is_stored
from zoo_runner.server.results import find_result_file

_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml")
_RASTERS = ("image/tiff", "image/jp2")
_VECTORS = "application/geo+json"
_CSV = "text/csv"
_TEXTS = ("text/", "application/json", _VECTORS, "application/cwl", "application/yaml", "application/xml")
_SHOWN_BYTES = 32 << 10
_MOST_SHOWN, _MOST_TRIED = 20, 500
_LARGEST_VECTORS_BYTES = 4 << 20
_MOST_PICTURES, _MOST_PLACES = 12, 200


@dataclass(frozen=True)
class ShownFile:
    """A file of the results: a picture, or a text of which at most the begin is shown, as a table where it is one.

    `picture` is the address of what the file looks like, empty for texts.
    """

    output: str
    name: str
    href: str
    media_type: str
    text: str | None = None
    is_cut: bool = False
    picture: str = ""
    table: Table | None = None
    chart: Chart | None = None


@dataclass(frozen=True)
class ResultPlace:
    """Where a result lies: its addresses on the web and in object storage, empty where there is none.

    `path` is that below the results, where they lie on the server.
    """

    name: str
    media_type: str
    web: str = ""
    store: str = ""
    path: str = ""

    @property
    def href(self) -> str:
        """The address that an input refers to it by."""
        return self.web or self.store


@dataclass(frozen=True)
class ResultsPage:
    """What the page shows: where results are, the Items, and the files that can be looked at.

    `share` is the address to which the form is sent that makes links to them, empty where none may be made.
    """

    files: tuple[ShownFile, ...]
    items: tuple[ResultItem, ...]
    map: MapView
    places: tuple[ResultPlace, ...] = ()
    share: str = ""


@dataclass(frozen=True)
class _Place:
    """The address below which the files of a job lie on the server, and that of its quick-looks.

    `bases` are the addresses of the results themselves, the one for links first.
    """

    job: Job
    files: str
    pictures: str
    bases: tuple[str, ...]

    def find_path(self, href: str) -> str | None:
        """Find the path below the results that an address leads to; None for what lies elsewhere."""
        base = next((one for one in self.bases if href.startswith(one)), None)
        return unquote(href.removeprefix(base)) if base else None

    def link(self, path: str) -> str:
        """Return the address of a file of the results."""
        return self.bases[0] + quote(path)


def build_results_page(
    document: Mapping[str, Any], job: Job, call: Call, stored: Iterable[ResultItem] = (), *, may_share: bool = False
) -> ResultsPage:
    """Build the page of a results document; `stored` are the Items of results in a bucket."""
    files = f"{call.link('jobs', job.id, 'files')}/"
    bases = list_bases(job) if is_stored(job) else (files,)
    place = _Place(job, files, f"{call.link('jobs', job.id, PATH)}/", bases)
    items = [*list_items(job), *stored]
    shown = _list_shown_files(document, items, place)
    places = tuple({one.href: one for one in _list_places(document, items, place)}.values())
    share = call.link("jobs", job.id, "links") if may_share else ""
    return ResultsPage(shown, tuple(items), _build_map(items, shown, place), places[:_MOST_PLACES], share)


def _list_places(document: Mapping[str, Any], items: Iterable[ResultItem], place: _Place) -> Iterator[ResultPlace]:
    """List where the results lie: those of the document, then the Items and their files."""
    for output, value in document.items():
        for link in _walk_links(value):
            found = find_place(output, str(link["href"]), str(link.get("type", "")), place.job, place.files)
            if found:
                yield found
    for item in items:
        own = (item.title, item.path, _VECTORS)
        for name, path, media_type in (own, *((one.title, one.path, one.media_type) for one in item.assets)):
            found = find_place(name, place.link(path), media_type, place.job, place.files)
            if found:
                yield found


def find_place(name: str, href: str, media_type: str, job: Job, files: str) -> ResultPlace | None:
    """Find both addresses of a result from one of them; `files` is that below which those on the server lie.

    None for what lies elsewhere, such as a page about the data.
    """
    bucket = urlsplit(job.destination)
    store, public = f"{bucket.scheme}://{bucket.netloc}/", f"{(job.public_url or '').rstrip('/')}/"
    if href.startswith(files):
        return ResultPlace(name, media_type, href, path=unquote(href.removeprefix(files)))
    if "://" not in job.destination:
        return None
    if href.startswith(store):
        web = public + href.removeprefix(store) if job.public_url else ""
        return ResultPlace(name, media_type, web, href)
    if job.public_url and href.startswith(public):
        return ResultPlace(name, media_type, href, store + href.removeprefix(public))
    return None


def _list_shown_files(document: Mapping[str, Any], items: list[ResultItem], place: _Place) -> tuple[ShownFile, ...]:
    """List the files that a page can show, the first few of them: those of the document, then those of its Items."""
    found: dict[str, ShownFile] = {}
    for output, path, media_type in islice(chain(_list_outputs(document, place), _list_assets(items)), _MOST_TRIED):
        if len(found) == _MOST_SHOWN:
            break
        shown = None if path in found else _show_any(output, path, media_type, place)
        if shown:
            found[path] = shown
    return tuple(found.values())


def _list_outputs(document: Mapping[str, Any], place: _Place) -> Iterator[tuple[str, str, str]]:
    for output, value in document.items():
        for link in _walk_links(value):
            path = place.find_path(str(link["href"]))
            if path is not None:
                yield output, path, str(link.get("type", ""))


def _list_assets(items: Iterable[ResultItem]) -> Iterator[tuple[str, str, str]]:
    for item in items:
        for asset in item.assets:
            yield asset.title, asset.path, asset.media_type


def _walk_links(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping) and isinstance(value.get("href"), str):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _walk_links(one)


def _show_any(output: str, path: str, media_type: str, place: _Place) -> ShownFile | None:
    """Show a file of the results; of those in a bucket only rasters."""
    if not is_stored(place.job):
        file = find_result_file(place.job, path)
        return _show(output, path, media_type, file, place) if file else None
    media_type = media_type.partition(";")[0].strip()
    if media_type not in _RASTERS or not can_draw(path):
        return None
    picture = place.pictures + quote(path)
    return ShownFile(output, PurePosixPath(path).name, place.link(path), media_type, picture=picture)


def _show(output: str, path: str, media_type: str, file: Path, place: _Place) -> ShownFile | None:
    media_type, href = media_type.partition(";")[0].strip(), place.files + quote(path)
    if media_type in _PICTURES:
        return ShownFile(output, file.name, href, media_type, picture=href)
    if media_type in _RASTERS and can_draw(file):
        return ShownFile(output, file.name, href, media_type, picture=place.pictures + quote(path))
    return _show_text(output, href, media_type, file) if media_type.startswith(_TEXTS) else None


def _show_text(output: str, href: str, media_type: str, file: Path) -> ShownFile | None:
    try:
        with file.open("rb") as stream:
            content = stream.read(_SHOWN_BYTES + 1)
    except OSError:
        # removed meanwhile
        return None
    text, is_cut = content[:_SHOWN_BYTES].decode("utf-8", "replace"), len(content) > _SHOWN_BYTES
    rows = read_rows(text, is_cut=is_cut) if media_type == _CSV else []
    table, chart = build_table(rows, is_cut=is_cut), build_chart(rows)
    return ShownFile(output, file.name, href, media_type, text, is_cut, table=table, chart=chart)


def _build_map(items: list[ResultItem], files: Iterable[ShownFile], place: _Place) -> MapView:
    shapes = tuple(_build_shape(item, place, number) for number, item in enumerate(items) if item.box)
    box = None if shapes else find_result_box(place.job)
    if box:
        rasters = (place.find_path(file.href) for file in files if is_stored(place.job) and file.picture)
        picture = _build_picture(next(rasters, None), box, place)
        shapes = (Shape(place.job.process_id, build_footprint(box), box, picture=picture),)
    vectors = {file.name: urlsplit(file.href).path for file in files if _is_drawn(file, place)}
    return MapView(shapes, vectors)


def _build_shape(item: ResultItem, place: _Place, number: int) -> Shape:
    if item.box is None:
        raise ValueError("an Item without a place has no shape")
    rasters = (asset.path for asset in item.assets if number < _MOST_PICTURES and can_draw(asset.path))
    picture = _build_picture(next(rasters, None), item.box, place)
    link = place.link(item.path)
    # a browser opens no address of a bucket
    return Shape(item.title, item.geometry, item.box, "item", link if link.startswith("http") else "", picture)


def _build_picture(raster: str | None, box: Box, place: _Place) -> str:
    """Return the address of what a raster has within a box; a box across the antimeridian has no picture."""
    west, south, east, north = box
    if raster is None or west >= east or south >= north:
        return ""
    return f"{urlsplit(place.pictures).path}{quote(raster)}?bbox={','.join(map(str, box))}"


def _is_drawn(file: ShownFile, place: _Place) -> bool:
    """Whether a file is drawn on the map: GeoJSON that is not too large for a browser."""
    if file.media_type != _VECTORS or file.text is None:
        return False
    found = find_result_file(place.job, unquote(file.href.removeprefix(place.files)))
    try:
        return found is not None and found.stat().st_size <= _LARGEST_VECTORS_BYTES
    except OSError:
        # removed meanwhile
        return False
