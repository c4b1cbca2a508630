"""What the page of results shows beside the document: a map, pictures, tables and texts of its files."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from stageout.raster import build_footprint
from zoo_runner.model.job import Job
from zoo_runner.server.api import Call
from zoo_runner.server.pages.maps import Box, MapView, Shape, find_result_box
from zoo_runner.server.pages.result_items import ResultItem, list_items
from zoo_runner.server.pages.tables import Axes, Chart, Table, build_chart, build_table, read_axes, read_rows
from zoo_runner.server.quicklook import PATH, can_draw
from zoo_runner.server.result_bucket import Begin
from zoo_runner.server.result_files import ResultFiles

_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml")
_RASTERS = ("image/tiff", "image/jp2")
_VECTORS = "application/geo+json"
_CSV = "text/csv"
_TEXTS = ("text/", "application/json", _VECTORS, "application/cwl", "application/yaml", "application/xml")
SHOWN_BYTES = 32 << 10
"""What is read of a text."""
_MOST_SHOWN, _MOST_TRIED = 20, 500
_LARGEST_VECTORS_BYTES = 4 << 20
_MOST_PICTURES, _MOST_PLACES = 12, 200


@dataclass(frozen=True)
class ShownFile:
    """A file of the results: a picture, or a text of which at most the begin is shown, as a table where it is one.

    `path` is that below the results; `picture` the address of what the file looks like, empty for texts.
    """

    output: str
    path: str
    href: str
    media_type: str
    text: str | None = None
    size_bytes: int = 0
    picture: str = ""
    table: Table | None = None
    chart: Chart | None = None

    @property
    def name(self) -> str:
        """The name of the file."""
        return PurePosixPath(self.path).name

    @property
    def is_cut(self) -> bool:
        """Whether the file goes on behind its text."""
        return self.size_bytes > SHOWN_BYTES


@dataclass(frozen=True)
class ResultPlace:
    """Where a result lies: its addresses on the web and in object storage, empty where there is none.

    `path` is that below the results, empty for what lies elsewhere; `download` the address at this server.
    """

    name: str
    media_type: str
    web: str = ""
    store: str = ""
    path: str = ""
    download: str = ""

    @property
    def href(self) -> str:
        """The address that an input refers to it by."""
        return self.web or self.store


@dataclass(frozen=True)
class ResultsPage:
    """What the page shows: where results are, the Items, and the files that can be looked at.

    `share` is the address to which the form is sent that makes links to them, empty where none may be made; `own` that
    of the page.
    """

    files: tuple[ShownFile, ...]
    items: tuple[ResultItem, ...]
    map: MapView
    places: tuple[ResultPlace, ...] = ()
    share: str = ""
    own: str = ""


@dataclass(frozen=True)
class _Place:
    """The files of a job, the address below which this server has them, and that of its quick-looks.

    `bases` are the addresses of the results, the one for links first.
    """

    job: Job
    store: ResultFiles
    files: str
    pictures: str
    bases: tuple[str, ...]

    def find_path(self, href: str) -> str | None:
        """Find the path below the results that an address leads to; None for what lies elsewhere."""
        base = next((one for one in self.bases if href.startswith(one)), None)
        return unquote(href.removeprefix(base)) if base else None

    def download(self, path: str) -> str:
        """Return the address at which this server has a file of the results."""
        return self.files + quote(path)


def build_results_page(
    document: Mapping[str, Any], job: Job, call: Call, store: ResultFiles, *, may_share: bool = False
) -> ResultsPage:
    """Build the page of a results document; `store` has its files, wherever they lie."""
    own, results = call.link("jobs", job.id, "results"), job.outcome.results if job.outcome else None
    files = f"{call.link('jobs', job.id, 'files')}/"
    bases = store.bases if "://" in job.destination else (files, *store.bases)
    place = _Place(job, store, files, f"{call.link('jobs', job.id, PATH)}/", bases)
    items = list_items(store, results.collection) if results else []
    shown = _list_shown_files(document, items, place, *read_axes(call.query))
    places = tuple({one.href: one for one in _list_places(document, items, place)}.values())
    share = call.link("jobs", job.id, "links") if may_share else ""
    return ResultsPage(shown, tuple(items), _build_map(items, shown, place), places[:_MOST_PLACES], share, own)


def _list_places(document: Mapping[str, Any], items: Iterable[ResultItem], place: _Place) -> Iterator[ResultPlace]:
    """List where the results lie: those of the document, then the Items and their files."""
    for output, value in document.items():
        for link in _walk_links(value):
            yield from _find_places(output, str(link["href"]), str(link.get("type", "")), place)
    for item in items:
        own = (item.title, item.path, _VECTORS)
        for name, path, media_type in (own, *((one.title, one.path, one.media_type) for one in item.assets)):
            yield from _find_places(name, place.bases[0] + quote(path), media_type, place)


def _find_places(name: str, href: str, media_type: str, place: _Place) -> Iterator[ResultPlace]:
    """Find both addresses of a result from one of them; none for what lies elsewhere, such as a page about the data."""
    bucket, public_url = urlsplit(place.job.destination), place.job.public_url
    path = place.find_path(href)
    download = place.download(path) if path else ""
    store, public = f"{bucket.scheme}://{bucket.netloc}/", f"{(public_url or '').rstrip('/')}/"
    if "://" not in place.job.destination:
        if path:
            yield ResultPlace(name, media_type, download, "", path, download)
    elif href.startswith(store):
        web = public + href.removeprefix(store) if public_url else ""
        yield ResultPlace(name, media_type, web, href, path or "", download)
    elif public_url and href.startswith(public):
        yield ResultPlace(name, media_type, href, store + href.removeprefix(public), path or "", download)


def _list_shown_files(
    document: Mapping[str, Any], items: list[ResultItem], place: _Place, chart: str, axes: Axes
) -> tuple[ShownFile, ...]:
    """List the files that a page can show, the first few of them: those of the document, then those of its Items."""
    tried = islice(chain(_list_outputs(document, place), _list_assets(items)), _MOST_TRIED)
    wanted = {}
    for output, path, media_type in tried:
        media_type = media_type.partition(";")[0].strip()
        found = place.store.find(path) if path not in wanted and _is_shown(path, media_type) else None
        if found:
            wanted[found] = ShownFile(output, found, place.download(found), media_type)
        if len(wanted) == _MOST_SHOWN:
            break
    texts = [path for path, one in wanted.items() if one.media_type.startswith(_TEXTS)]
    begins = dict(zip(texts, place.store.read(texts, SHOWN_BYTES), strict=True))
    shown = (_show(one, begins.get(path), axes if path == chart else Axes(), place) for path, one in wanted.items())
    return tuple(one for one in shown if one)


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


def _is_shown(path: str, media_type: str) -> bool:
    return media_type.startswith((*_PICTURES, *_TEXTS)) or (media_type in _RASTERS and can_draw(path))


def _show(file: ShownFile, begin: Begin | None, axes: Axes, place: _Place) -> ShownFile | None:
    """Show a file; None for a text that cannot be read, such as one that was removed meanwhile."""
    if file.media_type in _RASTERS:
        return replace(file, picture=place.pictures + quote(file.path))
    if file.media_type in _PICTURES:
        return replace(file, picture=file.href)
    if begin is None:
        return None
    text = begin.content.decode("utf-8", "replace")
    rows = read_rows(text, is_cut=begin.is_cut) if file.media_type == _CSV else []
    table, drawn = build_table(rows, is_cut=begin.is_cut), build_chart(rows, axes)
    return replace(file, text=text, size_bytes=begin.size_bytes, table=table, chart=drawn)


def _build_map(items: list[ResultItem], files: Iterable[ShownFile], place: _Place) -> MapView:
    shapes = tuple(_build_shape(item, place, number) for number, item in enumerate(items) if item.box)
    box = None if shapes else find_result_box(place.job)
    if box:
        rasters = (file.path for file in files if file.media_type in _RASTERS and "://" in place.job.destination)
        picture = _build_picture(next(rasters, None), box, place)
        shapes = (Shape(place.job.process_id, build_footprint(box), box, picture=picture),)
    vectors = {file.name: urlsplit(file.href).path for file in files if _is_drawn(file)}
    return MapView(shapes, vectors)


def _build_shape(item: ResultItem, place: _Place, number: int) -> Shape:
    if item.box is None:
        raise ValueError("an Item without a place has no shape")
    rasters = (asset.path for asset in item.assets if number < _MOST_PICTURES and can_draw(asset.path))
    picture = _build_picture(next(rasters, None), item.box, place)
    return Shape(item.title, item.geometry, item.box, "item", place.download(item.path), picture)


def _build_picture(raster: str | None, box: Box, place: _Place) -> str:
    """Return the address of what a raster has within a box; a box across the antimeridian has no picture."""
    west, south, east, north = box
    if raster is None or west >= east or south >= north:
        return ""
    return f"{urlsplit(place.pictures).path}{quote(raster)}?bbox={','.join(map(str, box))}"


def _is_drawn(file: ShownFile) -> bool:
    """Whether a file is drawn on the map: GeoJSON that is not too large for a browser."""
    return file.media_type == _VECTORS and file.text is not None and file.size_bytes <= _LARGEST_VECTORS_BYTES
