"""Profiles of workspaces: what is read of them, what is wrong with them, and that one has no credentials of another."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.messages import Check
from zoo_runner.config.profiles import Profile, Profiles, apply_profile, parse_profiles
from zoo_runner.model.errors import SettingsError
from zoo_runner.model.workspace import Folders, StorageProfile, Workspace

INSTALLATION = {
    "AWS_ACCESS_KEY_ID": "installation",
    "AWS_SECRET_ACCESS_KEY": "installation-secret",
    "AWS_SESSION_TOKEN": "installation-token",
    "STAGEIN_HOSTS_FILE": "/etc/hosts.json",
    "AWS_REGION": "eu-west-1",
    "STAGEIN_RETRIES": "1",
}
PLACE = Path("/place")


def build() -> Workspace:
    storage = StorageProfile(INSTALLATION, destination="s3://all", public_url="https://all.example.org")
    return Workspace("alpha", Folders(PLACE, PLACE, PLACE), storage, secrets=("installation-secret",))


def write(path: Path, document: Any) -> Path:
    """Write a file as something new, so that it differs however coarse the clock of the disk is."""
    new = path.with_suffix(".new")
    new.write_text(document if isinstance(document, str) else json.dumps(document))
    new.rename(path)
    return path


def test_a_profile_with_credentials_has_none_of_the_installation(tmp_path: Path) -> None:
    (tmp_path / "AWS_ACCESS_KEY_ID").write_text("own\n")
    (tmp_path / "AWS_SECRET_ACCESS_KEY").write_text("own-secret")
    (tmp_path / "PATH").write_text("/nowhere")
    profile = Profile("ws-a", "s3://alpha/results", None, str(tmp_path), {"AWS_REGION": "eu-central-1"})
    found = apply_profile(build(), profile)
    assert found.storage.variables == {
        "AWS_ACCESS_KEY_ID": "own",
        "AWS_SECRET_ACCESS_KEY": "own-secret",
        "AWS_REGION": "eu-central-1",
        "STAGEIN_RETRIES": "1",
    }
    # the public address of the installation is not that of another bucket
    assert (found.storage.destination, found.storage.public_url) == ("s3://alpha/results", None)
    assert found.namespace == "ws-a"
    assert set(found.secrets) == {"installation-secret", "own-secret"}


def test_without_a_profile_a_workspace_is_as_the_installation() -> None:
    assert apply_profile(build(), Profile()) == build()


def test_credentials_that_cannot_be_read_are_an_error(tmp_path: Path, check: Check) -> None:
    with pytest.raises(SettingsError) as caught:
        apply_profile(build(), Profile(credentials=str(tmp_path / "absent")))
    check(caught.value, "settings.invalid", "absent")


def test_the_common_profile_holds_where_a_workspace_says_nothing() -> None:
    document = {"*": {"results": "s3://common", "namespace": "shared"}, "alpha": {"namespace": "ws-alpha"}}
    assert parse_profiles(json.dumps(document))["alpha"] == Profile("ws-alpha", "s3://common")


def test_the_common_public_address_is_not_that_of_results_elsewhere() -> None:
    common = {"results": "s3://a", "publicUrl": "https://a.example.org"}
    document = {"*": common, "own": {"results": "s3://b"}, "both": {"results": "s3://b", "publicUrl": "https://b"}}
    found = parse_profiles(json.dumps(document))
    assert [(found[name].results, found[name].public_url) for name in ("*", "own", "both")] == [
        ("s3://a", "https://a.example.org"),
        ("s3://b", None),
        ("s3://b", "https://b"),
    ]


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ("[]", "not an object"),
        ("{", "line 1"),
        ({"alpha": []}, "alpha"),
        ({"alpha": {"namspace": "x"}}, "alpha.namspace"),
        ({"alpha": {"results": 7}}, "alpha.results"),
        ({"alpha": {"settings": {"PATH": "x"}}}, "alpha.settings.PATH"),
        ({"alpha": {"settings": []}}, "alpha.settings"),
        ({"alpha": {"settings": {"STAGEIN_ALLOWED_ROOTS": "/data/alpha"}}}, "alpha.settings.STAGEIN_ALLOWED_ROOTS"),
        ({"*": {"settings": {"STAGEOUT_OUTPUT": "s3://b"}}}, "results"),
        ({"alpha": {"settings": {"STAGEOUT_PUBLIC_URL": "https://b"}}}, "publicUrl"),
    ],
)
def test_an_invalid_profile_is_named(document: Any, place: str, tmp_path: Path, check: Check) -> None:
    with pytest.raises(SettingsError) as caught:
        Profiles(write(tmp_path / "profiles.json", document))
    check(caught.value, "settings.invalid", place)


def test_a_profile_has_the_form_of_results_and_the_priority_of_jobs() -> None:
    found = parse_profiles('{"*": {"priority": 5}, "a": {"collection": true}, "b": {"priority": -100}}')
    assert [(found[name].collection, found[name].priority) for name in "*ab"] == [(None, 5), (True, 5), (None, -100)]
    for wrong in ('{"priority": 1.5}', '{"priority": true}', '{"priority": 101}', '{"collection": "yes"}'):
        with pytest.raises(ValueError, match=r"^a\."):
            parse_profiles(f'{{"a": {wrong}}}')


def test_a_changed_file_is_read_again_and_an_invalid_one_changes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "profiles.json", {"*": {"namespace": "one"}})
    profiles = Profiles(path)
    assert profiles.find("alpha").namespace == "one"
    write(path, {"*": {"namespace": "two"}, "beta": {"namespace": "own"}})
    assert (profiles.find("alpha").namespace, profiles.find("beta").namespace) == ("two", "own")
    write(path, "{")
    assert profiles.find("alpha").namespace == "two"
    path.unlink()
    assert profiles.find("beta").namespace == "own"
