"""Engines: what runs the CWL. One Protocol, one table; a further engine costs one file and one line."""

from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from zoo_runner.config.settings import Settings
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import SettingsError
from zoo_runner.model.events import Report
from zoo_runner.model.job import Job, Outcome, Plan


@dataclass(frozen=True)
class Capabilities:
    """What an engine can do, so that nobody asks for its name."""

    remote: bool
    """Whether the run goes on without the process that started it."""
    isolates: bool
    """Whether steps cannot see each other and the caller."""


class Engine(Protocol):
    """Takes a job from its inputs, as the user referred to them, to its results."""

    name: str
    capabilities: Capabilities

    def plan(self, job: Job) -> Plan:
        """Say what would be submitted; pure."""
        ...

    def run(self, plan: Plan, report: Report, cancellation: Cancellation) -> Outcome:
        """Stage in, execute, stage out. Raises `RunnerError` with the reason of a failure."""
        ...

    def reattach(self, job_id: str, report: Report, cancellation: Cancellation) -> Outcome:
        """Go on with a job whose caller was lost, by its id; nothing runs twice. Raises as `run` does."""
        ...

    def cancel(self, job_id: str) -> None:
        """Stop what runs of a job, from its id alone; a job that runs no more is no error."""
        ...


ENGINES = {
    "local": "zoo_runner.engines.local.engine:LocalEngine",
    "calrissian": "zoo_runner.engines.calrissian.engine:CalrissianEngine",
}
# runs nothing: for tests of what lies around an engine, so nobody is offered it
DOUBLES = {"fake": "zoo_runner.engines.fake:FakeEngine"}


def open_engine(name: str, settings: Settings) -> Engine:
    """Open an engine by its name in the table; raises `SettingsError` that lists the names."""
    try:
        module, _, attribute = {**ENGINES, **DOUBLES}[name].partition(":")
    except KeyError:
        raise SettingsError(f"there is no engine {name!r}", f"Choose one of: {', '.join(ENGINES)}.") from None
    engine: Engine = getattr(import_module(module), attribute)(settings)
    return engine
