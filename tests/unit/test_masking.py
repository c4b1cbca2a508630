import base64
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zoo_runner.model import masking
from zoo_runner.model.masking import MASK, Masker, find_secrets, holds_secret

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
        f"https://h/x?ticket={SECRET}",
        f"https://h/x?code={SECRET}&state=1",
        f"https://h/x?SAMLResponse={SECRET}",
        f"https://h/x?pass={SECRET}",
        f"https://h/x?hdnts={SECRET}",
        f"GDAL_HTTP_USERPWD=user:{SECRET}",
        f"GDAL_HTTP_BEARER={SECRET}",
        f"AccountName=a;AccountKey={SECRET};EndpointSuffix=x",
        f"curl -s -u user:{SECRET} https://h",
        f"<wsse:Password Type='x'>{SECRET}</wsse:Password>",
        f"machine h login u password {SECRET}",
        f'{{\\"token\\":\\"{SECRET}\\"}}',
        f"-----BEGIN RSA PRIVATE KEY-----\\n{SECRET}\\n-----END",
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
        "https://h/x?bypass=1&encode=utf-8",
        "the password is wrong",
        "curl -s https://h:80/x",
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
    "curl ",
    "curl -u a",
    "machine ",
    "machine a login ",
    "<password",
    "<token a",
    "-----BEGIN A PRIVATE KEY-----",
    "github_pat_",
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
    masker.mask((piece * (1 << 17))[: 1 << 17])
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


@given(st.lists(st.text(st.characters(exclude_characters="\n")), min_size=1), st.data())
def test_lines_are_as_many_after_their_secrets_are_masked_together(lines: list[str], data: st.DataObject) -> None:
    chosen = data.draw(st.integers(0, len(lines) - 1))
    given_lines = [*lines[:chosen], f"{lines[chosen]} {SECRET}", *lines[chosen + 1 :]]
    masked = Masker([SECRET]).mask_lines(given_lines)
    assert len(masked) == len(given_lines)
    assert SECRET not in masked[chosen]


def test_lines_stay_apart_where_a_secret_has_several_of_them() -> None:
    masker = Masker(find_secrets({"PRIVATE_TOKEN": "line-one\nline-two\n"}))
    assert masker.mask_lines(["line-one", "line-two", ""]) == (MASK, MASK, "")


def test_lines_without_a_secret_are_the_same_object() -> None:
    lines = ["50% of 2540", "plain"]
    assert Masker([SECRET]).mask_lines(lines) is lines


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


# --- forms and encodings together

CANARY = "canary-7f3a9c51"
NAMES = (
    *(
        "Signature",
        "signature",
        "sig",
        "X-Amz-Signature",
        "X-Amz-Credential",
        "X-Amz-Security-Token",
        "X-Goog-Signature",
    ),
    *("key", "api_key", "subscription-key", "jwt", "auth", "access_token", "token", "id_token", "AWSAccessKeyId"),
    *("client_secret", "password", "passwd", "pwd", "sas", "sessionid", "hmac", "Key-Pair-Id", "oauth_token"),
)
PLAIN_NAMES = st.sampled_from(["bands", "bbox", "sv", "Expires", "page"])
CASES = st.sampled_from([str.lower, str.upper, str.title, lambda text: text])


