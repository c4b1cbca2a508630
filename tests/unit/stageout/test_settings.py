"""The settings of stage-out."""

import pytest

from stageout.settings import load_options
from zoo_staging.errors import StagingError

pytestmark = pytest.mark.unit

ENVIRON = {
    "STAGEOUT_AWS_SERVICEURL": "http://127.0.0.1:9000",
    "STAGEOUT_AWS_REGION": "eu-west-1",
    "STAGEOUT_AWS_ACCESS_KEY_ID": "key",
    "STAGEOUT_AWS_SECRET_ACCESS_KEY": "hidden-secret",
    "STAGEOUT_AWS_SESSION_TOKEN": "hidden-token",
    "STAGEOUT_OUTPUT": "s3://results/here",
    "STAGEOUT_PUBLIC_URL": "https://results.example.com",
    "STAGEOUT_KEEP_EMPTY_FOLDERS": "true",
}


def test_all_settings_are_read_under_their_names() -> None:
    settings = load_options(ENVIRON, "7", "ndvi")
    s3 = settings.options.s3
    assert (s3.endpoint, s3.region, s3.access_key_id) == ("http://127.0.0.1:9000", "eu-west-1", "key")
    assert s3.secrets == ("hidden-secret", "hidden-token")
    assert settings.destination == "s3://results/here"
    assert settings.options.public_base_url == "https://results.example.com"
    assert settings.options.keep_empty_folders
    assert (settings.options.job_id, settings.options.workflow_id) == ("7", "ndvi")


def test_a_value_that_is_neither_true_nor_false_is_an_error() -> None:
    with pytest.raises(StagingError, match="STAGEOUT_KEEP_EMPTY_FOLDERS"):
        load_options({"STAGEOUT_KEEP_EMPTY_FOLDERS": "maybe"}, "7")


def test_secrets_are_not_shown() -> None:
    assert "hidden" not in repr(load_options(ENVIRON, "7"))


def test_without_settings_there_is_no_destination_and_no_public_url() -> None:
    settings = load_options({"STAGEOUT_OUTPUT": "", "STAGEOUT_PUBLIC_URL": ""}, "7")
    assert settings.destination is None
    assert settings.options.public_base_url is None
