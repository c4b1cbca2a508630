"""What a kernel says about a job, and the settings made of it."""

from pathlib import Path
from typing import Any

import pytest

from zoo_runner.config.argo import ARGO_SETTINGS
from zoo_runner.config.settings import SETTINGS
from zoo_runner.config.workspace import WORKSPACE_SETTINGS
from zoo_runner.model.errors import SettingsError
from zoo_runner.zoo.conf import (
    build_temp_url,
    find_api_proxy,
    find_conf_secrets,
    load_site_configuration,
    merge_variables,
    read_site,
)

ROOT = Path(__file__).parents[2]


def make_conf(**sections: Any) -> Any:
    return {
        "main": {"tmpPath": "/zoo/alice/temp", "tmpUrl": "http://zoo.example/alice/temp/", "cacheDir": "/cache"},
        "lenv": {"usid": "c6c07164-e6be-11f1", "Identifier": "water"},
        "auth_env": {"user": "alice", "jwt": "header.payload.signature"},
        "servicesNamespace": {"path": "/zoo"},
        "metadb": {"password": "a-password"},
        **sections,
    }


@pytest.mark.parametrize(
    "url", ["http://zoo.example/alice/temp/", "http://zoo.example/alice/temp", "http://zoo.example/temp/"]
)
def test_the_user_is_in_the_public_address_once(url: str) -> None:
    assert build_temp_url(url, Path("/zoo/alice/temp")) == "http://zoo.example/alice/temp"


def test_a_site_without_workspaces_keeps_its_address() -> None:
    assert build_temp_url("http://zoo.example/tmp/", Path("/var/www/tmp")) == "http://zoo.example/tmp"


def test_private_files_lie_beside_the_workspaces_and_never_in_temp() -> None:
    site = read_site(make_conf())
    folders = load_site_configuration(make_conf(), {}, site).workspace.folders
    assert folders.state == Path("/zoo/.zoo-runner/alice/jobs")
    assert folders.scratch == Path("/zoo/.zoo-runner/alice/scratch")
    assert folders.temp == Path("/zoo/alice/temp")


def test_places_that_the_operator_chose_have_a_folder_for_each_workspace() -> None:
    site = read_site(make_conf())
    configuration = load_site_configuration(make_conf(), {"ZOO_RUNNER_SCRATCH": "/fast"}, site)
    assert configuration.workspace.folders.scratch == Path("/fast/alice")


def test_a_user_name_never_becomes_a_path() -> None:
    site = read_site(make_conf(auth_env={"user": "../../etc"}))
    assert site.private is not None
    assert site.private.parent == Path("/zoo/.zoo-runner")


@pytest.mark.parametrize(("section", "key"), [("main", "tmpPath"), ("lenv", "usid"), ("lenv", "Identifier")])
def test_what_the_kernel_left_out_is_named(section: str, key: str) -> None:
    conf = make_conf()
    del conf[section][key]
    with pytest.raises(SettingsError) as caught:
        read_site(conf)
    assert caught.value.diagnosis.code == "settings.kernel"
    assert key in caught.value.diagnosis.cause
    assert f"[{section}]" in caught.value.diagnosis.cause


def test_a_job_id_that_is_no_file_name_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"'\.\./x'") as caught:
        read_site(make_conf(lenv={"usid": "../x", "Identifier": "water"}))
    assert caught.value.diagnosis.code == "settings.kernel"


def test_the_handlers_parameters_win_over_the_section_and_that_over_the_environment() -> None:
    conf = make_conf(zoo_runner={"engine": "local", "STAGEOUT_OUTPUT": "section"})
    environ = {"ZOO_RUNNER_ENGINE": "argo", "STAGEOUT_OUTPUT": "environment", "STAGEIN_AWS_REGION": "here"}
    built = merge_variables(conf, environ, {"STAGEOUT_OUTPUT": "handler", "APP": "not a setting"})
    assert (built["ZOO_RUNNER_ENGINE"], built["STAGEOUT_OUTPUT"], built["STAGEIN_AWS_REGION"]) == (
        "local",
        "handler",
        "here",
    )
    assert "APP" not in built


def test_names_of_the_common_templates_set_the_object_store() -> None:
    parameters = {"endpoint_url": "http://s3", "aws_access_key_id": "key", "region_name": "r"}
    built = merge_variables(make_conf(), {}, parameters)
    assert built["STAGEOUT_AWS_SERVICEURL"] == "http://s3"
    assert built["STAGEOUT_AWS_ACCESS_KEY_ID"] == "key"


def test_the_settings_of_every_store_come_from_the_section_and_from_the_handler() -> None:
    conf = make_conf(zoo_runner={"AZURE_STORAGE_ACCOUNT": "us", "https_proxy": "http://p"})
    environ = merge_variables(conf, {}, {"GOOGLE_APPLICATION_CREDENTIALS": "/keys/g.json", "HOME": "/x"})
    assert environ["AZURE_STORAGE_ACCOUNT"] == "us"
    assert environ["https_proxy"] == "http://p"
    assert environ["GOOGLE_APPLICATION_CREDENTIALS"] == "/keys/g.json"
    assert "HOME" not in environ


def test_the_section_has_the_settings_of_argo_under_short_and_full_names() -> None:
    conf = make_conf(zoo_runner={"argo_templates": "count-*", "ARGO_SERVER": "argo.example:2746"})
    argo = load_site_configuration(conf, {}, read_site(conf)).argo
    assert (argo.templates, argo.server) == (("count-*",), "https://argo.example:2746")


@pytest.mark.parametrize("settings", [SETTINGS, WORKSPACE_SETTINGS, ARGO_SETTINGS], ids=["all", "workspace", "argo"])
def test_the_section_knows_every_documented_setting(settings: Any) -> None:
    names = [one.metadata["variable"] for one in settings]
    section = {name.removeprefix("ZOO_RUNNER_").lower(): "" for name in names if name.startswith("ZOO_RUNNER_")}
    assert section
    conf = make_conf(zoo_runner=section)
    assert load_site_configuration(conf, {}, read_site(conf)).settings.confined


def test_an_unknown_key_of_the_section_is_named_with_those_that_there_are() -> None:
    conf = make_conf(zoo_runner={"engin": "local"})
    with pytest.raises(SettingsError, match="'engin'") as caught:
        load_site_configuration(conf, {}, read_site(conf))
    assert caught.value.diagnosis.code == "settings.unknown-key"
    assert "engine" in caught.value.diagnosis.remedy


def test_the_charts_proxy_of_the_kubernetes_api_is_known_from_others() -> None:
    assert find_api_proxy({"HTTP_PROXY": "http://zoo-kubeproxy.zoo.svc:8001"}) == "http://zoo-kubeproxy.zoo.svc:8001"
    assert find_api_proxy({"HTTP_PROXY": "http://proxy.example:3128"}) is None
    built = merge_variables(make_conf(), {"HTTP_PROXY": "http://zoo-kubeproxy:8001"}, {})
    assert built["ZOO_RUNNER_KUBERNETES_URL"] == "http://zoo-kubeproxy:8001"
    assert "HTTP_PROXY" not in built


def test_token_and_passwords_are_known_as_secrets() -> None:
    assert set(find_conf_secrets(make_conf())) == {"header.payload.signature", "a-password"}


@pytest.mark.parametrize("request_text", ["", "no JSON", "[]", '{"inputs": []}'])
def test_a_request_that_cannot_be_read_is_no_help_and_no_harm(request_text: str) -> None:
    assert read_site(make_conf(request={"jrequest": request_text})).inputs == {}
