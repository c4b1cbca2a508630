"""The toolkit for Hera workflows on a real Argo Workflows."""

import os
import time
from pathlib import Path

import pytest

from tests.cluster import ENVIRON, find_argo, find_kubeconfig
from zoo_runner.hera.configuration import HeraConfiguration, load_hera_configuration
from zoo_runner.hera.tokens import Tokens
from zoo_runner.model.errors import EngineError

SERVER = ENVIRON.get("ARGO_SERVER", "http://127.0.0.1:2746")
NAMESPACE = ENVIRON.get("ARGO_NAMESPACE", "argo")
ACCOUNT = "argo-user"


@pytest.fixture(autouse=True)
def _argo() -> None:
    find_argo()


@pytest.fixture
def environ() -> dict[str, str]:
    return {
        "ARGO_SERVER": SERVER,
        "ARGO_NAMESPACE": NAMESPACE,
        "ARGO_SERVICE_ACCOUNT": ACCOUNT,
        "KUBECONFIG": find_kubeconfig(),
        "PATH": os.defpath,
    }


@pytest.fixture
def configuration(environ: dict[str, str], tmp_path: Path) -> HeraConfiguration:
    return load_hera_configuration(environ, tmp_path)


def test_a_token_of_the_account_is_kept_and_renewed_before_it_ends(configuration: HeraConfiguration) -> None:
    ahead = [0.0]
    tokens = Tokens(configuration, lambda: time.time() + ahead[0])
    first = tokens()
    ahead[0] = 2800.0
    assert tokens() == first
    ahead[0] = 2900.0
    assert tokens() != first


def test_an_account_that_does_not_exist_is_named(environ: dict[str, str], tmp_path: Path) -> None:
    configuration = load_hera_configuration({**environ, "ARGO_SERVICE_ACCOUNT": "nobody"}, tmp_path)
    with pytest.raises(EngineError) as raised:
        Tokens(configuration)()
    assert "nobody" in raised.value.diagnosis.cause
