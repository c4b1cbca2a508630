"""Plans all writes from what was found on disk; pure.

The order matters: data first, then items, then catalogs from the deepest up, the collection of the
results last, so that a reader never sees a document with a dangling link.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from stageout.collection import CollectionNames, Member, build_collection
from stageout.cwl_outputs import build_outputs
from stageout.item import ItemNames, build_item
from stageout.model import (
    Found,
    FoundArray,
    FoundCatalog,
    FoundData,
    FoundLiteral,
    Plan,
    PlannedDocument,
    PlannedFile,
    StacDocument,
    StageOutOptions,
)
from stageout.names import RESULT_COLLECTION, Ids, build_segment, build_segments
from stageout.relink import Surroundings, rewrite_document
from stageout.storage import Storage
from zoo_staging.errors import Kind, StagingError
from zoo_staging.hrefs import build_relative_href
from zoo_staging.media import GEOJSON, JSON
from zoo_staging.stac import StacType, is_blank


@dataclass(frozen=True)
class Reach:
    """How readers reach the results.

    `get_href` returns the absolute href of a key, `storage` is the object store of the results. Where no address
    stays valid, as in a folder that may be moved, the documents are `self_contained`: all links between them are
    relative, and there are no `self` links.
    """

    get_href: Callable[[str], str]
    storage: Storage | None = None
    self_contained: bool = False

    def get_self(self, key: str) -> str | None:
        """Return the href of the `self` link of a document; None without one."""
        return None if self.self_contained else self.get_href(key)


def build_plan(
    found: Mapping[str, Found], reach: Reach, options: StageOutOptions, now: datetime, place: str = ""
) -> Plan:
    """Plan how to write all outputs.

    Every output has a folder with its name below `place` (empty, or ending in `/`); elements of arrays and fields of
    records have folders in it. The collection of the results is always at the top.
    """
    ids = Ids()
    ids_of = {
        id(document): ids.claim(_choose_id(document, options.job_id))
        for catalog in _find_catalogs(found.values())
        for document in catalog.documents
        if document.type is not StacType.ITEM and is_blank(document.body.get("id"))
    }
    collection_id = options.collection_id or ids.claim(f"col_{options.job_id}")
    planner = _Planner(reach, options, now, collection_id, ids_of, ids)
    segments = build_segments(found)
    results = {name: planner.place(value, f"{place}{segments[name]}", (name,)) for name, value in found.items()}
    return planner.finish(results, build_outputs(found, place, reach.get_href))


@dataclass
class _Planner:
    reach: Reach
    options: StageOutOptions
    now: datetime
    collection_id: str
    ids_of: Mapping[int, str]
    ids: Ids
    files: list[PlannedFile] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    item_documents: list[PlannedDocument] = field(default_factory=list)
    catalogs: list[tuple[int, PlannedDocument]] = field(default_factory=list)
    catalog_hrefs: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)

    def place(self, value: Found, place: str, names: tuple[str, ...]) -> Any:
        """Plan one value into the folder `place`; return its value in the results document."""
        if isinstance(value, FoundLiteral):
            return value.value
        if isinstance(value, FoundArray):
            parts = ((each, str(index)) for index, each in enumerate(value.values))
            return [self.place(each, f"{place}/{name}", (*names, name)) for each, name in parts]
        if isinstance(value, FoundCatalog):
            return self._place_catalog(value, place)
        if isinstance(value, FoundData):
            return self._place_data(value, place, names)
        segments = build_segments(value.fields)
        return {
            name: self.place(each, f"{place}/{segments[name]}", (*names, name)) for name, each in value.fields.items()
        }

    def _place_catalog(self, catalog: FoundCatalog, place: str) -> dict[str, Any]:
        root = catalog.documents[0].path
        get_href = self.reach.get_href
        ids = {each.path: self.ids_of.get(id(each)) or each.body["id"] for each in catalog.documents}
        self._add_files(catalog, place)
        for document in catalog.documents:
            key = f"{place}/{document.path}"
            around = Surroundings(
                root,
                ids,
                self.reach.get_self(key),
                build_relative_href(RESULT_COLLECTION, key),
                self.collection_id,
                self.reach.storage,
            )
            self._add_document(document, key, rewrite_document(document, around))
        href = get_href(f"{place}/{root}")
        self.catalog_hrefs.append(href)
        if not any(document.type is StacType.ITEM for document in catalog.documents):
            self.members.append(Member("child", f"{place}/{root}"))
        title = catalog.documents[0].body.get("title")
        return {"href": href, "type": JSON, **({"title": title} if isinstance(title, str) else {})}

    def _add_files(self, found: FoundCatalog | FoundData, place: str) -> None:
        self.files += [
            PlannedFile(file.path, f"{place}/{file.name}", file.media_type, file.size_bytes) for file in found.files
        ]
        self.folders += [f"{place}/{name}" for name in found.folders]

    def _add_document(self, document: StacDocument, key: str, body: dict[str, Any]) -> None:
        if document.type is StacType.ITEM:
            self._add_item(key, body)
        else:
            self.catalogs.append((document.depth, PlannedDocument(key, body, JSON)))

    def _add_item(self, key: str, body: dict[str, Any]) -> None:
        self.members.append(Member("item", key, body))
        self.item_documents.append(PlannedDocument(key, body, GEOJSON))

    def _place_data(self, data: FoundData, place: str, names: tuple[str, ...]) -> dict[str, Any]:
        self._add_files(data, place)
        # an output `a-b` and the member `b` of an output `a` have one id
        item_id = self.ids.claim("-".join((self.options.workflow_id, self.options.job_id, *names)))
        used = {name.partition("/")[0] for name in (*(file.name for file in data.files), *data.folders)}
        stem = build_segment(item_id)
        while f"{stem}.json" in used:
            stem += "-item"
        key = f"{place}/{stem}.json"
        collection_href = build_relative_href(RESULT_COLLECTION, key)
        title = ".".join(names)
        item = ItemNames(item_id, title, self.reach.get_self(key), self.collection_id, collection_href)
        self._add_item(key, build_item(data, item, self.now, self.reach.storage))
        if data.kind == "Directory":
            return {"href": self.reach.get_href(key), "type": GEOJSON, "title": title}
        main = data.files[0]
        return {"href": self.reach.get_href(f"{place}/{main.name}"), "type": main.media_type, "title": data.title}

    def finish(self, results: Mapping[str, Any], outputs: Mapping[str, Any]) -> Plan:
        """Order all documents and add the collection of the results."""
        process = self.options.title or self.options.workflow_id
        names = CollectionNames(
            self.collection_id,
            self.options.collection_title or f"Results of {process}",
            f"Results of job {self.options.job_id} of {process}.",
        )
        collection = build_collection(names, self.members, self.now, self.reach.get_href, self.reach.storage)
        written = build_collection(names, self.members, self.now, None) if self.reach.self_contained else collection
        depths = sorted({depth for depth, _ in self.catalogs}, reverse=True)
        documents = (*self.item_documents, *(document for _, document in self.catalogs))
        _check_keys([*(file.key for file in self.files), *(document.key for document in documents)])
        waves = [
            tuple(self.item_documents),
            *(tuple(each for at, each in self.catalogs if at == depth) for depth in depths),
            (PlannedDocument(RESULT_COLLECTION, written, JSON),),
        ]
        return Plan(
            files=tuple(self.files),
            documents=tuple(wave for wave in waves if wave),
            results=results,
            collection=collection,
            collection_href=self.reach.get_href(RESULT_COLLECTION),
            catalog_hrefs=tuple(self.catalog_hrefs),
            outputs=outputs,
            folders=tuple(self.folders),
        )


def _check_keys(keys: Iterable[str]) -> None:
    """Check that nothing is written over something else of the plan; raises `StagingError`."""
    for key, count in Counter(keys).items():
        if count > 1:
            remedy = "Let the package give its outputs, and the files in them, other names."
            raise StagingError(Kind.REFUSED, key, f"{count} files of the results have this name", remedy)


def _find_catalogs(values: Any) -> list[FoundCatalog]:
    catalogs: list[FoundCatalog] = []
    for value in values:
        if isinstance(value, FoundCatalog):
            catalogs.append(value)
        elif isinstance(value, FoundArray):
            catalogs += _find_catalogs(value.values)
        elif not isinstance(value, FoundData | FoundLiteral):
            catalogs += _find_catalogs(value.fields.values())
    return catalogs


def _choose_id(document: StacDocument, job_id: str) -> str:
    return f"{'col' if document.type is StacType.COLLECTION else 'cat'}_{job_id}"
