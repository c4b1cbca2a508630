"""Run an unmodified Hera script in a process of its own, with a configuration and the modules in `lent`."""

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from zoo_runner.hera.argo_server import find_url
from zoo_runner.hera.configuration import HeraConfiguration
from zoo_runner.hera.tokens import Tokens
from zoo_runner.model.errors import RunnerError, UserSettingsError

LENT = Path(__file__).parent / "lent"
_TOKEN_SECONDS = 60.0


Submitted = Callable[[str, str], None]


def run_script(
    configuration: HeraConfiguration,
    tokens: Tokens,
    command: Sequence[str],
    variables: Mapping[str, str],
    submitted: Submitted,
) -> int:
    """Run `command` (interpreter, script, arguments) and return its exit code; `variables` are its environment.

    `submitted` is called, in another thread, with namespace and name of each workflow, as soon as the script has
    submitted it. The token is in memory that only this process and the script share, and is renewed there.
    """
    given = {**variables, **_build_variables(configuration, tokens, variables)}
    with _shared("token") as token, _renewing(tokens, token), _reading(submitted) as names:
        given |= {"ZOO_RUNNER_HERA_TOKEN": _name(token), "ZOO_RUNNER_HERA_SUBMITTED": _name(names)}
        return subprocess.run(_build_start(command), env=given, pass_fds=(token, names), check=False).returncode


def read_first_workflow(
    configuration: HeraConfiguration, tokens: Tokens, command: Sequence[str], variables: Mapping[str, str]
) -> dict[str, Any]:
    """Run a script as `run_script` does up to its first workflow, which is not submitted; return the request for it.

    That is one to create a workflow (`workflow`), or one to submit a template (`resourceName`). What the script prints
    goes to stderr. Raises `SettingsError` for a script that ends before.
    """
    given = {**variables, **_build_variables(configuration, tokens, variables)}
    with _shared("token") as token, _renewing(tokens, token), _shared("first") as first:
        given |= {"ZOO_RUNNER_HERA_TOKEN": _name(token), "ZOO_RUNNER_HERA_FIRST": _name(first)}
        descriptors = (token, first)
        done = subprocess.run(_build_start(command), env=given, pass_fds=descriptors, stdout=2, check=False)
        text = os.pread(first, os.fstat(first).st_size, 0)
    if done.returncode or not text:
        raise UserSettingsError(
            f"the script {command[1]} ended with exit code {done.returncode} before it submitted a workflow",
            "Correct the script; its output is above." if done.returncode else "Call `create()` of a Workflow in it.",
        )
    request: dict[str, Any] = json.loads(text)
    return request


def _build_start(command: Sequence[str]) -> list[str]:
    interpreter, *words = command
    return [interpreter, str(LENT / "zoo_runner_hera_start.py"), *words]


def _build_variables(configuration: HeraConfiguration, tokens: Tokens, variables: Mapping[str, str]) -> dict[str, str]:
    values = {name: value.text for name, value in configuration.values.items() if value.text}
    path = [str(LENT), *filter(None, [variables.get("PYTHONPATH")])]
    return {
        **values,
        # as the argo command and scripts that read it expect it
        "ARGO_TOKEN": f"Bearer {tokens()}",
        "PYTHONPATH": os.pathsep.join(path),
        "ZOO_RUNNER_HERA_HOST": f"{find_url(configuration)}/",
        "ZOO_RUNNER_HERA_VERIFY": "false" if configuration.get("ARGO_INSECURE_SKIP_VERIFY") == "true" else "true",
    }


@contextmanager
def _reading(submitted: Submitted) -> Iterator[int]:
    """Give the end of a pipe to which namespaces and names are written, one workflow a line."""
    outlet, inlet = os.pipe()

    def read() -> None:
        with os.fdopen(outlet, encoding="utf-8") as lines:
            # an empty line ends it, because children of the script may keep the pipe open
            for line in iter(lines.readline, "\n"):
                namespace, _, name = line.strip().partition(" ")
                submitted(namespace, name)

    thread = threading.Thread(target=read, name="hera-submitted", daemon=True)
    thread.start()
    try:
        yield inlet
    finally:
        os.write(inlet, b"\n")
        os.close(inlet)
        thread.join()


@contextmanager
def _shared(name: str) -> Iterator[int]:
    descriptor = os.memfd_create(name)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _name(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"


@contextmanager
def _renewing(tokens: Tokens, descriptor: int) -> Iterator[None]:
    """Keep a valid token in a file while the block runs."""
    ended = threading.Event()

    def write() -> None:
        os.pwrite(descriptor, f"{tokens()}\n".encode(), 0)

    def renew() -> None:
        while not ended.wait(_TOKEN_SECONDS):
            # the token in use is valid for a while, and the next turn tries again
            with suppress(RunnerError):
                write()

    write()
    thread = threading.Thread(target=renew, name="hera-token", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
