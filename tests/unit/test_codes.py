"""Every diagnosis has a registered code, and every registered code is used: held by walking the source."""

import ast
from collections.abc import Iterator

import pytest

from tests.unit.source import Node, list_nodes
from tests.values import ROOT
from zoo_runner.model import errors
from zoo_runner.model.codec import from_plain, to_plain
from zoo_runner.model.codes import CODES
from zoo_runner.model.diagnosis import Diagnosis, Level, Stage
from zoo_runner.model.errors import EngineError, PackageError, RunnerError, StageOutError
from zoo_runner.model.problems import build_problem
from zoo_runner.package.findings import RULE_TEXTS
from zoo_staging.errors import Kind, Side, StagingError

SOURCE = ROOT / "zoo_runner"
# these say little by themselves: whoever raises one has to say more
_VAGUE = frozenset(
    {"PackageError", "InvalidPackageError", "InputError", "StageInError", "ToolError", "EngineError", "StageOutError"}
)


def walk_source(*kinds: type[Node]) -> Iterator[tuple[str, Node]]:
    for path in sorted(SOURCE.rglob("*.py")):
        place = str(path.relative_to(ROOT))
        for node in list_nodes(path, *kinds):
            yield place, node


def texts_of(node: ast.AST) -> set[str]:
    return {part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)}


def find_named() -> dict[str, str]:
    """Codes that are given to an error, or are its default, and where."""
    named: dict[str, str] = {}
    for place, node in walk_source(ast.keyword, ast.AnnAssign, ast.Assign):
        match node:
            case ast.keyword(arg="code", value=ast.Constant(value=str(code))):
                named[code] = place
            case ast.keyword(arg="code", value=ast.IfExp() as choice):
                named |= dict.fromkeys(texts_of(choice.body) | texts_of(choice.orelse), place)
            case ast.AnnAssign(target=ast.Name(id="code" | "default_code"), value=ast.Constant(value=str(code))):
                named[code] = place
            case ast.Assign(targets=[ast.Name(id="code" | "default_code")], value=ast.Constant(value=str(code))):
                named[code] = place
    return named


def test_every_code_that_the_source_names_is_registered() -> None:
    named = find_named()
    assert len(named) > 50
    assert {code: place for code, place in named.items() if code and code not in CODES} == {}


def test_every_registered_code_is_used() -> None:
    used = set()
    for place, node in walk_source(ast.Constant):
        if isinstance(node.value, str) and not place.startswith("zoo_runner/model/codes/"):
            used.add(node.value)
    assert [code for code in CODES if code not in used | list_staging_codes()] == []


def list_staging_codes() -> set[str]:
    codes = set()
    for side in Side:
        for kind in Kind:
            error = StagingError(kind, "x", "because", "Do.")
            error.side = side
            codes.add(error.code)
    return codes


def test_each_kind_of_staging_error_has_a_code_on_every_side() -> None:
    assert list_staging_codes() - CODES.keys() == set()


def test_every_error_that_says_little_by_itself_is_given_a_code() -> None:
    lacking = [
        f"{place}:{node.lineno}"
        for place, node in walk_source(ast.Call)
        if isinstance(node.func, ast.Name)
        and node.func.id in _VAGUE
        and not any(keyword.arg == "code" for keyword in node.keywords)
    ]
    assert lacking == []


def test_codes_have_one_form_and_full_sentences() -> None:
    for name, code in CODES.items():
        about, _, what = name.partition(".")
        assert about.isalpha()
        assert what.replace("-", "").isalnum(), name
        assert code.name == name
        assert code.meaning.endswith(".")
        assert code.remedy.endswith("."), name


def test_findings_do_not_reuse_the_codes_of_diagnoses() -> None:
    assert set(RULE_TEXTS) & set(CODES) == set()


@pytest.mark.parametrize("kind", [one for one in vars(errors).values() if isinstance(one, type)], ids=str)
def test_each_error_has_a_registered_default(kind: type) -> None:
    if issubclass(kind, RunnerError):
        assert kind.default_code in CODES


def test_the_level_is_that_of_the_code_unless_one_is_given() -> None:
    assert EngineError("c", "r", code="image.unreachable").diagnosis.level is Level.PLATFORM
    assert EngineError("c", "r", code="image.unreachable", level=Level.USER).diagnosis.level is Level.USER
    assert StageOutError("c", "r", code="of.somebody-else").diagnosis.level is Level.USER


def test_a_diagnosis_survives_json_and_its_error_can_be_restored() -> None:
    import json

    problem = build_problem("inputs.type", ("inputs",), ("items", 3, "a/b"), "expected int, got null")
    assert (problem.path, problem.pointer) == ("items[3].a/b", "/inputs/items/3/a~1b")
    diagnosis = Diagnosis(Stage.INPUTS, Level.USER, "c", "r", ("e",), code="inputs.type", problems=(problem,))
    again = from_plain(Diagnosis, json.loads(json.dumps(to_plain(diagnosis))))
    assert again == diagnosis
    assert PackageError.restore(again).diagnosis == diagnosis
    masked = diagnosis.masked(lambda text: text.replace("null", "***"))
    assert masked.problems[0].message == "expected int, got ***"
