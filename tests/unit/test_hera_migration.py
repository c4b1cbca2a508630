"""The migration page: every name in it exists; and the modules lent to scripts, used as scripts use them."""

import re
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import click
import pytest

from tests.values import ROOT
from zoo_runner.cli.main import cli
from zoo_runner.hera.configuration import SETTINGS
from zoo_runner.hera.scripts import LENT

PAGE = (ROOT / "docs" / "hera-migration.md").read_text()
ROWS = [re.split(r" (?<!\\)\| ", line.strip("| \n")) for line in PAGE.splitlines() if line.startswith("| ")][1:]
# all that field scripts were seen to import or set
SURFACE = re.split(
    r"\s+",
    """parse_arguments parser get_parser parse_args get_config_files verify_args k8s_cluster .v1 .namespace
    assert_cluster assert_namespace assert_volume_claim assert_configmap argo_server
    define_argo_server_part_of_environment print_config print_version check_version assert_version
    clear_workflow_template hera_assert_version hera_clear_workflow_template num_exp_environment .k8s .cluster
    toJSON Struct hera-check-server check_server_availability hello_world_container hera_coin_flip
    construct_environment --argo_server --argo_token --argo_namespace --argo_service_account --k8s_config_file
    --k8s_configmap_name --k8s_volume_claim_name ARGOCONFIG ARGO_HTTP1 ARGO_SECURE ARGO_BASE_HREF
    KUBE_DOCKER_REGISTRY hera.bash.tmpl hera.config.tmpl argo.bash.tmpl importenv""",
)


@pytest.fixture
def lent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The modules as a script finds them."""
    monkeypatch.syspath_prepend(str(LENT))
    monkeypatch.setattr(sys, "argv", ["script.py"])
    for name in ("KUBECONFIGMAP", "KUBEVOLUMECLAIMNAME", "ARGO_NAMESPACE"):
        monkeypatch.setenv(name, name.lower())
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] in ("hera_utils", "hera_k8s_utils")]:
        del sys.modules[name]


def find_names(column: int, pattern: str) -> list[str]:
    return sorted(
        {name for row in ROWS for text in re.findall(r"`([^`]+)`", row[column]) for name in re.findall(pattern, text)}
    )


def test_the_page_has_all_of_the_surface() -> None:
    shown = " ".join(row[0] for row in ROWS)
    assert [name for name in SURFACE if name not in shown] == []
    assert all(len(row) == 2 and row[1] for row in ROWS)


@pytest.mark.parametrize("name", find_names(0, r"\bhera_(?:k8s_)?utils\.(?!examples)\w+"))
def test_what_scripts_import_is_lent(name: str, lent: None) -> None:
    module, _, attribute = name.rpartition(".")
    assert hasattr(import_module(module), attribute)


@pytest.mark.parametrize("name", find_names(1, r"\bzoo_runner\.[\w.]+"))
def test_each_python_name_of_the_right_column_exists(name: str) -> None:
    parts = name.split(".")
    found: Any = None
    for number in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:number]))
        except ModuleNotFoundError:
            continue
        break
    assert isinstance(found, ModuleType)
    for part in parts[number:]:
        found = getattr(found, part)


@pytest.mark.parametrize("words", find_names(1, r"^zoo-runner [^`]+"))
def test_each_command_of_the_right_column_exists(words: str) -> None:
    command: click.Command = cli
    for word in words.split()[1:]:
        if isinstance(command, click.Group):
            command = command.commands[word]
        elif word.startswith("--"):
            assert any(word in one.opts for one in command.params)


@pytest.mark.parametrize("name", find_names(1, r"^(?:[A-Z0-9_]{5,}|argo_\w+|k8s_\w+|docker_registry)$"))
def test_each_setting_of_the_right_column_exists(name: str) -> None:
    assert name in {text for one in SETTINGS for text in (one.variable, one.key)}


def test_modules_of_single_classes_can_be_imported_too(lent: None) -> None:
    for name, attributes in {
        "hera_k8s_utils.num_exp_environment": ("num_exp_environment", "Struct"),
        "hera_k8s_utils.k8s_cluster": ("k8s_cluster",),
        "hera_k8s_utils.parser": ("parser",),
        "hera_utils.argo_server": ("argo_server",),
        "hera_utils.parser": ("parser",),
    }.items():
        assert all(isinstance(getattr(import_module(name), one), type) for one in attributes)


def test_a_script_adds_options_that_the_parser_has_already(lent: None) -> None:
    made = import_module("hera_k8s_utils").parser().get_parser()
    made.add("--k8s_volume_claim_name", type=str, default="of the script")
    made.add("--text", default="x", env_var="TEXT")
    args = made.parse_args([])
    assert (args.k8s_volume_claim_name, args.k8s_configmap_name, args.text) == ("of the script", "kubeconfigmap", "x")


def test_a_configargparse_like_parser_of_the_script_is_extended(lent: None) -> None:
    import argparse

    own = argparse.ArgumentParser()
    own.add_argument("--argo_namespace", default="own")
    assert import_module("hera_utils").parser(own).get_parser().parse_args([]).argo_namespace == "own"


def test_an_environment_derived_by_a_script_is_printed_as_json(lent: None, capsys: pytest.CaptureFixture[str]) -> None:
    module = import_module("hera_k8s_utils.num_exp_environment")
    environment = module.num_exp_environment.__new__(module.num_exp_environment)
    environment.persisted_volume = module.Struct()
    environment.persisted_volume.claim_name = "data"
    environment.print_config()
    assert '"claim_name": "data"' in capsys.readouterr().out
