import json
from dataclasses import fields
from pathlib import Path

import pytest

from stagein.settings import SETTINGS, StageInOptions, load_options
from zoo_staging.errors import Kind, StagingError
from zoo_staging.settings import S3Options

pytestmark = pytest.mark.unit


def test_without_settings_the_defaults_hold() -> None:
    assert load_options({}) == StageInOptions()


def test_each_setting_is_read(tmp_path: Path) -> None:
    buckets = tmp_path / "buckets.json"
    buckets.write_text(json.dumps({"eodata": {"endpoint": "https://eodata", "access_key_id": "id"}}))
    options = load_options(
        {
            "STAGEIN_AWS_SERVICEURL": "http://s3",
            "STAGEIN_BUCKETS_FILE": str(buckets),
            "STAGEIN_ALLOW_PRIVATE": "false",
            "STAGEIN_ALLOWED_ROOTS": "/a:/b",
            "STAGEIN_CONCURRENCY": "3",
            "STAGEIN_RETRIES": "0",
            "STAGEIN_READ_TIMEOUT_SECONDS": "1.5",
            "STAGEIN_MAX_BYTES": "100",
            "STAGEIN_ASSET_ROLES": "data, metadata",
            "STAGEIN_ASSET_MEDIA_TYPES": "image/tiff; application=geotiff,image/jp2",
            "STAGEIN_ASSET_BANDS": "red,nir",
            "STAGEIN_BBOX": "10,-5.5,12,6",
        }
    )
    assert options == StageInOptions(
        s3=S3Options(endpoint="http://s3"),
        buckets={"eodata": S3Options(endpoint="https://eodata", access_key_id="id")},
        allow_private=False,
        allowed_roots=(Path("/a"), Path("/b")),
        concurrency=3,
        retries=0,
        read_timeout_seconds=1.5,
        max_bytes=100,
        asset_roles=frozenset({"data", "metadata"}),
        asset_media_types=frozenset({"image/tiff", "image/jp2"}),
        asset_bands=frozenset({"red", "nir"}),
        bbox=(10.0, -5.5, 12.0, 6.0),
    )


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("CONCURRENCY", "0", "above zero"),
        ("RETRIES", "-1", "whole number"),
        ("ALLOW_PRIVATE", "maybe", "true or false"),
        ("READ_TIMEOUT_SECONDS", "nan", "seconds"),
        ("ALLOWED_ROOTS", "data", "absolute"),
        ("BBOX", "10,20,30", "degrees"),
        ("BUCKETS_FILE", "/nowhere.json", "No such file"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(name: str, value: str, why: str) -> None:
    with pytest.raises(StagingError, match=why) as caught:
        load_options({f"STAGEIN_{name}": value})
    assert caught.value.kind is Kind.SETTINGS
    assert caught.value.href == f"STAGEIN_{name}"
    assert repr(value) in caught.value.reason


def test_the_credentials_of_hosts_are_read_and_never_shown(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts.json"
    hosts.write_text(
        json.dumps(
            {
                "https://Data.example": {"bearer_token": "hidden-1"},
                "http://127.0.0.1:8080": {"username": "me", "password": "hidden-2"},
            }
        )
    )
    options = load_options({"STAGEIN_HOSTS_FILE": str(hosts)})
    assert options.hosts == {
        "https://data.example": "Bearer hidden-1",
        "http://127.0.0.1:8080": "Basic bWU6aGlkZGVuLTI=",
    }
    assert "hidden" not in repr(options)
    assert "bWU6aGlkZGVuLTI" not in repr(options)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ([], "object"),
        ({"data.example": {"bearer_token": "hidden"}}, "'data.example'"),
        ({"https://h/path": {"bearer_token": "hidden"}}, "'https://h/path'"),
        ({"https://h": {"bearer_token": "hidden", "username": "me"}}, "bearer_token"),
        ({"https://h": {"username": "me"}}, "bearer_token"),
    ],
)
def test_wrong_credentials_are_reported_without_the_secret(tmp_path: Path, content: object, why: str) -> None:
    hosts = tmp_path / "hosts.json"
    hosts.write_text(json.dumps(content))
    with pytest.raises(StagingError, match=why) as caught:
        load_options({"STAGEIN_HOSTS_FILE": str(hosts)})
    assert "hidden" not in f"{caught.value}{caught.value.reason}"


def test_every_setting_is_documented() -> None:
    assert all(setting.variable.startswith("STAGEIN_") and setting.meaning.endswith(".") for setting in SETTINGS)
    assert len({setting.variable for setting in SETTINGS}) == len(SETTINGS) == 6 + 6 + len(fields(StageInOptions)) - 3
