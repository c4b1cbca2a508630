"""Lists of Kubernetes objects, page by page."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from zoo_runner.engines.kubernetes.errors import ApiError
from zoo_runner.engines.kubernetes.listing import list_all, trim_node

Page = Mapping[str, Any]


class Pages:
    """A connection that answers with pages, by the token that asks for each; the second one may be gone."""

    def __init__(self, *, is_gone: bool = False) -> None:
        self.asked: list[Page] = []
        self._is_gone = is_gone

    async def call(self, method: str, path: str, what: str, query: Mapping[str, str]) -> Page:
        assert (method, path, what) == ("GET", "/pods", "listing pods")
        self.asked.append(query)
        if "limit" not in query:
            return {"items": [{"name": "a"}, {"name": "b"}, {"name": "c"}], "metadata": {"resourceVersion": "9"}}
        if "continue" not in query:
            return {"items": [{"name": "a"}], "metadata": {"resourceVersion": "7", "continue": "next"}}
        if self._is_gone:
            raise ApiError(what, 410, "Expired", "the list was compacted")
        return {"items": [{"name": "b"}], "metadata": {"resourceVersion": "7"}}


def read(pages: Pages, query: Mapping[str, str]) -> tuple[list[Any], str]:
    return asyncio.run(list_all(pages, "/pods", "listing pods", query, lambda item: item["name"]))  # type: ignore[arg-type]


def test_pages_are_one_list_with_what_is_kept_of_each_object() -> None:
    pages = Pages()
    assert read(pages, {"labelSelector": "x"}) == (["a", "b"], "7")
    assert pages.asked == [
        {"labelSelector": "x", "limit": "100"},
        {"labelSelector": "x", "limit": "100", "continue": "next"},
    ]


def test_a_list_whose_pages_are_gone_is_read_again_as_one() -> None:
    pages = Pages(is_gone=True)
    assert read(pages, {"labelSelector": "x"}) == (["a", "b", "c"], "9")
    assert pages.asked[-1] == {"labelSelector": "x"}


def test_another_refusal_is_raised() -> None:
    class Refusing(Pages):
        async def call(self, method: str, path: str, what: str, query: Mapping[str, str]) -> Page:
            raise ApiError(what, 403, "Forbidden", "may not list")

    with pytest.raises(ApiError, match="may not list"):
        read(Refusing(), {})


def test_of_a_node_its_labels_taints_room_and_conditions_stay() -> None:
    node = {
        "metadata": {"name": "n1", "labels": {"zone": "a"}, "annotations": {"x": "y" * 1000}},
        "spec": {"taints": [{"key": "gpu"}]},
        "status": {
            "allocatable": {"cpu": "2", "memory": "1Gi"},
            "conditions": [{"type": "Ready", "status": "True"}],
            "images": [{"names": ["x"]}],
        },
    }
    assert trim_node(node) == {
        "metadata": {"name": "n1", "labels": {"zone": "a"}},
        "spec": {"taints": [{"key": "gpu"}]},
        "status": {
            "allocatable": {"cpu": "2", "memory": "1Gi"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }
