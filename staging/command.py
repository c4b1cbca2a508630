"""What the commands of stage-in and stage-out say on stderr."""

import click

from staging.errors import StagingError
from staging.progress import Transferred


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
