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
    ("destination", "reason"),
    [
        ("", "results cannot be put to an empty destination"),
        ("ftp://example.com/x", "results cannot be put to ftp:"),
        ("s3://[bucket/x", "results cannot be put to s3:"),
        ("s3:///x", "is not of the form s3://<bucket>/<prefix>"),
        ("s3://key:secret@bucket/x", "is not of the form s3://<bucket>/<prefix>"),
        ("s3://bucket/x?signature=1", "is not of the form s3://<bucket>/<prefix>"),
        ("s3://bucket/a//b", "is not of the form s3://<bucket>/<prefix>"),
        ("gs://bucket/a/%2e%2e/b", "is not of the form gs://<bucket>/<prefix>"),
        ("file://server/share", "server is not this machine"),
    ],
)
def test_what_is_no_destination_is_told_why(destination: str, reason: str) -> None:
    with pytest.raises(StagingError) as caught:
        read_scheme(destination)
    assert (caught.value.kind, caught.value.reason) == (Kind.UNSUPPORTED, reason)
    assert "secret" not in str(caught.value)
