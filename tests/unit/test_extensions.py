"""cwltool's extensions to CWL: accepted as requirements, kept as hints, and what is secret by them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cwltool import process
from schema_salad.schema import load_schema

from tests.values import FAILING, PACKAGES, settings_in, small_package
from zoo_runner.model.errors import PackageError
from zoo_runner.package.extensions import SECRETS, find_secret_inputs, make_extensions_hints
from zoo_runner.package.loading import load_package


def test_a_requirement_that_is_an_extension_becomes_a_hint_wherever_it_stands() -> None:
    extension, plain = {"class": SECRETS, "secrets": ["a"]}, {"class": "NetworkAccess"}
    node: dict[str, Any] = {"steps": [{"run": {"requirements": [extension, plain], "hints": [plain]}}]}
    make_extensions_hints(node)
    assert node["steps"][0]["run"] == {"requirements": [plain], "hints": [plain, extension]}


def test_an_input_that_goes_to_a_secret_one_is_secret(tmp_path: Path) -> None:
    package = load_package(str(PACKAGES / "features" / "secrets" / "secrets.cwl#secrets"), settings_in(tmp_path))
    assert find_secret_inputs(package) == {"password"}


@pytest.mark.parametrize("secrets", [None, 5, "password", {}])
def test_a_hint_that_names_nothing_makes_nothing_secret(secrets: Any) -> None:
    assert find_secret_inputs(small_package(hints=[{"class": SECRETS, "secrets": secrets}])) == frozenset()


EXTENDED: dict[str, Any] = {
    "class": "CommandLineTool",
    "id": "t",
    "$namespaces": {"cwltool": "http://commonwl.org/cwltool#", "s": "https://schema.org/"},
    "s:softwareVersion": "1.0",
    "requirements": [{"class": "cwltool:Secrets", "secrets": ["a"]}],
    "baseCommand": "true",
    "inputs": {"a": {"type": "string"}},
    "outputs": {},
}
SCHEMA = "https://w3id.org/cwl/CommonWorkflowLanguage.yml"
FIELDS = [{"name": "x", "type": "string"}]
NOTED = {"type": {"type": "record", "name": "r", "doc": "as the types of the community have", "fields": FIELDS}}
MISSPELT: dict[str, tuple[dict[str, Any], str]] = {
    "a tool": ({"stdoot": "x"}, "stdoot"),
    "an input": ({"inputs": {"a": {"type": "string", "inputBindng": {}}}}, "inputBindng"),
    "the extension": ({"requirements": [{**EXTENDED["requirements"][0], "secrts": ["a"]}]}, "secrts"),
    "beside a hint": ({"requirements": [], "hints": EXTENDED["requirements"], "stdoot": "x"}, "stdoot"),
    "beside `doc` in a type": ({"inputs": {"a": "string", "b": NOTED}, "stdoot": "x"}, "stdoot"),
    "beside a field of a namespace": ({"requirements": [], "cwltool:note": 1, "stdoot": "x"}, "stdoot"),
}


@pytest.fixture(scope="module")
def parse_once() -> Callable[..., Any]:
    """Parses each schema once."""
    kept: dict[tuple[str, str], Any] = {}

    def parse(name: str, cache: dict[str, Any]) -> Any:
        if (name, cache[SCHEMA]) not in kept:
            kept[name, cache[SCHEMA]] = load_schema(name, cache=cache)
        return kept[name, cache[SCHEMA]]

    return parse


@pytest.fixture
def _plain_schema(monkeypatch: pytest.MonkeyPatch, parse_once: Callable[..., Any]) -> None:
    """The schema without extensions, as in a new process: other tests may have loaded the larger one."""
    process.custom_schemas.clear()
    process.SCHEMA_CACHE.clear()
    monkeypatch.setattr(process, "load_schema", parse_once)


@pytest.mark.usefixtures("_plain_schema")
@pytest.mark.parametrize("version", ["v1.0", "v1.2"])
@pytest.mark.parametrize("what", MISSPELT)
def test_a_misspelt_field_is_found_beside_an_extension(what: str, version: str, tmp_path: Path) -> None:
    other, field = MISSPELT[what]
    (tmp_path / "p.cwl").write_text(json.dumps({"cwlVersion": version, **EXTENDED, **other}))
    with pytest.raises(PackageError) as caught:
        load_package(str(tmp_path / "p.cwl"), settings_in(tmp_path))
    assert caught.value.diagnosis.code == "package.invalid"
    assert field in " ".join(caught.value.diagnosis.evidence)
    assert "Secrets" not in " ".join(caught.value.diagnosis.evidence)


@pytest.mark.usefixtures("_plain_schema")
def test_an_extension_and_what_the_types_of_the_community_have_are_taken_together(tmp_path: Path) -> None:
    document = {"cwlVersion": "v1.0", **EXTENDED, "inputs": {"a": "string", "b": NOTED}}
    (tmp_path / "p.cwl").write_text(json.dumps(document))
    assert find_secret_inputs(load_package(str(tmp_path / "p.cwl"), settings_in(tmp_path))) == {"a"}


def test_a_package_that_asks_for_a_gpu_is_taken(tmp_path: Path) -> None:
    package = load_package(str(FAILING / "no-gpu" / "no-gpu.cwl"), settings_in(tmp_path))
    (hint,) = [hint for hint in package.processes["tool"]["hints"] if "CUDA" in hint["class"]]
    assert hint["cudaVersionMin"] == "12.0"
