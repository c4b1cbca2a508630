"""JavaScript of packages: evaluated by QuickJS in a bounded process, in place of cwltool's Node.js."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from cwl_utils.errors import JavascriptException
from cwl_utils.sandboxjs import JSEngine, NodeJSEngine, default_timeout, get_js_engine, linenum, set_js_engine

from zoo_runner.engines.cwl_process.javascript_process import LARGEST_ANSWER_BYTES, MEMORY_MIB
from zoo_runner.engines.cwl_process.system_calls import filter_javascript

_PROGRAM = Path(__file__).with_name("javascript_process.py")
_AT = re.compile(r"<input>:(?P<line>\d+):\d+")
_NAMED = re.compile(r"\w*Error: ")
# of JSON; one without an end too, so that it is passed over once and not from each of its quotes
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?$)', re.DOTALL)
_BRACKETS = re.compile(r"[][{}]")
MOST_ELEMENTS = 1_000_000
"""Values in lists and objects that a script may return, in all."""
DEEPEST = 100
"""Levels of lists and objects: cwltool follows them by recursion."""
ALL_SECONDS = 600.0
"""What all scripts of a job may take together."""
_NO_MEMORY = "InternalError: out of memory"


def explain_unusable() -> str | None:
    """Why JavaScript is not evaluated here in a process that can only compute; None where it is."""
    machine = os.uname().machine
    if not filter_javascript(machine):
        return f"system calls are not filtered on {machine}: limits alone hold"
    try:
        with BoundedJavaScript() as engine:
            engine.eval("(1 + 1)")
    except JavascriptException as error:
        return str(error).partition("\n")[0]
    return None


@contextmanager
def bounded_javascript(time_zone: str | None = None) -> Iterator[None]:
    """Have cwltool evaluate JavaScript in a bounded process within the block; not in two threads at once."""
    former = get_js_engine()
    with BoundedJavaScript(time_zone) as engine:
        set_js_engine(engine)
        try:
            yield
        finally:
            set_js_engine(former)


class BoundedJavaScript(JSEngine):
    """Evaluates one expression at a time; the process is started for the first one.

    `time_zone` is that of the process, as in the variable TZ; None: the machine's. All scripts together take at most
    `all_seconds`.
    """

    # parameter references such as `inputs.a.b` are not JavaScript
    regex_eval = NodeJSEngine.regex_eval

    def __init__(self, time_zone: str | None = None, all_seconds: float = ALL_SECONDS) -> None:
        self._left_seconds = self._all_seconds = all_seconds
        self._variables = {"TZ": time_zone} if time_zone else {}
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> "BoundedJavaScript":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._lock:
            self._end()

    def eval(  # type: ignore[override]
        self, scan: str, jslib: str = "", timeout: float = default_timeout, **_: Any
    ) -> Any:
        """Evaluate an expression, `(…)` or `{…}`; `jslib` goes before it, `timeout` is in seconds.

        Raises `JavascriptException`, whose first line says what is wrong.
        """
        # its last line may end with a comment
        body = scan if scan.startswith("{") else f"{{return ({scan[1:-1]}\n);}}"
        head = f'"use strict";\n{jslib}\n'
        script = f"{head}({{value: (function(){body})()}})"
        try:
            return self._evaluate(script, timeout)
        except JavascriptException as error:
            why = add_place(str(error), head.count("\n"), scan)
            raise JavascriptException(f"{why}\nscript was:\n{linenum(script)}") from error

    def _evaluate(self, script: str, timeout: float) -> Any:
        with self._lock:
            answer = self._ask(json.dumps(script), timeout)
        if answer.startswith("!"):
            raise JavascriptException(_explain(json.loads(answer[1:])))
        value = _read_value(answer[1:] or "null")
        # scripts can change how objects are written
        if not isinstance(value, dict) or "value" not in value:
            raise JavascriptException("it returned nothing")
        return value["value"]

    def _ask(self, request: str, timeout: float) -> str:
        if self._left_seconds <= 0:
            raise JavascriptException(
                f"Error: the scripts of this job took more than {self._all_seconds:g} seconds together"
            )
        process = self._start()
        late, began = threading.Event(), time.monotonic()
        timeout = min(timeout, self._left_seconds)

        def stop() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(timeout, stop)
        timer.daemon = True
        timer.start()
        try:
            answer = _exchange(process, request)
        finally:
            timer.cancel()
            self._left_seconds -= time.monotonic() - began
        if late.is_set():
            self._end()
            raise JavascriptException(f"Long-running script killed after {timeout:g} seconds")
        if answer.endswith(b"\n"):
            return answer[:-1].decode("utf-8", "replace")
        self._end()
        raise JavascriptException(f"Error: the JavaScript process ended ({process.returncode})")

    def _start(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            spec = find_spec("_quickjs")
            folder = Path(cast(str, spec.origin)).parent if spec else Path()
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_PROGRAM), str(folder), filter_javascript(os.uname().machine).hex()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=self._variables,
                cwd="/",
            )
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _exchange(process: "subprocess.Popen[bytes]", request: str) -> bytes:
    """Send a request and read the answer; without a newline at its end it is incomplete."""
    if process.stdin is None or process.stdout is None:
        return b""
    try:
        process.stdin.write(request.encode() + b"\n")
        process.stdin.flush()
        return process.stdout.readline(LARGEST_ANSWER_BYTES * 4)
    except BrokenPipeError:
        return b""


def _read_value(text: str) -> Any:
    """Read a value that is small enough for those who work on it; raises `JavascriptException`.

    In the memory of this process an object takes some hundred times the two bytes that it takes as JSON. The other
    process is not relied on, because a script may have broken out of its interpreter there.
    """
    if len(text) > LARGEST_ANSWER_BYTES:
        raise JavascriptException(f"RangeError: its value has more than {LARGEST_ANSWER_BYTES >> 20} MiB as JSON")
    brackets = text.count("[") + text.count("{")
    if brackets > DEEPEST or brackets + text.count(",") > MOST_ELEMENTS:
        _check_structure(_TEXT.sub("", text))
    try:
        return json.loads(text)
    except (RecursionError, ValueError):
        raise JavascriptException("RangeError: its value cannot be read as JSON") from None


def _check_structure(bare: str) -> None:
    """Check JSON without its texts."""
    if sum(map(bare.count, ",[{")) > MOST_ELEMENTS:
        raise JavascriptException(f"RangeError: its value has more than {MOST_ELEMENTS:,} elements")
    steps = (1 if sign in "[{" else -1 for sign in _BRACKETS.findall(bare))
    if max(accumulate(steps), default=0) > DEEPEST:
        raise JavascriptException(f"RangeError: its value has more than {DEEPEST} levels")


def _explain(error: str) -> str:
    if error.startswith(_NO_MEMORY):
        return f"RangeError: out of memory (a script may use {MEMORY_MIB} MiB)"
    return error if _NAMED.match(error) else f"Error: it threw {error}"


def add_place(error: str, lines_before: int, scan: str) -> str:
    """Name the line of the expression, if it has several, and drop the way through the script."""
    first, at = error.partition("\n")[0], _AT.search(error)
    if at is None:
        return first
    line = min(int(at["line"]) - lines_before, scan.count("\n") + 1)
    if line < 1:
        return f"{first} (in expressionLib)"
    return f"{first} (line {line} of the expression)" if "\n" in scan.strip() else first
