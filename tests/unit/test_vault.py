"""Secrets of workspaces: encrypted with keys that change, used in the place of other credentials, and never shown."""

import json
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.unit.messages import Check
from zoo_runner.config.profiles import REGISTRIES, apply_secrets, is_credential
from zoo_runner.config.server import ServerSettings
from zoo_runner.model import clock
from zoo_runner.model.errors import InputError, SettingsError
from zoo_runner.model.step_token import KeptToken
from zoo_runner.model.workspace import Folders, StorageProfile, Workspace
from zoo_runner.server.vault import Vault, open_vault
from zoo_runner.store.sql import SqlStore

OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))
NAME, VALUE = "STAGEIN_AWS_SECRET_ACCESS_KEY", "only-for-tests-of-secrets"
DOCKER = json.dumps({"auths": {"registry.example.org": {"auth": "YWRhOnNlY3JldA=="}}})


def test_a_secret_is_stored_encrypted_and_read_with_the_key_only(sql_store: SqlStore, check: Check) -> None:
    vault = Vault(sql_store.secrets, (OLD,))
    vault.put("alpha", NAME, VALUE, "ada")
    vault.put("alpha", NAME, f"{VALUE}-2", "ada")
    assert vault.read("alpha") == {NAME: f"{VALUE}-2"}
    assert vault.read("beta") == {}
    (kept,) = vault.list_all("alpha")
    assert VALUE not in repr(kept)
    with pytest.raises(SettingsError) as caught:
        Vault(sql_store.secrets, (OTHER,)).read("alpha")
    check(caught.value, "secret.key", NAME, "alpha")
    vault.remove("alpha", NAME)
    with pytest.raises(InputError) as missing:
        vault.remove("alpha", NAME)
    check(missing.value, "secret.not-found", NAME)


def test_keys_are_rotated(sql_store: SqlStore, check: Check) -> None:
    Vault(sql_store.secrets, (OLD,)).put("alpha", NAME, VALUE, None)
    both = Vault(sql_store.secrets, (NEW, OLD))
    assert both.read("alpha") == {NAME: VALUE}
    with pytest.raises(SettingsError) as caught:
        Vault(sql_store.secrets, (OTHER,)).rotate()
    check(caught.value, "secret.key")
    sql_store.step_tokens.put(
        KeptToken("job-1", Vault(sql_store.secrets, (OLD,)).encrypt(["job-1", VALUE]), clock.after(60), clock.now())
    )
    assert both.rotate() == 2
    only_new = Vault(sql_store.secrets, (NEW,))
    assert only_new.read("alpha") == {NAME: VALUE}
    token = sql_store.step_tokens.find("job-1")
    assert token and only_new.decrypt(token.encrypted, "a token", ("job-1",)) == VALUE


def test_a_row_that_was_moved_to_another_workspace_gives_it_nothing(sql_store: SqlStore, check: Check) -> None:
    vault = Vault(sql_store.secrets, (OLD,))
    vault.put("alpha", NAME, VALUE, None)
    with sql_store.database.writing() as connection:
        connection.exec_driver_sql("UPDATE secrets SET workspace = 'beta'")
    with pytest.raises(SettingsError) as caught:
        vault.read("beta")
    check(caught.value, "secret.key", "beta")


def test_without_a_key_nothing_is_kept(sql_store: SqlStore, check: Check) -> None:
    vault = open_vault(sql_store.secrets, ServerSettings())
    with pytest.raises(SettingsError) as caught:
        vault.put("alpha", NAME, VALUE, None)
    check(caught.value, "secret.off")
    assert vault.read("alpha") == {}


def test_keys_come_from_a_file_before_those_of_the_environment(sql_store: SqlStore, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"{NEW}\n\n")
    open_vault(sql_store.secrets, ServerSettings(encryption_keys_file=path, encryption_keys=(OLD,))).put(
        "alpha", NAME, VALUE, None
    )
    assert Vault(sql_store.secrets, (NEW,)).read("alpha") == {NAME: VALUE}
    for settings in (
        ServerSettings(encryption_keys_file=tmp_path / "none"),
        ServerSettings(encryption_keys=("no-key-at-all",)),
    ):
        with pytest.raises(SettingsError) as caught:
            open_vault(sql_store.secrets, settings)
        assert "ZOO_RUNNER_ENCRYPTION_KEYS" in caught.value.diagnosis.cause
        assert "no-key-at-all" not in str(caught.value)


