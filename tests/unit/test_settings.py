import threading
from pathlib import Path

import pytest

from zoo_runner.config.settings import SETTINGS, load_settings
from zoo_runner.model.errors import SettingsError


def test_every_setting_has_a_variable_of_our_own_and_a_meaning() -> None:
    for setting in SETTINGS:
        assert setting.metadata["variable"].startswith("ZOO_RUNNER_")
        assert setting.metadata["meaning"].endswith(".")


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = load_settings({})
    assert settings.engine == "local"
    assert settings.containers == "auto"
    assert settings.time_limit_seconds is None
    assert settings.package_hosts == ()
    assert settings.temp.is_absolute()
    assert "~" not in str(settings.temp)


def test_an_empty_value_counts_as_unset() -> None:
    assert load_settings({"ZOO_RUNNER_TIME_LIMIT": "", "ZOO_RUNNER_ENGINE": ""}) == load_settings(
        {"ZOO_RUNNER_TIME_LIMIT": "", "ZOO_RUNNER_ENGINE": ""}
    )
    assert load_settings({"ZOO_RUNNER_TIME_LIMIT": ""}).time_limit_seconds is None


def test_values_are_read_in_their_form() -> None:
    settings = load_settings(
        {
            "ZOO_RUNNER_TEMP": "/x/temp",
            "ZOO_RUNNER_TIME_LIMIT": "1.5",
            "ZOO_RUNNER_PACKAGE_HOSTS": "a.example, b.example,",
            "ZOO_RUNNER_CONTAINERS": "podman",
        }
    )
    assert settings.temp == Path("/x/temp")
    assert settings.time_limit_seconds == 1.5
    assert settings.package_hosts == ("a.example", "b.example")
    assert settings.containers == "podman"


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf", str(threading.TIMEOUT_MAX * 10)])
def test_a_time_limit_that_is_none_is_refused_with_its_variable_and_value(text: str) -> None:
    with pytest.raises(SettingsError, match=f"ZOO_RUNNER_TIME_LIMIT='{text}' cannot be used") as caught:
        load_settings({"ZOO_RUNNER_TIME_LIMIT": text})
    assert "in seconds" in caught.value.diagnosis.remedy


def test_unknown_containers_are_refused_with_what_is_accepted() -> None:
    with pytest.raises(SettingsError, match="must be one of auto, podman, docker, none"):
        load_settings({"ZOO_RUNNER_CONTAINERS": "lxc"})


def test_a_folder_of_a_user_that_does_not_exist_is_refused() -> None:
    with pytest.raises(SettingsError, match="ZOO_RUNNER_TEMP="):
        load_settings({"ZOO_RUNNER_TEMP": "~no-such-user/temp"})


def test_the_environment_is_never_shown() -> None:
    assert "canary" not in repr(load_settings({"AWS_SECRET_ACCESS_KEY": "canary"}))
