import base64
import json
import time
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo_runner.model.masking import MASK, Masker, find_secrets

SECRET = "s3cr3t/Va+lue=="


@given(st.text(), st.text())
def test_a_known_secret_is_gone_whatever_stands_around_it(before: str, after: str) -> None:
    assert SECRET not in Masker([SECRET]).mask(before + SECRET + after)


def test_the_longest_of_nested_secrets_is_taken_first() -> None:
    assert Masker(["abcd", "abcdefgh"]).mask("x abcdefgh y") == f"x {MASK} y"


def test_very_short_values_are_no_secrets_because_they_would_blacken_everything() -> None:
    assert Masker(["a"]).mask("banana") == "banana"


@pytest.mark.parametrize(
    "text",
    [
        f"https://h/x?X-Amz-Signature={SECRET}&X-Amz-Date=1",
        f"https://h/x?sv=1&sig={SECRET}",
        f"https://h/x?X-Goog-Signature={SECRET}",
        f"Authorization: Bearer {SECRET}",
        f'{{"Authorization": "Basic {SECRET}"}}',
        f"aws_secret_access_key = {SECRET}",
        f'"password": "{SECRET}"',
        f"api_key={SECRET}",
        f"https://user:{SECRET.replace('/', '')}@host/x",
        f"https://user:{SECRET}@host/x",
        f"https://user:a@{SECRET.replace('/', '')}@host/x",
        f"https://{SECRET.replace('/', '')}@host/x",
        f"s3://user:{SECRET}@host/x",
        f"https://h/x?Signature={SECRET}&Expires=1",
        f"https://h/x?key={SECRET}",
        f"https://h/x?jwt={SECRET}",
        f"https://h/x?auth={SECRET}",
        f"https://h/x#access_token={SECRET}",
        f"https://h/x?%53ig={SECRET}",
        f"https://h/x?a=1;sig={SECRET}",
        f"https://h/x?url={quote(f'https://i/y?sig={SECRET}', safe='')}",
        f"see (https://h/x?sig={SECRET}), then",
    ],
)
def test_what_looks_like_a_secret_is_masked_without_being_known(text: str) -> None:
    shown = Masker().mask(text)
    assert SECRET not in shown
    assert SECRET.replace("/", "") not in shown
    assert MASK in shown


@pytest.mark.parametrize(
    "text",
    [
        "step token ends",
        "s3://bucket/key",
        "ssh://git@host/x",
        "https://h/x?bands=red",
        "http://[::1]:80/a@b",
        "https://host:8080/a@b",
        "tokens are counted",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert Masker().mask(text) == text


@given(st.text(min_size=4, alphabet=st.characters(codec="utf-8")), st.text(), st.text())
def test_a_known_secret_is_gone_in_every_encoding(secret: str, before: str, after: str) -> None:
    masker = Masker([secret])
    for form in (quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]):
        assert form not in masker.mask(f"{before} {form} {after}").replace(MASK, "")


@given(st.binary(max_size=5), st.binary(max_size=5))
def test_a_known_secret_is_gone_in_base64_wherever_it_begins(before: bytes, after: bytes) -> None:
    shown = Masker(["canary-7f3a9c51"]).mask(f"Basic {base64.b64encode(before + b'canary-7f3a9c51' + after).decode()}")
    assert MASK in shown


HOSTILE = (
    "token",
    "password_",
    "authorization ",
    "://",
    "://a:",
    "https://u:p/",
    "?a=",
    "&sig=",
    "?url=%3D",
    "secret \t",
    "@",
    "a:b@",
    "token: ",
    'api_key"',
    "https://",
    "X-Amz-Signature=",
    "\\",
    "=",
    "%",
)


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_long_line_takes_time_in_proportion_to_its_length(piece: str) -> None:
    masker = Masker([SECRET, "another-secret", "aaaa"])
    began = time.process_time()
    masker.mask((piece * (1 << 18))[: 1 << 18])
    assert time.process_time() - began < 4  # by the square of the length it would be minutes


def test_data_is_masked_at_every_depth_and_under_names_of_secrets() -> None:
    data = {"a": [{"b": f"x{SECRET}"}, (SECRET, 1)], "api_token": "anything", "n": None, "ok": True}
    assert Masker([SECRET]).mask_data(data) == {
        "a": [{"b": f"x{MASK}"}, [MASK, 1]],
        "api_token": MASK,
        "n": None,
        "ok": True,
    }


def test_a_secret_is_masked_where_it_is_the_name_of_a_member() -> None:
    assert Masker([SECRET]).mask_data({SECRET: 1}) == {MASK: 1}


def test_secrets_of_an_environment_are_found_by_the_names_of_their_variables() -> None:
    environ = {
        "AWS_SECRET_ACCESS_KEY": "one1",
        "STAGEOUT_AWS_SESSION_TOKEN": "two2",
        "DB_PASSWORD": "three",
        "MY_API_KEY": "four",
        "PATH": "/bin",
        "EMPTY_TOKEN": "",
    }
    assert set(find_secrets(environ)) == {"one1", "two2", "three", "four"}


def test_a_secret_of_several_lines_is_masked_in_a_log_that_is_written_line_by_line() -> None:
    masker = Masker(find_secrets({"PRIVATE_TOKEN": "line-one\nline-two\n"}))
    assert masker.mask("it has line-two") == f"it has {MASK}"


def test_credentials_for_registries_are_masked_part_by_part() -> None:
    config = {"auths": {"registry.example": {"auth": base64.b64encode(b"user:pass-canary").decode()}}}
    masker = Masker(find_secrets({"ZOO_RUNNER_PULL_CREDENTIALS": json.dumps([config])}))
    shown = masker.mask(f"pulling as user:pass-canary with {config['auths']['registry.example']['auth']}")
    assert shown == "pulling as user:***** with *****"


def test_manifests_stay_readable() -> None:
    text = '{"imagePullSecrets": [{"name": "regcred"}], "automountServiceAccountToken": false, "token": "abcdefg"}'
    masker = Masker(find_secrets({"IMAGE_PULL_SECRETS": "regcred"}))
    assert masker.mask(text) == text.replace("abcdefg", "*****")
    assert masker.mask_data({"IMAGE_PULL_SECRETS": "regcred"}) == {"IMAGE_PULL_SECRETS": "regcred"}


def test_the_key_of_a_storage_account_is_a_secret_its_name_is_not() -> None:
    environ = {"STAGEOUT_AZURE_STORAGE_KEY": SECRET, "AZURE_STORAGE_ACCOUNT": "account", "AWS_ACCESS_KEY_ID": "id"}
    assert set(find_secrets(environ)) == {SECRET}


def test_of_a_file_of_credentials_its_secrets_are_masked_and_its_path_is_not(tmp_path: Path) -> None:
    keys = tmp_path / "google.json"
    keys.write_text(
        json.dumps({"type": "service_account", "private_key": f"-BEGIN-\n{SECRET}\n", "token_uri": "u" * 9})
    )
    hosts = tmp_path / "hosts.json"
    hosts.write_text(json.dumps({"https://h": {"username": "somebody", "password": f"pass{SECRET}"}}))
    names = {"GOOGLE_APPLICATION_CREDENTIALS": str(keys), "STAGEIN_HOSTS_FILE": str(hosts)}
    masker = Masker(find_secrets({**names, "STAGEIN_BUCKETS_FILE": str(tmp_path / "none.json")}))
    assert masker.mask(f"a {SECRET} b pass{SECRET} c") == f"a {MASK} b {MASK} c"
    reported = f"{keys} {hosts} service_account somebody {'u' * 9}"
    assert masker.mask(reported) == reported
