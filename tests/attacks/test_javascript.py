"""Expressions that try to reach the host, or take all of its time or memory."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cwl_utils.errors import JavascriptException

from tests.attacks.hostile import CANARY, Host, expression, find_canary, run_here
from tests.site import Site
from zoo_runner.engines.cwl_process import javascript_process
from zoo_runner.engines.cwl_process.javascript import BoundedJavaScript
from zoo_runner.engines.cwl_process.processes import descendants
from zoo_runner.engines.cwl_process.system_calls import filter_javascript

# each gives the host's environment, files or programs in Node.js, some from inside of its `vm`
REACHING = {
    "process": "process.env",
    "process by a constructor": "this.constructor.constructor('return process')().env",
    "process by the global object": "globalThis.constructor.constructor('return process')().mainModule",
    "process by an error": "(() => { try { null.x } catch (e) {"
    " return e.constructor.constructor('return process')().env } })()",
    "process by console": "console.log.constructor('return process')().env",
    "process by a promise": "Promise.resolve().constructor.constructor('return process')().env",
    "process by a stack trace": "(() => { Error.prepareStackTrace = (e, frames) => frames[0].getThis();"
    " return new Error().stack.process.env })()",
    "require": "require('fs').readFileSync(SECRET, 'utf8')",
    "a module": "(() => { const m = import('fs'); return m.readFileSync(SECRET) })()",
    "the std module of qjs": "std.loadFile(SECRET)",
    "the os module of qjs": "os.open(SECRET)",
    "a script": "load(SECRET)",
    "a request": "fetch(URL)",
    "an old request": "(() => { const r = new XMLHttpRequest(); r.open('GET', URL, false); r.send();"
    " return r.responseText })()",
    "a socket": "new WebSocket(URL)",
    "Deno": "Deno.readTextFileSync(SECRET)",
    "Java": "java.lang.Runtime.getRuntime()",
    "WebAssembly": "new WebAssembly.Memory({initial: 1}).buffer.byteLength",
    "a worker": "new Worker(SECRET)",
}


@pytest.mark.parametrize("name", REACHING)
def test_an_expression_reaches_nothing_of_the_host(name: str, site: Site, host: Host) -> None:
    code = REACHING[name].replace("SECRET", repr(str(host.secret))).replace("URL", repr(host.url))
    error = run_here(site, expression(f"JSON.stringify({code})", "string"))
    assert error is not None
    assert error.diagnosis.code == "step.expression"
    assert host.contacts == []
    assert find_canary(site.folder) == []


@pytest.fixture
def javascript() -> Iterator[BoundedJavaScript]:
    with BoundedJavaScript() as engine:
        yield engine


TAKING = {
    "memory in arrays": "{var all = []; for (;;) all.push(new Array(1e5).fill(1));}",
    "memory in a text": "('x'.repeat(3e8))",
    "memory in a buffer": "(new ArrayBuffer(4e9).byteLength)",
    "a value that its JSON makes large": "{var a = 'x'; for (var i = 0; i < 40; i++) a = [a, a]; return a;}",
    "a value above the limit": "('x'.repeat(17 * 1024 * 1024))",
    "a value of many elements": "(new Array(1e6 + 1).fill(1))",
    "a value of many small objects": "{var a = []; for (var i = 0; i < 5e5; i++) a.push({}, []); return a;}",
    "a value of many levels": "{var a = []; for (var i = 0; i < 101; i++) a = {a}; return a;}",
    "the stack": "{const f = () => 1 + f(); return f();}",
    "the stack of a getter": "{const o = {get a() { return this.a; }}; return o.a;}",
    "a value nested deeply": "{var a = []; for (var i = 0; i < 1e5; i++) a = [a]; return a;}",
    "a value that contains itself": "{var a = {}; a.a = a; return a;}",
    "time": "{for (;;);}",
    "time in a regular expression": f"(/^(a+)+$/.test('{'a' * 60}b'))",
    "time in toJSON": "({toJSON: () => { for (;;); }})",
    "time in a sort": "{const a = Array.from({length: 100}, (_, i) => i); return a.sort(() => { for (;;); });}",
}


@pytest.mark.parametrize("name", TAKING)
@pytest.mark.timeout(120)
def test_an_expression_that_takes_all_ends_with_an_error(name: str, javascript: BoundedJavaScript) -> None:
    started = time.monotonic()
    with pytest.raises(JavascriptException):
        javascript.eval(TAKING[name], timeout=10)
    assert time.monotonic() - started < 60
    assert javascript.eval("(1 + 1)") == 2


def test_all_expressions_of_a_job_share_a_budget_of_time() -> None:
    with BoundedJavaScript(all_seconds=3) as engine:
        assert engine.eval("(1)") == 1
        for _ in range(2):
            with pytest.raises(JavascriptException):
                engine.eval("{for (;;);}", timeout=60)
        with pytest.raises(JavascriptException):
            engine.eval("(1)")


HONEST = {
    "levels": ("{var a = 1; for (var i = 0; i < 95; i++) a = [a]; return a;}", 1),
    "brackets": ("('[{'.repeat(1e5))", 200_000),
    "commas": ("(',\\\"'.repeat(1e6))", 2_000_000),
    "elements": ("(new Array(999990).fill(1))", 999_990),
}


@pytest.mark.parametrize("name", HONEST)
def test_a_value_within_the_limits_is_returned(name: str, javascript: BoundedJavaScript) -> None:
    assert len(javascript.eval(HONEST[name][0])) == HONEST[name][1]


FILTER = filter_javascript(os.uname().machine)


def run_confined(code: str, folder: str) -> "subprocess.CompletedProcess[str]":
    """Run Python in a process that is confined as the one of JavaScript: as a script that broke out of QuickJS."""
    prepared = "import ctypes, mmap, os, resource, signal, socket, sys; libc = ctypes.CDLL(None, use_errno=True); "
    program = f"import runpy; {prepared} runpy.run_path({javascript_process.__file__!r})['confine']({FILTER!r}); {code}"
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False, cwd=folder, timeout=60
    )


ESCAPED = {
    "reads a file": "print(os.read(os.open({secret!r}, os.O_RDONLY), 100))",
    "writes a file": "os.open({secret!r}, os.O_WRONLY | os.O_TRUNC)",
    "lists a folder": "print(os.listdir({folder!r}))",
    "removes a file": "os.unlink({secret!r})",
    "connects": "socket.socket().connect(('127.0.0.1', {port}))",
    "starts a program": "os.execv('/bin/cat', ['cat', {secret!r}])",
    "starts a process": "os.fork()",
    "ends its parent": "os.kill(os.getppid(), signal.SIGKILL)",
    "reads its parent's environment": "print(os.read(os.open(f'/proc/{{os.getppid()}}/environ', 0), 1000))",
    "maps code": "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)",
    "raises its limits": "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))",
    "traces its parent": "libc.ptrace(16, os.getppid(), 0, 0); raise OSError(ctypes.get_errno(), 'ptrace')",
}
# EPERM of the filter, as Python shows it
REFUSED = ("PermissionError", "not allowed to raise maximum limit")


@pytest.mark.skipif(not FILTER, reason="calls are filtered on two machines")
@pytest.mark.parametrize("name", ESCAPED)
def test_a_script_that_breaks_out_of_its_engine_can_only_compute(name: str, host: Host, tmp_path: Path) -> None:
    known = {"secret": str(host.secret), "folder": str(host.folder), "port": host.port}
    done = run_confined(ESCAPED[name].format(**known), str(tmp_path))
    assert any(refused in done.stderr for refused in REFUSED), done.stderr
    assert CANARY not in done.stdout
    assert host.read()["secret.txt"] == CANARY
    assert host.contacts == []


def test_the_process_of_javascript_has_no_environment(javascript: BoundedJavaScript) -> None:
    javascript.eval("(1)")
    environments = [
        (path / "environ").read_bytes()
        for path in (Path("/proc", str(pid)) for pid in descendants(os.getpid()))
        if b"javascript_process" in (path / "cmdline").read_bytes()
    ]
    assert environments
    assert set(environments) == {b""}


def test_a_confined_process_still_computes(tmp_path: Path) -> None:
    done = run_confined("print(len(bytearray(64 << 20)))", str(tmp_path))
    assert json.loads(done.stdout) == 64 << 20
