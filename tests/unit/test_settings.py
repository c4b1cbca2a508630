import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.messages import Check
from tests.values import ROOT, configuration_in, small_job
from zoo_runner.config.configuration import load_configuration
from zoo_runner.config.settings import SETTINGS, load_settings
from zoo_runner.config.version import VERSION
from zoo_runner.config.workspace import WORKSPACE_SETTINGS, list_variables, load_storage_profile, load_workspace
from zoo_runner.engines import open_engine
from zoo_runner.engines.kubernetes.names import build_names
from zoo_runner.model.errors import SettingsError
from zoo_runner.model.workspace import StorageProfile


def test_every_setting_has_a_variable_of_our_own_and_a_meaning() -> None:
    for setting in (*SETTINGS, *WORKSPACE_SETTINGS):
        assert setting.metadata["variable"].startswith("ZOO_RUNNER_")
        assert setting.metadata["meaning"].endswith(".")


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = load_settings({})
    assert settings.engine == "local"
    assert settings.containers == "auto"
    assert settings.package_hosts == ()
    workspace = load_workspace({})
    assert (workspace.name, workspace.limits.time_seconds, workspace.secrets) == ("default", None, ())
    assert workspace.folders.temp.is_absolute()
    assert "~" not in str(workspace.folders.temp)


def test_an_empty_value_counts_as_unset() -> None:
    given = {"ZOO_RUNNER_TIME_LIMIT": "", "ZOO_RUNNER_ENGINE": "", "STAGEIN_ALLOWED_ROOTS": "", "KUBECONFIG": ""}
    assert load_configuration(given) == load_configuration({})


def test_values_are_read_in_their_form() -> None:
    configuration = load_configuration(
        {
            "ZOO_RUNNER_TEMP": "/x/temp",
            "ZOO_RUNNER_TIME_LIMIT": "1.5",
            "ZOO_RUNNER_PACKAGE_HOSTS": "a.example, b.example,",
            "ZOO_RUNNER_CONTAINERS": "podman",
        }
    )
    settings, workspace = configuration.settings, configuration.workspace
    assert workspace.folders.temp == Path("/x/temp")
    assert workspace.limits.time_seconds == 1.5
    assert settings.package_hosts == ("a.example", "b.example")
    assert settings.containers == "podman"


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf", str(threading.TIMEOUT_MAX * 10)])
def test_a_time_limit_that_is_invalid_is_refused_with_its_variable_and_value(text: str) -> None:
    with pytest.raises(SettingsError, match=f"ZOO_RUNNER_TIME_LIMIT='{text}'") as caught:
        load_workspace({"ZOO_RUNNER_TIME_LIMIT": text})
    assert "in seconds" in caught.value.diagnosis.remedy


def test_unknown_containers_are_refused_with_what_is_accepted(check: Check) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"ZOO_RUNNER_CONTAINERS": "lxc"})
    check(caught.value, "settings.invalid", "ZOO_RUNNER_CONTAINERS='lxc'", "auto, podman, docker, sandbox, none")


def test_a_folder_of_a_user_that_does_not_exist_is_refused() -> None:
    with pytest.raises(SettingsError, match="ZOO_RUNNER_TEMP="):
        load_workspace({"ZOO_RUNNER_TEMP": "~no-such-user/temp"})


def test_the_environment_is_never_shown() -> None:
    assert "canary" not in repr(load_configuration({"AWS_SECRET_ACCESS_KEY": "canary"}))


def test_a_configuration_serves_another_workspace_in_its_namespace_and_no_other() -> None:
    site = load_configuration({"ZOO_RUNNER_WORKSPACE": "ada", "ZOO_RUNNER_NAMESPACE": "site"})
    assert (site.workspace.name, site.workspace.namespace) == ("ada", "site")
    bob = replace(site, workspace=load_workspace({"ZOO_RUNNER_WORKSPACE": "bob"}))
    assert build_names("1", bob.kubernetes, bob.workspace).namespace == "ws-bob"


@pytest.mark.parametrize("variable", ["ZOO_RUNNER_NAMESPACE", "USE_NAMESPACE"])
def test_a_namespace_that_kubernetes_would_refuse_is_refused_with_its_value(variable: str) -> None:
    workspace = load_workspace({variable: "Not A Name"})
    with pytest.raises(SettingsError, match="'Not A Name' is invalid"):
        build_names("1", load_configuration({}).kubernetes, workspace)


@pytest.mark.parametrize("variable", ["DEFAULT_MAX_RAM", "ZOO_RUNNER_NAMESPACE", "ZOO_RUNNER_ARGO_SEMAPHORE"])
def test_an_invalid_setting_of_a_cluster_concerns_only_the_engines_on_clusters(variable: str, tmp_path: Path) -> None:
    site = configuration_in(tmp_path, **{variable: "not valid"})
    job = replace(small_job(tmp_path), destination="s3://results/x")
    open_engine("local", site).plan(job)
    with pytest.raises(SettingsError, match="'not valid' is invalid"):
        open_engine("argo", site).plan(job)


def test_the_profile_of_a_workspace_has_folders_and_addresses_as_values() -> None:
    storage = load_storage_profile(
        {
            "STAGEIN_ALLOWED_ROOTS": "/a:/b",
            "STAGEOUT_OUTPUT": "results",
            "STAGEOUT_PUBLIC_URL": "https://r",
            "HOME": "/",
        }
    )
    assert storage == StorageProfile({}, (Path("/a"), Path("/b")), "results", "https://r")
    assert list_variables(storage) == {"STAGEOUT_PUBLIC_URL": "https://r"}


def test_allowed_roots_that_are_not_absolute_are_refused() -> None:
    with pytest.raises(SettingsError, match="STAGEIN_ALLOWED_ROOTS='data'"):
        load_storage_profile({"STAGEIN_ALLOWED_ROOTS": "data"})


def test_the_job_image_is_by_default_that_of_this_release() -> None:
    assert f'version = "{VERSION}"\n' in (ROOT / "pyproject.toml").read_text()
    assert load_configuration({}).kubernetes.image == f"docker.io/zoo-runner/job:{VERSION}"
    assert f"calrissianImage: zoo-runner/job:{VERSION}\n" in (ROOT / "deploy" / "zoo" / "values.yaml").read_text()
