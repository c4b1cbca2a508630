"""Shared by the commands `stagein` and `stageout`: output on stderr and exit codes."""

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

import click

from zoo_staging.errors import Kind, StagingError
from zoo_staging.progress import Transferred

FAILED, WRONG_USE, TRY_LATER, CANCELLED = 1, 2, 3, 4
_EXIT_CODES = {
    Kind.SETTINGS: WRONG_USE,
    Kind.UNSUPPORTED: WRONG_USE,
    **dict.fromkeys((Kind.UNREACHABLE, Kind.TIMEOUT, Kind.UNTRUSTED, Kind.SERVICE), TRY_LATER),
    **dict.fromkeys((Kind.DISK, Kind.DISK_FULL), TRY_LATER),
    Kind.CANCELLED: CANCELLED,
}
EXIT_CODES = """Exit codes:
  0  succeeded
  1  the data, or what the caller gave: missing, forbidden, invalid, refused, damaged
  2  wrong use: options, settings, unsupported addresses, or a file of the caller that cannot be read
  3  network, service or disk; the same call may succeed later
  4  cancelled"""
"""The end of the commands' help."""

error_format = click.option(
    "--error-format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="How an error is printed on stderr; json: one object with code, cause, remedy, others.",
)


def run_command(command: click.Command, program: str) -> NoReturn:
    """Run a command and end the process with its exit code."""
    end_with(lambda: command.main(prog_name=program))


def end_with(action: Callable[[], object]) -> NoReturn:
    """Run `action`, the whole of a program, and end the process at once with the exit code that it returns.

    The interpreter's shutdown is skipped: threads of the S3 client (obstore 0.12, Rust) that still release
    their last Python objects sometimes abort the process (SIGABRT) after everything succeeded.
    """
    code: object = 0
    try:
        action()
    except SystemExit as end:
        code = end.code
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # the reader has closed the pipe
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def fail(program: str, error: StagingError, form: str) -> NoReturn:
    """Print an error on stderr, as text or JSON, and exit with its exit code."""
    if form == "json":
        click.echo(json.dumps(_describe(error), ensure_ascii=False), err=True)
    else:
        click.echo(f"{program}: error: {error}", err=True)
        click.echo(f"  what to do: {error.remedy}", err=True)
        for other in error.others:
            click.echo(f"  also: {other} ({other.code})", err=True)
        click.echo(f"  code: {error.code}", err=True)
    raise SystemExit(_EXIT_CODES.get(error.kind, FAILED))


def _describe(error: StagingError) -> dict[str, object]:
    described: dict[str, object] = {"code": error.code, "cause": str(error), "remedy": error.remedy}
    return {**described, "others": [_describe(other) for other in error.others]} if error.others else described


class ProgressLines:
    """Prints a line for each complete file."""

    def __init__(self) -> None:
        self._files_done = 0

    def report(self, progress: Transferred) -> None:
        """Print when another file is complete."""
        if progress.files_done > self._files_done:
            self._files_done = progress.files_done
            mib = progress.bytes_done / (1 << 20)
            click.echo(f"[{progress.files_done}/{progress.files_total}] {mib:.1f} MiB  {progress.href}", err=True)
