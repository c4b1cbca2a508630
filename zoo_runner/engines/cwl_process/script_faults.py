"""Finds scripts of a package that no input can make run: compiled as they would be evaluated, and not run."""

import json
from collections.abc import Iterator, Sequence

from zoo_runner.package.scripts import Script, needs_javascript

_COMPILE = """{return %s.map(function (text) {
  try { new Function(text); return null; } catch (error) { return error + "\\n" + error.stack; }
});}"""
_HEAD = '"use strict";\n'
# the head of a function that is made of a text, and `_HEAD`
_LINES_BEFORE = 3


def find_script_faults(scripts: Sequence[Script]) -> Iterator[tuple[Script, str]]:
    """Find the scripts with a syntax error, and say which; none where JavaScript cannot be evaluated here."""
    # libraries of cwltool, which a server or a command needs for packages with JavaScript alone
    from cwl_utils.errors import JavascriptException, SubstitutionError

    from zoo_runner.engines.cwl_process.javascript import BoundedJavaScript, add_place

    found: list[tuple[Script, str]] = []
    for script in scripts:
        try:
            found += [(script, expression) for expression in _list_expressions(script)]
        except SubstitutionError:
            yield script, "an expression has no end"
    if not found:
        return
    try:
        with BoundedJavaScript() as engine:
            bodies = [f"{_HEAD}{_build_body(*one)}" for one in found]
            answers = engine.eval(_COMPILE % json.dumps(bodies))
    except JavascriptException:
        return
    for (script, expression), answer in zip(found, answers, strict=True):
        if answer:
            yield script, add_place(answer, _LINES_BEFORE, expression)


def _build_body(script: Script, text: str) -> str:
    """Build the body of the function that evaluates `(…)`, whose last line may be a comment, `{…}` or a library."""
    is_value = text.startswith("(") and not script.is_library
    return f"return {text[:-1]}\n);" if is_value else text


def _list_expressions(script: Script) -> Iterator[str]:
    """List the expressions of a text, `(…)` or `{…}`, or a library; raises `SubstitutionError` for one without end.

    Source: CWL v1.2, Command Line Tool Description, "Expressions".
    """
    from cwl_utils.expression import scanner

    if script.is_library:
        yield script.text
        return
    text = script.text.strip()
    while (place := scanner(text)) is not None:
        start, end = place
        expression, text = text[start:end], text[end:]
        # the other is an escaped character
        if expression.startswith("$") and needs_javascript(expression):
            yield expression[1:]
