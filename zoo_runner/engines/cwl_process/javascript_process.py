"""Evaluates JavaScript for a launcher: a process that can compute and answer, and nothing else.

A program of its own that needs the standard library and quickjs only: `javascript_process.py
FOLDER_OF_QUICKJS FILTER`, the filter of system calls as hexadecimal digits.
Each line of stdin is a script, as a JSON string. The answer is a line: `=` and the value of the script as JSON, `=`
alone if it has none, or `!` and the error as a JSON string. QuickJS gives scripts no files, network or modules. Should
a script break out of it nevertheless, it is in a process without environment, which the kernel lets read and write
open pipes and ask for memory that is not executable, but not open, connect, start or signal anything.
"""

import ctypes
import json
import resource
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quickjs import Context

MEMORY_MIB = 256
"""Memory that a script may use."""
LARGEST_ANSWER_BYTES = 16 << 20
"""Size of the largest value, as JSON."""
LONGEST_ERROR = 4096
"""Characters of the text of an error."""
# for as many nested calls as in V8, about 10,000
_STACK_BYTES = 32 << 20
# in a context of Node's `vm`, `console` is there and prints nothing, and these others are not
_PRELUDE = """
globalThis.console = Object.fromEntries(
  ["assert", "debug", "dir", "error", "group", "groupEnd", "info", "log", "table", "time", "timeEnd", "trace", "warn"]
    .map((name) => [name, () => undefined]));
for (const name of ["DOMException", "atob", "btoa", "performance", "queueMicrotask"]) delete globalThis[name];
"""

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2


class _Program(ctypes.Structure):
    """linux/filter.h, struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def confine(code: bytes) -> int:
    """Give up what a script does not need; return how many bytes of stack it may use.

    `code` is the filter of system calls; where it is empty, the limits alone hold. Raises `OSError` where the kernel
    does not filter calls.
    """
    limits = {
        resource.RLIMIT_AS: (3 * MEMORY_MIB + 256) << 20,
        resource.RLIMIT_NOFILE: 0,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_STACK: 2 * _STACK_BYTES,
    }
    for limit, value in limits.items():
        # a lower one of the machine stays
        hard = resource.getrlimit(limit)[1]
        lowest = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (lowest, lowest))
    # asked now: the filter lets nobody ask
    stack_bytes = resource.getrlimit(resource.RLIMIT_STACK)[0] // 2
    filter_calls(code)
    return stack_bytes


def filter_calls(code: bytes) -> None:
    """Have the kernel judge the calls of this thread, and of all that it starts, by a program; raises `OSError`.

    An empty program is for machines whose calls are not known here.
    """
    if not code:
        return
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    program = _Program(len(code) // 8, code)
    for arguments in (
        (_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0),
    ):
        if prctl(*arguments):
            raise OSError(ctypes.get_errno(), "the kernel does not filter the calls of processes")


def evaluate(new_context: "type[Context]", script: str, stack_bytes: int = _STACK_BYTES) -> str:
    """Evaluate a script, in an interpreter of its own; return the answer."""
    try:
        context = new_context()
        context.set_memory_limit(MEMORY_MIB << 20)
        context.set_max_stack_size(stack_bytes)
        context.eval(_PRELUDE)
        # None where a script changed how objects are written
        text = context.eval(script).json() or ""
    # its errors have the text of the script's own; its memory may be used up, and its texts may be no Unicode
    except Exception as error:  # noqa: BLE001 the entry point of the process
        return "!" + json.dumps(_shorten(str(error)))
    if len(text) > LARGEST_ANSWER_BYTES:
        return "!" + json.dumps(f"RangeError: its value has more than {LARGEST_ANSWER_BYTES >> 20} MiB as JSON")
    return f"={text}"


def _shorten(error: str) -> str:
    """Shorten the text of an error, which a script may make as long as it likes; its end has the place."""
    return error if len(error) <= LONGEST_ERROR else f"{error[: LONGEST_ERROR - 1000]} … {error[-900:]}"


def main(folder: str, code: str) -> None:
    """Answer until stdin ends."""
    sys.path.append(folder)
    from quickjs import Context

    context = Context()
    context.eval(_PRELUDE + "; new Date().getHours()")  # reads the time zone
    stack_bytes = confine(bytes.fromhex(code))
    for line in sys.stdin.buffer:
        answer = evaluate(Context, json.loads(line), stack_bytes)
        sys.stdout.buffer.write(answer.encode("utf-8", "replace") + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
