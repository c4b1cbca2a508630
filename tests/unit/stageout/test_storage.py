import re
from typing import Any

import pytest

from stageout.storage import STORAGE_EXTENSION, Storage, add_storage, describe_store
from zoo_staging.settings import CloudOptions, S3Options

pytestmark = pytest.mark.unit

HERE = Storage("s3-results", {"type": "custom-s3", "platform": "http://s3", "bucket": "results", "region": "eu"})


def check_scheme(scheme: dict[str, Any]) -> None:
    """What the extension asks of a scheme: type and platform, and every variable of its template as a text."""
    assert {"type", "platform"} <= scheme.keys()
    assert all(isinstance(value, str) for value in scheme.values())
    assert set(re.findall(r"\{(\w+)\}", scheme["platform"])) <= scheme.keys()


@pytest.mark.parametrize(
    ("place", "s3", "clouds", "wanted"),
    [
        (
            ("s3", "results"),
            S3Options(region="eu-west-1"),
            CloudOptions(),
            {
                "type": "aws-s3",
                "platform": "https://{bucket}.s3.{region}.amazonaws.com",
                "bucket": "results",
                "region": "eu-west-1",
            },
        ),
        (
            ("s3", "results"),
            S3Options(endpoint="https://id:hidden@s3.example:9000/?token=hidden"),
            CloudOptions(),
            {
                "type": "custom-s3",
                "platform": "https://s3.example:9000/",
                "bucket": "results",
                "region": "us-east-1",
            },
        ),
        (
            ("gs", "results"),
            S3Options(),
            CloudOptions(google_key_file="hidden.json"),
            {"type": "gcp-storage", "platform": "https://storage.googleapis.com", "bucket": "results"},
        ),
        (
            ("az", "results"),
            S3Options(),
            CloudOptions(azure_account="me", azure_key="hidden", azure_sas_token="hidden"),
            {
                "type": "ms-azure",
                "platform": "https://{account}.blob.core.windows.net",
                "container": "results",
                "account": "me",
            },
        ),
        (
            ("az", "results"),
            S3Options(),
            CloudOptions(azure_account="me", azure_endpoint="http://127.0.0.1:10000/me"),
            {
                "type": "custom-azure",
                "platform": "http://127.0.0.1:10000/me",
                "container": "results",
                "account": "me",
            },
        ),
    ],
    ids=["aws", "own-s3", "google", "azure", "own-azure"],
)
def test_each_store_is_described_without_a_credential(
    place: tuple[str, str], s3: S3Options, clouds: CloudOptions, wanted: dict[str, str]
) -> None:
    storage = describe_store(place, s3, clouds)
    assert storage == Storage(f"{place[0]}-results", wanted)
    assert "hidden" not in str(storage)
    check_scheme(dict(storage.scheme))


def test_what_a_document_says_of_other_stores_stays() -> None:
    other = {"type": "aws-s3", "platform": "https://far"}
    properties = {"storage:schemes": {"far": other}}
    body: dict[str, Any] = {"type": "Feature", "properties": properties, "stac_extensions": ["https://x"]}
    asset = {"href": "./a.tif", "storage:refs": ["disk-of-the-tool"]}
    add_storage(body, [asset], HERE)
    assert asset["storage:refs"] == ["s3-results"]
    assert body["properties"]["storage:schemes"] == {"far": other, "s3-results": HERE.scheme}
    assert body["stac_extensions"] == ["https://x", STORAGE_EXTENSION]
    assert properties == {"storage:schemes": {"far": other}}  # the tool's own document is not touched


@pytest.mark.parametrize(
    ("extensions", "assets", "storage"),
    [
        ([], [{"href": "a"}], None),
        ([], [], HERE),
        (["https://stac-extensions.github.io/storage/v1.0.0/schema.json"], [{"href": "a"}], HERE),
    ],
    ids=["a-folder", "nothing-lies-here", "an-earlier-version"],
)
def test_nothing_is_said_where_there_is_nothing_to_say(
    extensions: list[str], assets: list[dict[str, Any]], storage: Storage | None
) -> None:
    body = {"type": "Feature", "properties": {}, "stac_extensions": extensions}
    add_storage(body, assets, storage)
    assert body == {"type": "Feature", "properties": {}, "stac_extensions": extensions}
    assert assets in ([], [{"href": "a"}])
