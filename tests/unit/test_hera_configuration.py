"""The configuration of Hera scripts: both forms of files, precedence, normalised values, masked secrets."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from zoo_runner.cli.main import cli
from zoo_runner.hera.configuration import SETTINGS, build_template, load_hera_configuration
from zoo_runner.hera.files import read_options, read_variables
from zoo_runner.hera.tokens import Tokens
from zoo_runner.model.errors import SettingsError

TOKEN = "v2:abcdefghij"


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)


def test_a_bash_file_is_read_as_both_ways_of_importing_it_do(tmp_path: Path) -> None:
    text = f"# comment\nARGO_SERVER=a.example:443\nexport ARGO_NAMESPACE='n s' # why\n\nA=\nT='Bearer {TOKEN}'\n"
    write(tmp_path, hera_bash=text)
    assert read_variables(tmp_path / "hera.bash") == {
        "ARGO_SERVER": "a.example:443",
        "ARGO_NAMESPACE": "n s",
        "A": "",
        "T": f"Bearer {TOKEN}",
    }


@pytest.mark.parametrize("line", [f"ARGO_TOKEN=Bearer {TOKEN}", f"ARGO_TOKEN='{TOKEN}", f"{TOKEN}"])
def test_a_line_that_is_wrong_is_named_without_its_value(line: str, tmp_path: Path) -> None:
    write(tmp_path, hera_bash=f"# first\n{line}\n")
    with pytest.raises(SettingsError) as raised:
        read_variables(tmp_path / "hera.bash")
    assert "hera.bash, line 2" in raised.value.diagnosis.cause
    assert TOKEN not in str(raised.value.diagnosis)


def test_a_config_file_has_the_syntax_of_configargparse(tmp_path: Path) -> None:
    write(tmp_path, hera_config="[section]\n; c\na = 'x y'\n--b: z # c\nc w\nflag\nempty=\n---\nd=\"q\"\n")
    expected = {"a": "x y", "b": "z", "c": "w", "flag": "true", "empty": "", "d": "q"}
    assert read_options(tmp_path / "hera.config") == expected


@pytest.mark.parametrize(
    ("text", "secure", "url"),
    [
        ("argo.example:443", "true", "https://argo.example"),
        ("https://argo.example:443/argo/", "true", "https://argo.example/argo"),
        ("127.0.0.1:2746", "false", "http://127.0.0.1:2746"),
        ("http://127.0.0.1:2746", "true", "http://127.0.0.1:2746"),
        ("argo.example:8443", "", "https://argo.example:8443"),
    ],
)
def test_the_server_is_a_host_with_a_port_or_an_address(text: str, secure: str, url: str, tmp_path: Path) -> None:
    found = load_hera_configuration({"ARGO_SERVER": text, "ARGO_SECURE": secure}, tmp_path)
    assert found.get("ARGO_SERVER") == url


def test_each_value_has_its_source_and_what_it_overrode(tmp_path: Path) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    for folder in (home, here):
        folder.mkdir()
    write(
        home, hera_config="argo_namespace=of-home\nk8s_config_file=~/kube.yaml\n", named_config="argo_namespace=named"
    )
    write(here, hera_config="argo_namespace=of-here\nmine=1\n", hera_bash="ARGO_NAMESPACE=of-bash\n")
    environ = {"HOME": str(home), "ARGOCONFIG": "~/named.config", "ARGO_NAMESPACE": "of-environment"}
    found = load_hera_configuration(environ, here, given={"argo_namespace": "of-option"})
    value = found.values["ARGO_NAMESPACE"]
    assert [value.text, *(one.text for one in value.overrode)] == [
        "of-option",
        "named",
        "of-here",
        "of-home",
        "of-bash",
        "of-environment",
    ]
    assert value.overrode[1].source == str(here / "hera.config")
    assert found.get("KUBECONFIG") == str(home / "kube.yaml")
    assert [one.text for one in found.unknown] == ["mine"]


@pytest.mark.parametrize("text", [TOKEN, f"Bearer {TOKEN}", f"'Bearer {TOKEN}'", f"bearer  {TOKEN} "])
def test_a_token_may_have_quotes_and_the_word_bearer_and_is_never_shown(text: str, tmp_path: Path) -> None:
    found = load_hera_configuration({"ARGO_TOKEN": text}, tmp_path)
    assert Tokens(found)() == TOKEN
    assert TOKEN not in json.dumps(found.describe())
    assert TOKEN not in repr(found)


def test_a_certificate_is_verified_unless_the_command_line_says_otherwise(tmp_path: Path) -> None:
    environ = {"ARGO_INSECURE_SKIP_VERIFY": "true"}
    with pytest.raises(SettingsError) as raised:
        load_hera_configuration(environ, tmp_path)
    assert raised.value.diagnosis.code == "settings.invalid"
    found = load_hera_configuration(environ, tmp_path, allow_insecure=True)
    assert found.get("ARGO_INSECURE_SKIP_VERIFY") == "true"


@pytest.mark.parametrize("environ", [{"ARGO_SECURE": "perhaps"}, {"ARGO_SERVER": "ftp://x"}, {"ARGO_SERVER": "x:y"}])
def test_an_invalid_value_is_named_with_its_source(environ: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        load_hera_configuration(environ, tmp_path)
    assert f"{next(iter(environ))}={next(iter(environ.values()))!r} (environment)" in raised.value.diagnosis.cause


@pytest.mark.parametrize(("kind", "read"), [("hera.bash", read_variables), ("hera.config", read_options)])
def test_a_template_can_be_read_and_names_every_value(kind: str, read: object, tmp_path: Path) -> None:
    (tmp_path / kind).write_text(build_template(kind))
    found = load_hera_configuration({}, tmp_path)
    assert found.get("ARGO_SERVER") == "https://argo.example.org"
    assert found.values["ARGO_SERVER"].source == str(tmp_path / kind)
    names = [one.variable if kind == "hera.bash" else one.key for one in SETTINGS]
    assert [name for name in names if f"{name}=" not in build_template(kind)] == []


def test_without_token_and_account_the_missing_values_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        Tokens(load_hera_configuration({}, tmp_path))()
    assert "ARGO_SERVICE_ACCOUNT" in raised.value.diagnosis.cause


def test_init_writes_a_private_file_once_and_config_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    environ = {"HOME": str(tmp_path), "ARGOCONFIG": "", "ARGO_SERVER": "", "ARGO_TOKEN": TOKEN}
    runner = CliRunner(env=environ)
    assert runner.invoke(cli, ["hera", "init"]).exit_code == 0
    assert (tmp_path / "hera.bash").stat().st_mode & 0o777 == 0o600
    assert runner.invoke(cli, ["hera", "init"]).exit_code == 2
    shown = runner.invoke(cli, ["hera", "config", "--format", "json"])
    values = {value["name"]: value for value in json.loads(shown.output)["values"]}
    assert values["ARGO_SERVER"]["value"] == "https://argo.example.org"
    assert values["ARGO_TOKEN"]["value"] == "*****"
    assert TOKEN not in runner.invoke(cli, ["hera", "config"]).output
