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
            found += [(script, body) for body in _list_bodies(script)]
        except SubstitutionError:
            yield script, "an expression has no end"
    if not found:
        return
    try:
        with BoundedJavaScript() as engine:
            answers = engine.eval(_COMPILE % json.dumps([f"{_HEAD}{body}" for _, body in found]))
    except JavascriptException:
        return
    for (script, body), answer in zip(found, answers, strict=True):
        if answer:
            yield script, add_place(answer, _LINES_BEFORE, body)


def _list_bodies(script: Script) -> Iterator[str]:
    """List the bodies of the functions that a text is evaluated with; raises `SubstitutionError` for one without end.

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
            yield f"return ({expression[2:-1]}\n);" if expression[1] == "(" else expression[2:-1]
