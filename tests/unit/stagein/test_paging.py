import json
from typing import Any

import pytest

from stagein.paging import Query, build_query
from zoo_staging.errors import Kind, StagingError

pytestmark = pytest.mark.unit

SEARCH = "https://h/search"


def follow(link: dict[str, Any], posted: dict[str, Any] | None = None, source: str = SEARCH, to: str = SEARCH) -> Query:
    return build_query({"rel": "next", **link}, to, source, None if posted is None else json.dumps(posted))


def test_a_link_without_a_method_is_a_get() -> None:
    assert follow({}) == follow({"method": "get", "body": {"limit": 1}}) == Query(SEARCH)


@pytest.mark.parametrize(
    ("link", "posted", "wanted"),
    [
        ({"body": {"token": "2"}}, {"limit": 5}, {"token": "2"}),
        ({"body": {"token": "2"}, "merge": True}, {"limit": 5, "token": "1"}, {"limit": 5, "token": "2"}),
        ({"body": {"token": "2"}, "merge": True}, None, {"token": "2"}),
        ({}, {"limit": 5}, {}),
    ],
    ids=["as-it-is", "merged", "nothing-to-merge-with", "no-body"],
)
def test_a_post_has_the_body_that_the_link_asks_for(
    link: dict[str, Any], posted: dict[str, Any] | None, wanted: dict[str, Any]
) -> None:
    query = follow({"method": "POST", **link}, posted)
    assert (query.href, json.loads(query.body or "")) == (SEARCH, wanted)


def test_the_same_query_spelt_differently_is_the_same() -> None:
    bodies: list[dict[str, Any]] = [{"a": 1, "b": 2}, {"b": 2, "a": 1}]
    assert len({follow({"method": "POST", "body": body}) for body in bodies}) == 1


def test_of_headers_only_what_paging_needs_is_sent() -> None:
    assert follow({"headers": {"Search-After": "abc", "Accept": "text/html"}}).headers == ("Search-After: abc",)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer x"},
        {"Metadata-Flavor": "Google"},
        {"Host": "other"},
        {"Search-After": "a\r\nCookie: x"},
        {"Search-After": 3},
        ["Search-After"],
    ],
)
def test_other_headers_are_refused(headers: Any) -> None:
    with pytest.raises(StagingError, match="header") as caught:
        follow({"headers": headers})
    assert caught.value.kind is Kind.UNSUPPORTED


@pytest.mark.parametrize(
    ("link", "to", "kind", "reason"),
    [
        ({"method": "DELETE"}, SEARCH, Kind.UNSUPPORTED, "DELETE"),
        ({"method": "POST", "body": [1]}, SEARCH, Kind.UNSUPPORTED, "body"),
        ({"method": "POST"}, "https://inner/search", Kind.REFUSED, "inner"),
        ({"method": "POST"}, "s3://bucket/search", Kind.UNSUPPORTED, "s3://bucket/search"),
    ],
)
def test_what_is_not_followed_is_an_error_not_a_loss(link: dict[str, Any], to: str, kind: Kind, reason: str) -> None:
    with pytest.raises(StagingError, match=reason) as caught:
        follow(link, to=to)
    assert caught.value.kind is kind


def test_a_search_result_kept_as_a_file_leads_on_to_its_server() -> None:
    assert follow({"method": "POST"}, source="/data/found.json").body == "{}"
