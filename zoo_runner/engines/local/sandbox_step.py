"""Becomes the program that makes a sandbox and starts a step in it: `sandbox_step.py FILE COMMAND…`.

A program of its own that needs the standard library only. `FILE` (which it removes; `-` is stdin) has as JSON `program`
(bubblewrap), `words` (its options, with the variables of the step), `files` (text by path, for the sandbox), `filter`
(of system calls, in hexadecimal digits), `limits` (of this process and what it starts, by name) and `groups` (control
groups to join). What the words say reaches bubblewrap through a descriptor: a command line is visible for everybody.
"""

import json
import os
import resource
import sys
from pathlib import Path


def main(file: str, *command: str) -> None:
    """Replace this process; raises `OSError`."""
    order = json.loads(sys.stdin.read() if file == "-" else Path(file).read_bytes())
    if file != "-":
        Path(file).unlink()
    for group in order["groups"]:
        Path(group, "cgroup.procs").write_text(str(os.getpid()))
    for name, value in order["limits"].items():
        _lower(getattr(resource, name), value)
    words = list(order["words"])
    for path, text in order["files"].items():
        words += ["--perms", "0444", "--file", _keep(text.encode()), path]
    if order["filter"]:
        words += ["--seccomp", _keep(bytes.fromhex(order["filter"]))]
    # whatever is written there, such as the mount points, was written by now
    words += ["--remount-ro", "/"]
    program = order["program"]
    os.execve(
        program, [program, "--args", _keep("\0".join(words).encode(errors="surrogateescape")), "--", *command], {}
    )


def _lower(limit: int, value: int) -> None:
    """Set a limit that no process can raise again; a lower one of the machine stays."""
    hard = resource.getrlimit(limit)[1]
    lowest = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (lowest, lowest))


def _keep(content: bytes) -> str:
    """Put content into memory, and return the number of a descriptor by which the next program reads it."""
    descriptor = os.memfd_create("sandbox", 0)
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return str(descriptor)


if __name__ == "__main__":
    main(*sys.argv[1:])
