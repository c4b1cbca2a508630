"""Makes changes one after another, with what is known of each workflow written before and after it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from zoo_runner.api_client import UnansweredError
from zoo_runner.harvest.planning import Change, Deployed, Kind
from zoo_runner.harvest.records import Record
from zoo_runner.harvest.workflows import Workflow
from zoo_runner.model.diagnosis import Diagnosis
from zoo_runner.model.errors import NotReachedError, RunnerError


@dataclass(frozen=True)
class Done:
    """A change, and why it failed."""

    change: Change
    problem: Diagnosis | None = None


class Outlet(Protocol):
    """Where changes are made. Methods raise `UnansweredError` where it is not reached, `RunnerError` for a refusal."""

    def ensure_free(self, name: str) -> None:
        """Raise `RunnerError` where somebody else has a process of this id."""
        ...

    def deploy(self, workflow: Workflow, *, is_ours: bool) -> str:
        """Deploy a workflow and return the id of its process; `is_ours`: one that exists is replaced."""
        ...

    def replace(self, process: str, workflow: Workflow) -> str:
        """Replace the package of a process; return its id."""
        ...

    def undeploy(self, process: str, name: str) -> None:
        """Remove a process, and its workflow of this name; one that is gone is no error."""
        ...


def apply_changes(
    changes: Sequence[Change],
    workflows: Mapping[str, Workflow],
    record: Record,
    outlet: Outlet,
    write: Callable[[Record], None],
) -> Iterator[Done]:
    """Make changes and yield each with its problem, if any; raises `UnansweredError` for an outlet that is away."""
    for change in changes:
        before = record.deployed.get(change.name)
        begun = _begin(change, before)
        problem: Diagnosis | None = None
        asked = False
        try:
            if not change.is_ours and change.kind is Kind.DEPLOY:
                outlet.ensure_free(change.name)
            asked = True
            # where this process is killed from here on, the next run knows that the change may have been made
            write(record.change(change.name, begun))
            after = _make(outlet, change, begun, workflows)
        except UnansweredError as error:
            # what was never sent has not begun: a process that is there by the next run is somebody else's
            write(record.change(change.name, begun if asked and error.sent else before))
            raise
        except NotReachedError:
            # the records are away, for now: that is no refusal of the change
            raise
        except RunnerError as error:
            after, problem = _fail(begun, change, error), error.diagnosis
        write(record := record.change(change.name, after))
        yield Done(change, problem)
    write(record)


def _begin(change: Change, before: Deployed | None) -> Deployed:
    known = before or Deployed(change.path, "", "", ours=False)
    begun = replace(known, path=change.path, digest=change.digest or known.digest, done=False, ours=True)
    return replace(begun, attempts=known.attempts if begun.digest == known.digest else 0)


def _fail(begun: Deployed, change: Change, error: RunnerError) -> Deployed:
    return replace(begun, attempts=begun.attempts + 1, error=str(error), ours=change.is_ours)


def _make(outlet: Outlet, change: Change, begun: Deployed, workflows: Mapping[str, Workflow]) -> Deployed | None:
    """Make a change; return what is known of the workflow then, None if it is gone."""
    if change.kind is Kind.UNDEPLOY:
        if begun.process or change.is_ours:
            outlet.undeploy(begun.process or change.name, change.name)
        return None
    workflow = workflows[change.name]
    if change.kind is Kind.REPLACE:
        process = outlet.replace(begun.process, workflow)
    else:
        process = outlet.deploy(workflow, is_ours=change.is_ours)
    return replace(begun, process=process, done=True, attempts=0, error="")
