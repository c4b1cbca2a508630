"""What handlers answer about pull secrets, in all forms that pycalrissian takes."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from zoo_runner.config.configuration import load_configuration
from zoo_runner.zoo.conf import Conf, merge_variables, read_site
from zoo_runner.zoo.hooks import Hooks, find_docker_configs, find_secret_names

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
def test_names_and_configurations_are_distinguished(answer: Any, names: list[str], configs: list[Any]) -> None:
    assert find_secret_names(answer) == names
    assert find_docker_configs(answer) == configs


def test_data_that_is_no_configuration_is_not_passed_over_in_silence() -> None:
    assert find_docker_configs({"data": {".dockerconfigjson": "!"}}) == [None]


class Handler:
    """A site's handler, as existing ones are."""

    def get_namespace(self) -> str:
        return "eo-processing"

    def get_service_account(self) -> str:
        return "eo-runner"

    def get_secrets(self) -> Any:
        return {"imagePullSecrets": [SECRET], "additionalImagePullSecrets": [{"name": "there"}]}


def test_what_a_handler_answers_reaches_the_jobs_pods(tmp_path: Path) -> None:
    conf: Conf = {
        "main": {"tmpPath": str(tmp_path), "tmpUrl": "http://example.org/temp"},
        "lenv": {"usid": "j1", "Identifier": "water"},
    }
    site = read_site(conf)
    parameters = Hooks(Handler()).prepare(site, conf, None)
    configuration = load_configuration(merge_variables(conf, {}, parameters))
    cluster = configuration.kubernetes
    assert (configuration.workspace.namespace, cluster.service_account) == ("eo-processing", "eo-runner")
    assert (cluster.pull_secrets, cluster.pull_credentials) == (("there",), (CONFIG,))
