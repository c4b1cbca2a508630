"""What can be a destination."""

import pytest

from zoo_staging.destination import read_scheme
from zoo_staging.errors import Kind, StagingError


@pytest.mark.parametrize(
    ("destination", "scheme"),
    [
        ("results", ""),
        ("/data/my results", ""),
        ("file:///data/results", "file"),
        ("file://localhost/data", "file"),
        ("s3://bucket", "s3"),
        ("s3://bucket/", "s3"),
        ("gs://bucket/a/b/", "gs"),
        ("az://container/a%20b", "az"),
    ],
)
def test_folders_and_prefixes_of_buckets_are_destinations(destination: str, scheme: str) -> None:
    assert read_scheme(destination) == scheme


@pytest.mark.parametrize(
    "destination",
    [
        "",
        "ftp://example.com/x",
        "s3://[bucket/x",
        "s3:///x",
        "s3://key:secret@bucket/x",
        "s3://bucket/x?signature=1",
        "s3://bucket/a//b",
        "gs://bucket/a/%2e%2e/b",
        "file://server/share",
    ],
)
def test_other_addresses_are_not_supported_as_destinations(destination: str) -> None:
    with pytest.raises(StagingError) as caught:
        read_scheme(destination)
    assert caught.value.kind is Kind.UNSUPPORTED
    assert "secret" not in str(caught.value)
