"""Runs a drafted job in the foreground and shows how it ended; shared by `run` and `rerun`."""

import sys
from typing import TYPE_CHECKING, NoReturn

from zoo_runner.cli.show import print_message, show_outcome

if TYPE_CHECKING:
    from zoo_runner.config.configuration import Configuration
    from zoo_runner.engines.protocol import JobSpec


def run_draft(draft: "JobSpec", configuration: "Configuration", form: str, quiet: bool) -> NoReturn:
    """Accept and execute a job; end with its exit code."""
    from zoo_runner.cli.display import open_display
    from zoo_runner.execution.accept import accept, find_secret_values
    from zoo_runner.execution.context import open_context
    from zoo_runner.execution.execute import execute
    from zoo_runner.model.cancellation import Cancellation, cancelling_on_signals

    context = open_context(configuration)
    job = accept(context, draft, configuration.settings.engine, configuration.workspace, leased=True)
    if not quiet:
        print_message(f"job {job.id}\nlog {job.log}")
    cancellation = Cancellation(job.time_limit_seconds)
    with cancelling_on_signals(cancellation), open_display(quiet) as report:
        outcome = execute(context, job.id, report, cancellation, find_secret_values(draft, configuration.workspace))
    show_outcome(job, outcome, form)
    sys.exit(outcome.exit_code)
