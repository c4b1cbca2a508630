"""JavaScript of packages: the values and errors that expressions give, as with Node.js in cwltool."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cwl_utils.errors import JavascriptException

from zoo_runner.cli.main import cli
from zoo_runner.engines.cwl_process.javascript import BoundedJavaScript
from zoo_runner.engines.cwl_process.mistakes import explain_mistake
from zoo_runner.engines.cwl_process.script_faults import find_script_faults
from zoo_runner.package.scripts import Script

LIBRARY = 'function twice(x) { return 2 * x; }\nvar inputs = {"x": 21, "name": "é\\u2028"};'
VALUES: dict[str, Any] = {
    "(inputs.x + 1)": 22,
    "(twice(inputs.x))": 42,
    "{return inputs.name;}": "é\u2028",
    "{var all = []; for (const i of [1, 2]) all.push(`${i}`); return all;}": ["1", "2"],
    "{return {a: undefined, b: null, c: () => 1, d: NaN, e: new Date(0)};}": {
        "b": None,
        "d": None,
        "e": "1970-01-01T00:00:00.000Z",
    },
    "(null)": None,
    "(inputs?.y ?? 'none')": "none",
    "([3, 1, 2].sort().at(-1))": 3,
    "('x.tif'.replace(/(?<name>.)\\.tif$/u, '$<name>.png'))": "x.png",
    "{console.log('to nobody'); return 1;}": 1,
    "(typeof this)": "undefined",
    "{const f = (n) => n ? 1 + f(n - 1) : 0; return f(10000);}": 10000,
    "('\\ud800'.length)": 1,
    "(1e21)": 1e21,
    "(1 + 1 // two)": 2,
    "(1 +\n 1 // two)": 2,
}
ERRORS = {
    "(foo.bar)": "ReferenceError: foo is not defined",
    "{\n  var a;\n  return a.b;\n}": "TypeError: cannot read property 'b' of undefined (line 3 of the expression)",
    "(1+)": "SyntaxError: ",
    "(1 +\n foo.bar // two)": "ReferenceError: foo is not defined (line 2 of the expression)",
    "{a = 1; return a;}": "ReferenceError: ",
    "{return;}": "it returned nothing",
    "(function () {})": "it returned nothing",
    "{throw 'no scene'}": "Error: it threw no scene",
    "{throw new Error('no scene')}": "Error: no scene",
    "(1n)": "TypeError: ",
}


@pytest.fixture(scope="module")
def javascript() -> Iterator[BoundedJavaScript]:
    with BoundedJavaScript() as engine:
        yield engine


@pytest.mark.parametrize("expression", VALUES)
def test_an_expression_has_the_value_that_the_standard_says(javascript: BoundedJavaScript, expression: str) -> None:
    assert javascript.eval(expression, LIBRARY) == VALUES[expression]


@pytest.mark.parametrize("expression", ERRORS)
def test_an_error_is_reported_with_its_reason(javascript: BoundedJavaScript, expression: str) -> None:
    with pytest.raises(JavascriptException) as raised:
        javascript.eval(expression, LIBRARY)
    diagnosed = explain_mistake(f"[step s] Cannot make job: Expression evaluation error:\n{raised.value}")
    assert diagnosed is not None
    assert (diagnosed.diagnosis.code, diagnosed.diagnosis.step) == ("step.expression", "s")
    assert ERRORS[expression] in diagnosed.diagnosis.cause


def test_an_error_in_the_library_is_reported_as_such(javascript: BoundedJavaScript) -> None:
    with pytest.raises(JavascriptException, match=r"SyntaxError: .* \(in expressionLib\)"):
        javascript.eval("(1)", "function () {")


def test_an_expression_knows_nothing_of_those_before_it(javascript: BoundedJavaScript) -> None:
    javascript.eval("{globalThis.kept = 1; Array.prototype.map = null; return 1;}")
    assert javascript.eval("(typeof kept + typeof [].map)") == "undefinedfunction"


def test_expressions_of_steps_that_run_at_once_get_their_own_values(javascript: BoundedJavaScript) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: javascript.eval(f"({n} * 2)"), range(40)))
    assert found == [2 * n for n in range(40)]


def test_the_value_may_be_large(javascript: BoundedJavaScript) -> None:
    listing = [{"class": "File", "location": f"file:///scene/{n}.tif"} for n in range(20_000)]
    assert javascript.eval("(listing)", f"var listing = {json.dumps(listing, indent=4)};") == listing


def test_the_time_zone_is_that_of_the_job() -> None:
    with BoundedJavaScript("Asia/Kolkata") as engine:
        assert engine.eval("(new Date(0).getHours() + ':' + new Date(0).getMinutes())") == "5:30"


def test_the_text_of_an_error_is_short_and_keeps_the_place_of_its_line(javascript: BoundedJavaScript) -> None:
    with pytest.raises(JavascriptException) as raised:
        javascript.eval("{\n throw new Error('x'.repeat(20000000));\n}")
    first = str(raised.value).partition("\n")[0]
    assert len(first) < 5000
    assert first.endswith("(line 2 of the expression)")


@pytest.mark.parametrize("answer", ["5", "'value'", "['value']", "null", "undefined"])
def test_a_script_that_changes_how_values_are_written_is_an_error_of_its_own(
    javascript: BoundedJavaScript, answer: str
) -> None:
    with pytest.raises(JavascriptException, match="it returned nothing"):
        javascript.eval(f"{{Object.prototype.toJSON = function () {{ return {answer}; }}; return 1;}}")


def test_a_machine_that_allows_a_smaller_stack_evaluates_too() -> None:
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_STACK, (4 << 20, 4 << 20));"
        "from zoo_runner.engines.cwl_process.javascript import BoundedJavaScript as B;"
        "e = B(); print(e.eval('(1 + 1)')); e.__exit__(None, None, None)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "2\n"


FAULTS = {
    "$(inputs.x +)": "token in expression: ')'",
    "a $(inputs.a).txt ${return 1 +;}": "SyntaxError",
    "${\n  var a = 1;\n  retrn a;\n}": "(line 3 of the expression)",
    "$(inputs.x": "has no end",
    "${function f() {}": "has no end",
}


@pytest.mark.parametrize("text", FAULTS)
def test_a_script_that_does_not_compile_is_found_without_running_any(text: str) -> None:
    fine = Script("/fine", "${while (true) {} } $(inputs['a b'].c) \\$(date) $(undefinedThing.x)")
    ((script, why),) = find_script_faults([fine, Script("/here", text)])
    assert script.place == "/here"
    assert FAULTS[text] in why
    assert ("line" in why) == ("\n" in text)


def test_an_expression_library_is_compiled_too() -> None:
    scripts = [Script("/lib", text, is_library=True) for text in (LIBRARY, "function f( {", "(() => 1)();")]
    assert [script.text for script, _ in find_script_faults(scripts)] == ["function f( {"]


SCRIPTED = """\
cwlVersion: v1.2
class: CommandLineTool
requirements:
  InlineJavascriptRequirement:
    expressionLib:
      - "function f( {"
baseCommand: echo
inputs:
  x: int
arguments:
  - valueFrom: $(inputs.x + )
outputs:
  o:
    type: File
    outputBinding:
      glob: $(f(inputs.x))
"""


def test_validate_names_the_lines_of_scripts_with_syntax_errors(tmp_path: Path) -> None:
    (tmp_path / "a.cwl").write_text(SCRIPTED)
    done = CliRunner().invoke(cli, ["validate", str(tmp_path / "a.cwl"), "--format", "json"])
    found = [one for one in json.loads(done.output) if one["rule"] == "package.script"]
    assert done.exit_code == 3
    assert {(one["severity"], one["line"]) for one in found} == {("error", 10), ("error", 3)}
