"""What services have by default and the command line has not."""

import pytest

from zoo_runner.config.configuration import load_configuration
from zoo_runner.config.service import load_service_configuration
from zoo_runner.model.errors import SettingsError
from zoo_staging.addresses import Reach


def test_a_service_reaches_no_private_network_and_reads_no_files_unless_the_operator_says_so() -> None:
    service = load_service_configuration({})
    assert not service.settings.reach.private
    assert service.settings.confined
    assert service.workspace.storage.allowed_roots == ()
    assert service.workspace.storage.variables["STAGEIN_ALLOW_PRIVATE"] == "false"


def test_the_operator_wins_over_the_defaults_of_services() -> None:
    given = {"STAGEIN_ALLOW_PRIVATE": "true", "ZOO_RUNNER_TIME_LIMIT": "60", "STAGEIN_ALLOWED_ROOTS": "/data"}
    service = load_service_configuration(given)
    assert service.settings.reach.private
    assert service.workspace.limits.time_seconds == 60
    assert [str(root) for root in service.workspace.storage.allowed_roots or ()] == ["/data"]


def test_an_empty_value_leaves_the_default_of_services() -> None:
    assert load_service_configuration({"STAGEIN_ALLOW_PRIVATE": ""}) == load_service_configuration({})


def test_a_person_has_none_of_the_limits_of_services() -> None:
    person = load_configuration({})
    assert person.settings.reach == Reach()
    assert not person.settings.confined
    assert person.workspace.limits.time_seconds is None
    assert person.workspace.storage.allowed_roots is None


def test_an_invalid_network_is_refused_with_its_setting() -> None:
    with pytest.raises(SettingsError, match=r"STAGEIN_PRIVATE_HOSTS='10\.0\.0\.0/99'"):
        load_configuration({"STAGEIN_PRIVATE_HOSTS": "10.0.0.0/99"})
