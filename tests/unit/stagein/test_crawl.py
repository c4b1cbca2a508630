import asyncio
from typing import Any

import pytest

from stagein.crawl import DOCUMENT_BYTES_PER_ITEM, DocumentBudget, Found, walk
from stagein.paging import Query
from stagein.settings import StageInOptions
from stagein.sources.protocol import LARGEST_DOCUMENT_BYTES
from stagein.stac import Document, check_document
from tests.unit.stagein.items import build_catalog, build_collection, build_item, link
from zoo_staging.errors import Kind, StagingError

pytestmark = pytest.mark.unit

ROOT = "https://h/catalog.json"


class Web:
    """Documents by address, counting how often each is read."""

    def __init__(self, documents: dict[str, Any]) -> None:
        self._documents = documents
        self.reads: list[str] = []

    async def read(self, query: Query) -> Document:
        href = query.href
        self.reads.append(href)
        if href not in self._documents:
            raise StagingError(Kind.NOT_FOUND, href, "does not exist", "Check the address.")
        return check_document(self._documents[href], href)

    def walk(self, href: str = ROOT, max_items: int = 10) -> Found:
        return asyncio.run(walk(href, self.read, max_items=max_items, concurrency=2))


def ids(found: Found) -> list[str]:
    return [item.content["id"] for item in found.items]


def test_an_item_is_found_by_itself() -> None:
    assert ids(Web({ROOT: build_item("a")}).walk()) == ["a"]


def test_catalogs_and_collections_are_walked_in_the_order_of_their_links() -> None:
    web = Web(
        {
            ROOT: build_catalog("root", [link("child", "./c/collection.json"), link("item", "./x.json")]),
            "https://h/c/collection.json": build_collection(
                "c", [link("item", "./a.json"), link("item", "b.json"), link("root", "../catalog.json")]
            ),
            "https://h/c/a.json": build_item("a"),
            "https://h/c/b.json": build_item("b"),
            "https://h/x.json": build_item("x"),
        }
    )
    found = web.walk()
    assert ids(found) == ["x", "a", "b"]
    assert [one.content["id"] for one in found.collections] == ["c"]


def test_circles_end_and_each_document_is_read_once() -> None:
    web = Web(
        {
            ROOT: build_catalog("r", [link("child", ROOT), link("child", "./b.json"), link("item", "i.json")]),
            "https://h/b.json": build_catalog("b", [link("child", ROOT), link("item", "i.json")]),
            "https://h/i.json": build_item("i"),
        }
    )
    assert ids(web.walk()) == ["i"]
    assert len(web.reads) == 3


def test_pages_of_search_results_are_followed() -> None:
    web = Web(
        {
            ROOT: build_collection("c", [link("items", "https://h/items")]),
            "https://h/items": {
                "type": "FeatureCollection",
                "features": [build_item("a")],
                "links": [link("next", "https://h/items?page=2")],
            },
            "https://h/items?page=2": {"type": "FeatureCollection", "features": [build_item("b")]},
        }
    )
    assert ids(web.walk()) == ["a", "b"]


def test_too_many_items_are_refused_before_they_are_read() -> None:
    web = Web({ROOT: build_catalog("r", [link("item", f"{n}.json") for n in range(11)])})
    with pytest.raises(StagingError, match="10 items") as caught:
        web.walk()
    assert caught.value.kind is Kind.REFUSED
    assert web.reads == [ROOT]


def test_an_endless_chain_of_catalogs_is_refused() -> None:
    class Endless(Web):
        async def read(self, query: Query) -> Document:
            return check_document(build_catalog("r", [link("child", f"{query.href}x")]), query.href)

    with pytest.raises(StagingError, match="10 catalogs"):
        Endless({}).walk()


def test_a_catalog_without_items_is_said_to_be_empty() -> None:
    with pytest.raises(StagingError, match="no item") as caught:
        Web({ROOT: build_catalog("r", [])}).walk()
    assert caught.value.kind is Kind.STAC_INVALID


def test_all_broken_links_are_reported_together() -> None:
    web = Web({ROOT: build_catalog("r", [link("item", "a.json"), link("item", "b.json")])})
    with pytest.raises(StagingError, match=r"^https://h/a\.json: does not exist \(and 1 more\)"):
        web.walk()


def read_documents(budget: DocumentBudget, *sizes: int) -> None:
    for number, size in enumerate(sizes):
        with budget.count(f"https://h/{number}.json") as add:
            add(size)


def test_the_documents_of_a_job_are_limited_as_a_whole() -> None:
    most = LARGEST_DOCUMENT_BYTES + 3 * DOCUMENT_BYTES_PER_ITEM
    budget = DocumentBudget(StageInOptions(max_items=2))
    budget.include_reference()
    read_documents(budget, LARGEST_DOCUMENT_BYTES, most - LARGEST_DOCUMENT_BYTES)
    with pytest.raises(StagingError, match=rf"https://h/0\.json: .* {most} bytes") as caught:
        read_documents(budget, 1)
    assert (caught.value.kind, "STAGEIN_MAX_DOCUMENT_BYTES" in caught.value.remedy) == (Kind.REFUSED, True)


def test_a_thousand_items_of_200_kb_are_within_the_limits() -> None:
    read_documents(DocumentBudget(StageInOptions()), *[200_000] * StageInOptions().max_items)


def test_the_limit_of_documents_is_a_setting_of_its_own() -> None:
    budget = DocumentBudget(StageInOptions(max_document_bytes=100))
    read_documents(budget, 100)
    with pytest.raises(StagingError, match="limit of 100 bytes"):
        read_documents(budget, 1)


def test_documents_count_towards_the_bytes_of_the_inputs() -> None:
    with pytest.raises(StagingError, match="limit of 100 bytes"):
        read_documents(DocumentBudget(StageInOptions(max_bytes=100)), 60, 41)


def test_a_document_that_could_not_be_read_does_not_count() -> None:
    budget = DocumentBudget(StageInOptions(max_bytes=100))
    with pytest.raises(OSError, match="broken off"), budget.count("https://h/a.json") as add:
        add(90)
        raise OSError("broken off")
    read_documents(budget, 90)