def encode_all(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


ENCODED_NAMES = st.sampled_from([lambda name: name, lambda name: f"%{ord(name[0]):02x}{name[1:]}", encode_all])
# ways in which an address gets into a text
WRAPPINGS = st.sampled_from(
    [
        lambda url: url,
        lambda url: f"GET {url} HTTP/1.1",
        lambda url: f"<a href='{url}'>",
        lambda url: json.dumps({"href": url}),
        lambda url: json.dumps(json.dumps({"href": url})),
        lambda url: json.dumps({"href": url}).replace("/", "\\/"),
        lambda url: json.dumps({"href": url}).replace("&", "\\u0026"),
        lambda url: url.replace("&", "&amp;"),
        lambda url: f"https://proxy.example/?url={quote(url, safe='')}",
        lambda url: f"https://proxy.example/?url={quote(quote(url, safe=''), safe='')}",
        lambda url: f"https://proxy.example/fetch/{quote(url, safe='')}",
        lambda url: f"url={quote(url, safe='')}",
        lambda url: f"failed:({url}), then",
        lambda url: url.partition("example")[2] if "@" not in url else url,
    ]
)


@given(
    name=st.sampled_from(NAMES),
    case=CASES,
    encode=ENCODED_NAMES,
    before=st.lists(PLAIN_NAMES, max_size=2),
    after=st.lists(PLAIN_NAMES, max_size=2),
    wrap=WRAPPINGS,
    scheme=st.sampled_from(["https", "http", "HTTPS", "s3", "ftp"]),
)
def test_a_signed_address_loses_its_signature_in_every_form(
    name: str, case: Any, encode: Any, before: list[str], after: list[str], wrap: Any, scheme: str
) -> None:
    pairs = [*(f"{one}=1" for one in before), f"{encode(case(name))}={CANARY}", *(f"{one}=2" for one in after)]
    text = wrap(f"{scheme}://data.example/a/b.tif?{'&'.join(pairs)}")
    assert CANARY not in Masker().mask(text)


@given(
    user=st.sampled_from(["user", "", "a%40b", "first.last"]),
    before=st.text("ab@/:.%", max_size=4),
    after=st.text("ab@/:.%", max_size=4),
    wrap=WRAPPINGS,
)
def test_a_password_in_an_address_is_masked_also_with_separators_in_it(
    user: str, before: str, after: str, wrap: Any
) -> None:
    text = wrap(f"https://{user}:{before}{CANARY}{after}@data.example/a.tif")
    assert CANARY not in Masker().mask(text)


@given(wrap=WRAPPINGS, scheme=st.sampled_from(["https", "http"]))
def test_a_token_in_place_of_a_user_is_masked(wrap: Any, scheme: str) -> None:
    assert CANARY not in Masker().mask(wrap(f"{scheme}://{CANARY}@data.example/a.tif"))


def write_ascii_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def write_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


ENCODERS = st.lists(
    st.sampled_from(
        [
            lambda text: quote(text),
            lambda text: quote(text, safe=""),
            quote_plus,
            write_ascii_json,
            write_json,
            lambda text: text.replace("%", "%25") if "%" in text else encode_all(text),
        ]
    ),
    max_size=2,
)


@given(secret=st.text("abcXYZ019+/=&?#%@:;' \"<>äß\\", min_size=6, max_size=30), encoders=ENCODERS, around=st.text())
@example(secret='0000"ß', encoders=[write_json, write_ascii_json], around="")
def test_a_known_secret_is_gone_after_any_two_encodings(secret: str, encoders: list[Any], around: str) -> None:
    if len(secret.strip()) < 6 or len(set(secret)) < 3:
        return
    form = secret
    for encode in encoders:
        form = encode(form)
    assert form not in Masker([secret]).mask(f"{around} {form} {around}").replace(MASK, "")


@given(secret=st.text("abcXYZ019-_./+", min_size=8, max_size=30), chosen=st.integers(0, 2**30))
def test_a_known_secret_is_gone_where_only_some_of_its_characters_are_encoded(secret: str, chosen: int) -> None:
    form = "".join(encode_all(c) if chosen >> index & 1 else c for index, c in enumerate(secret))
    assert form not in Masker([secret]).mask(f"x={form}")


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: AWS4-HMAC-SHA256 Credential=AKIA/20240101, Signature={CANARY}",
        f"authorization: token {CANARY}",
        f"Proxy-Authorization: Digest {CANARY}",
        f"X-Api-Key: {CANARY}",
        f"x-amz-security-token: {CANARY}",
        f"token eyJhbGciOiJIUzI1NiJ9.{CANARY}-payload.signature",
        f"X=1&Signature={CANARY}",
        f"?sv=2022&sig={CANARY}&se=2030",
        f"remote: ghp_{CANARY.replace('-', '')}{'0' * 20}",
    ],
)
def test_headers_and_parts_of_addresses_are_masked(text: str) -> None:
    assert CANARY not in Masker().mask(text)


@pytest.mark.parametrize(
    "piece", ["%3A%2F%2F", "%3Fa%3D", "?a", "&", "eyJ-", "%25", "eyJaaaaa.", "\\u0026", "a=%", "%40"]
)
def test_a_long_encoded_line_takes_time_in_proportion_to_its_length(piece: str) -> None:
    masker = Masker([SECRET, "another-secret", "%%%%"])
    began = time.process_time()
    masker.mask((piece * (1 << 17))[: 1 << 17])
    assert time.process_time() - began < 8


@pytest.mark.parametrize(
    "lines",
    [
        ["secrets:", f"  password: {CANARY}"],
        ["Authorization:", f"  token: {CANARY}"],
        ["Authorization: Bearer", f"password={CANARY}"],
        ["reading token:", "item1 done"],
    ],
)
def test_lines_are_masked_together_as_each_is_alone(lines: list[str]) -> None:
    masker = Masker([SECRET])
    assert list(masker.mask_lines(lines)) == [masker.mask(line) for line in lines]
    assert CANARY not in str(masker.mask_lines(lines))


@pytest.mark.parametrize("given", [[[1, 2.5, None, [SECRET]]], {"a": [1, {"b": f"x{SECRET}"}]}, [True, SECRET]])
def test_a_secret_between_numbers_is_found_and_masked(given: Any) -> None:
    assert holds_secret(given, ["other-secret", SECRET])
    assert SECRET not in json.dumps(Masker([SECRET]).mask_data(given))


@pytest.mark.parametrize("given", [[1] * 1000, [1, None, 2.5], "text", {"a": []}])
def test_where_there_is_no_secret_nothing_changes(given: Any) -> None:
    assert not holds_secret(given, [SECRET, "a"])
    assert Masker([SECRET]).mask_data(given) == given


@given(st.data(), st.sampled_from(masking._FORMS))
def test_what_a_form_fits_is_always_worth_a_look(data: st.DataObject, form: masking._Form) -> None:
    text = data.draw(st.from_regex(form.pattern))
    assert form.may_fit(text, text.casefold())
