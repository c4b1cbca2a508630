from collections.abc import Iterator, Mapping

import pytest

from stagein.settings import load_options as load_stagein
from stageout.settings import load_options as load_stageout
from zoo_staging.variables import FILE_VARIABLES, is_secret_variable, is_staging_variable, pick_variables

pytestmark = pytest.mark.unit


class Asked(Mapping[str, str]):
    """An environment with key ids alone, which remembers what it was asked for."""

    def __init__(self, *given: str) -> None:
        self.given = given
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        if name in self.given:
            return "given"
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.given)

    def __len__(self) -> int:
        return len(self.given)


@pytest.mark.parametrize("given", [(), ("STAGEIN_AWS_ACCESS_KEY_ID", "STAGEOUT_AWS_ACCESS_KEY_ID")])
def test_all_that_the_stagers_read_is_passed_on(given: tuple[str, ...]) -> None:
    asked = Asked(*given)
    load_stagein(asked)
    load_stageout(asked, "job")
    assert {"AZURE_STORAGE_KEY", "GOOGLE_APPLICATION_CREDENTIALS", "STAGEIN_HOSTS_FILE"} <= asked.names
    assert [name for name in asked.names if not is_staging_variable(name)] == []


def test_what_is_nobodys_business_is_not_passed_on() -> None:
    environ = {"HOME": "/root", "AZURE_CLIENT_SECRET": "x", "https_proxy": "http://p", "AZURE_STORAGE_KEY": ""}
    assert pick_variables(environ) == {"https_proxy": "http://p"}


@pytest.mark.parametrize("prefix", ["", "STAGEIN_", "STAGEOUT_"])
def test_the_secret_ones_are_known_under_each_name(prefix: str) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN"):
        assert is_secret_variable(f"{prefix}{name}")
    for name in ("AWS_ACCESS_KEY_ID", "AZURE_STORAGE_ACCOUNT", "AWS_REGION"):
        assert not is_secret_variable(f"{prefix}{name}")


def test_files_of_credentials_are_settings_of_the_stagers() -> None:
    assert all(map(is_staging_variable, FILE_VARIABLES))
    assert {name for name in FILE_VARIABLES if name.endswith("_FILE")} == {"STAGEIN_BUCKETS_FILE", "STAGEIN_HOSTS_FILE"}