def test_a_key_is_read_from_a_secret_as_kubernetes_and_agents_of_vault_mount_it(
    sql_store: SqlStore, tmp_path: Path
) -> None:
    settings = ServerSettings(encryption_keys_file=tmp_path / "keys")
    # a volume has links to a folder of each version, and an agent of Vault puts a new file in the place of the old one
    for number, text in enumerate((f"{OLD}\n", f"{NEW}\n{OLD}\n")):
        version = tmp_path / f"..version-{number}"
        version.mkdir()
        (version / "keys").write_text(text)
        (tmp_path / "..new").symlink_to(version.name)
        (tmp_path / "..new").rename(tmp_path / "..data")
        if number == 0:
            (tmp_path / "keys").symlink_to("..data/keys")
            open_vault(sql_store.secrets, settings).put("alpha", NAME, VALUE, None)
    again = open_vault(sql_store.secrets, settings)
    assert again.read("alpha") == {NAME: VALUE}
    assert again.rotate() == 1
    assert Vault(sql_store.secrets, (NEW,)).read("alpha") == {NAME: VALUE}


@pytest.mark.parametrize(
    ("name", "may"),
    [
        ("AWS_SECRET_ACCESS_KEY", True),
        ("AWS_ACCESS_KEY_ID", True),
        ("STAGEIN_AWS_SESSION_TOKEN", True),
        ("STAGEOUT_AWS_ACCESS_KEY_ID", True),
        (REGISTRIES, True),
        # what leads the server to other places, or to files of its machine
        ("AWS_ENDPOINT_URL", False),
        ("STAGEIN_AWS_SERVICEURL", False),
        ("STAGEIN_HOSTS_FILE", False),
        ("GOOGLE_APPLICATION_CREDENTIALS", False),
        ("STAGEIN_ALLOWED_ROOTS", False),
        ("HTTPS_PROXY", False),
        ("ZOO_RUNNER_DATABASE", False),
        ("PATH", False),
        # as many as one likes, and what no environment can hold
        ("STAGEIN_2_AWS_ACCESS_KEY_ID", False),
        ("STAGEIN_=AWS_ACCESS_KEY_ID", False),
    ],
)
def test_members_set_keys_and_no_places(name: str, may: bool) -> None:
    assert is_credential(name) == may


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PATH", "/tmp"),
        (NAME, ""),
        (NAME, "x" * 7),
        (NAME, 1),
        (NAME, "x" * 65_537),
        (REGISTRIES, "{"),
        (REGISTRIES, '{"auths": 1}'),
    ],
)
def test_what_is_no_secret_is_refused_without_its_value(
    sql_store: SqlStore, name: str, value: object, check: Check
) -> None:
    with pytest.raises(InputError) as caught:
        Vault(sql_store.secrets, (OLD,)).put("alpha", name, value, None)
    check(caught.value, "request.invalid", name)


def test_secrets_take_the_place_of_credentials_that_begin_alike_and_are_masked() -> None:
    installed = {
        "STAGEIN_AWS_ACCESS_KEY_ID": "operator",
        "STAGEIN_AWS_SECRET_ACCESS_KEY": "of-the-operator",
        "STAGEIN_AWS_SESSION_TOKEN": "of-the-operator-too",
        "STAGEIN_AWS_SERVICEURL": "https://s3.example.org",
        "AWS_ACCESS_KEY_ID": "results",
        "AWS_SECRET_ACCESS_KEY": "of-results",
    }
    folder = Path("/nowhere")
    workspace = Workspace("alpha", Folders(folder, folder, folder), StorageProfile(installed), secrets=("of-results",))
    given = {"STAGEIN_AWS_ACCESS_KEY_ID": "member", NAME: VALUE, REGISTRIES: DOCKER}
    own = apply_secrets(workspace, given)
    assert own.storage.variables == {
        "STAGEIN_AWS_ACCESS_KEY_ID": "member",
        NAME: VALUE,
        "STAGEIN_AWS_SERVICEURL": "https://s3.example.org",
        "AWS_ACCESS_KEY_ID": "results",
        "AWS_SECRET_ACCESS_KEY": "of-results",
    }
    assert own.pull_credentials == (json.loads(DOCKER),)
    assert {VALUE, "of-results", "YWRhOnNlY3JldA==", "secret"} <= set(own.secrets)
    assert VALUE not in repr(own)
    assert apply_secrets(workspace, {}) is workspace
