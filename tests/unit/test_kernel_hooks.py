"""What handlers answer about pull secrets, in all forms that pycalrissian takes."""

import base64
import json
from typing import Any

import pytest

from zoo_runner.zoo.hooks import find_docker_configs, find_secret_names

CONFIG = {"auths": {"registry.example": {"auth": "dTpw"}}}
DATA = base64.b64encode(json.dumps(CONFIG).encode()).decode()
SECRET = {"name": "made", "type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": DATA}}


@pytest.mark.parametrize(
    ("answer", "names", "configs"),
    [
        (None, [], []),
        ("regcred", ["regcred"], []),
        ([{"name": "one"}, "two"], ["one", "two"], []),
        (CONFIG, [], [CONFIG]),
        ([CONFIG, {"name": "one"}], ["one"], [CONFIG]),
        ({"imagePullSecrets": [SECRET], "additionalImagePullSecrets": [{"name": "there"}]}, ["there"], [CONFIG]),
        ({"imagePullSecrets": None}, [], []),
    ],
)
def test_names_and_configurations_are_told_apart(answer: Any, names: list[str], configs: list[Any]) -> None:
    assert find_secret_names(answer) == names
    assert find_docker_configs(answer) == configs


def test_data_that_is_no_configuration_is_not_passed_over_in_silence() -> None:
    assert find_docker_configs({"data": {".dockerconfigjson": "!"}}) == [None]
