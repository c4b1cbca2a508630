import pytest

from zoo_staging.destination import CLOUDS
from zoo_staging.object_store import open_store
from zoo_staging.settings import CloudOptions, S3Options, load_cloud_options, load_s3_options

pytestmark = pytest.mark.unit


def test_the_names_that_platforms_set_win_over_the_usual_ones() -> None:
    environ = {
        "STAGEIN_AWS_SERVICEURL": "http://s3.local",
        "STAGEIN_AWS_ACCESS_KEY_ID": "id",
        "STAGEIN_AWS_SECRET_ACCESS_KEY": "secret",
        "STAGEIN_AWS_REGION": "eu",
        "AWS_ENDPOINT_URL": "http://other",
        "AWS_ACCESS_KEY_ID": "other",
        "AWS_SESSION_TOKEN": "other",
    }
    assert load_s3_options(environ, "STAGEIN") == S3Options("http://s3.local", "eu", "id", "secret", None)


def test_the_usual_names_are_used_where_the_platforms_are_not_set() -> None:
    environ = {
        "AWS_ENDPOINT_URL_S3": "http://s3",
        "AWS_ENDPOINT_URL": "http://all",
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "token",
        "AWS_DEFAULT_REGION": "eu",
    }
    assert load_s3_options(environ, "STAGEOUT") == S3Options("http://s3", "eu", "id", "secret", "token")


def test_without_a_key_requests_are_anonymous_and_secrets_are_never_shown() -> None:
    assert load_s3_options({}, "STAGEIN").anonymous
    options = S3Options(access_key_id="id", secret_access_key="hidden-1", session_token="hidden-2")
    assert "hidden" not in repr(options)
    assert options.secrets == ("hidden-1", "hidden-2")


@pytest.mark.parametrize(("value", "pays"), [("requester", True), ("TRUE", True), ("no", False)])
def test_who_pays_for_requests_is_read(value: str, pays: bool) -> None:
    assert load_s3_options({"STAGEIN_AWS_REQUEST_PAYER": value}, "STAGEIN").request_payer is pays
    assert load_s3_options({"AWS_REQUEST_PAYER": value}, "STAGEIN").request_payer is pays


def test_clouds_are_reached_with_the_names_that_their_own_programs_read() -> None:
    environ = {"AZURE_STORAGE_ACCOUNT": "a", "AZURE_STORAGE_KEY": "hidden", "STAGEIN_AZURE_STORAGE_ACCOUNT": "mine"}
    options = load_cloud_options(environ, "STAGEIN")
    assert options == CloudOptions(azure_account="mine", azure_key="hidden")
    assert "hidden" not in repr(options)


def test_no_cloud_is_asked_for_an_identity_of_the_machine() -> None:
    # without a key these libraries would ask a metadata address
    for scheme in CLOUDS:
        store = open_store((scheme, "name"), S3Options(), CloudOptions(azure_account="a"))
        assert store.config["skip_signature"] in (True, "true")
