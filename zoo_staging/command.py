"""What the commands of stage-in and stage-out have in common: what they say on stderr, and how they end."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

import click

from zoo_staging.errors import StagingError
from zoo_staging.progress import Transferred


def run_command(command: click.Command, program: str) -> NoReturn:
    """Run a command and end the process with its exit code."""
    end_with(lambda: command.main(prog_name=program))


def end_with(action: Callable[[], object]) -> NoReturn:
    """Do `action`, the whole of a program, and end the process with the exit code that it asks for, at once.

    The interpreter's own ending is left out: threads of the S3 client (obstore 0.12, Rust) that still let go of
    their last Python objects then abort the process (SIGABRT), now and then, after all went well.
    """
    code: object = 0
    try:
        action()
    except SystemExit as end:
        code = end.code
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # whoever read it has left
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def show_error(program: str, error: StagingError) -> None:
    """Say what went wrong, why, what to do, and what else."""
    click.echo(f"{program} failed ({error.kind}): {error.href}", err=True)
    click.echo(f"  why:        {error.reason}", err=True)
    click.echo(f"  what to do: {error.remedy}", err=True)
    for other in error.others:
        click.echo(f"  also ({other.kind}): {other}", err=True)


class ProgressLines:
    """A line for each file that is complete."""

    def __init__(self) -> None:
        self._files_done = 0

    def report(self, progress: Transferred) -> None:
        """Print when another file is there."""
        if progress.files_done > self._files_done:
            self._files_done = progress.files_done
            mib = progress.bytes_done / (1 << 20)
            click.echo(f"[{progress.files_done}/{progress.files_total}] {mib:.1f} MiB  {progress.href}", err=True)
