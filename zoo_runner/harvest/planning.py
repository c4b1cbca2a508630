"""What has to change at the server so that it has the workflows of a commit; pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from zoo_runner.harvest.workflows import Finding, Found
from zoo_runner.package.findings import Severity

MOST_ATTEMPTS = 10
"""After so many runs a change that fails is tried no more, until the workflow changes."""


class Kind(str, Enum):
    """What is done with a process."""

    __str__ = str.__str__

    DEPLOY = "deploy"
    REPLACE = "replace"
    UNDEPLOY = "undeploy"


@dataclass(frozen=True)
class Deployed:
    """What is known of a process of a source: the document and digest of its package when it was last sent.

    `process` is its id at the server, empty before it is known; `done` is False from before a request until its answer,
    `attempts` counts the runs in which that was refused, and `error` is the last reason. `ours`: a process of the
    workflow's id, if there is one, was created by the harvester.
    """

    path: str
    digest: str
    process: str
    done: bool = True
    ours: bool = True
    attempts: int = 0
    error: str = ""


@dataclass(frozen=True)
class Change:
    """One request; `digest` is that of the package to send, empty for an undeployment.

    `is_ours`: a process of that id that exists already was created by an earlier run, which was interrupted.
    """

    kind: Kind
    name: str
    path: str
    digest: str = ""
    is_ours: bool = True


def plan_changes(
    found: Found, known: Mapping[str, Deployed], *, again: bool = False, adopt: bool = False
) -> list[Change]:
    """Plan the changes, removals first: a workflow may have got the id of one that is gone.

    Without `again`, what failed too often stays as it is. A process whose document is held stays in any case, and all
    do where not all documents are known. `adopt`: processes that exist count as created by an earlier run, and all are
    sent again: they may be those of another time.
    """
    return [*_plan_removals(found, known, again), *_plan_workflows(found, known, again or adopt, adopt)]


def _plan_removals(found: Found, known: Mapping[str, Deployed], again: bool) -> Iterator[Change]:
    for name, one in known.items():
        if name in found.workflows or found.is_held(one.path) or not found.whole or _is_given_up(one, "", again):
            continue
        yield Change(Kind.UNDEPLOY, name, one.path, is_ours=one.ours)


def _plan_workflows(found: Found, known: Mapping[str, Deployed], again: bool, adopt: bool) -> Iterator[Change]:
    for name, workflow in found.workflows.items():
        digest, before = workflow.package.digest, known.get(name)
        if before is None:
            yield Change(Kind.DEPLOY, name, workflow.path, digest, is_ours=adopt)
        elif _is_given_up(before, digest, again) or (before.done and before.digest == digest and not adopt):
            continue
        elif before.process:
            yield Change(Kind.REPLACE, name, workflow.path, digest)
        else:
            yield Change(Kind.DEPLOY, name, workflow.path, digest, is_ours=before.ours or adopt)


def follow_renames(found: Found, known: Mapping[str, Deployed]) -> dict[str, Deployed]:
    """Return what is known with the documents that the workflows have in a commit."""
    paths = {name: workflow.path for name, workflow in found.workflows.items()}
    return {name: replace(one, path=paths.get(name, one.path)) for name, one in known.items()}


def leave_taken(found: Found, taken: Mapping[str, str], branch: str) -> Found:
    """Leave out the workflows whose ids other branches have, which `taken` says, with a finding for each.

    Their documents are held: what such an id was before stays as it is.
    """
    same = {name: one for name, one in found.workflows.items() if name in taken}
    findings = tuple(
        Finding(
            one.path,
            Severity.ERROR,
            "harvest.same-id",
            f"the workflow of the branch {branch} has the id {name!r}, which that of the branch {taken[name]} has too;"
            " the latter keeps it",
            "Give each workflow an id of its own, or harvest the branches into several workspaces.",
        )
        for name, one in same.items()
    )
    left = {name: one for name, one in found.workflows.items() if name not in same}
    held = found.held | {one.path for one in same.values()}
    return replace(found, workflows=left, findings=(*found.findings, *findings), held=held)


def list_owned(known: Mapping[str, Deployed]) -> set[str]:
    """List the ids that the harvester has for the workflows of a source; not those that belong to somebody else."""
    return {name for name, one in known.items() if one.ours}


def list_left(known: Mapping[str, Deployed]) -> list[str]:
    """List the workflows whose change is still to be made."""
    return [name for name, one in known.items() if not one.done and one.attempts < MOST_ATTEMPTS]


def list_given_up(known: Mapping[str, Deployed]) -> list[str]:
    """List the workflows whose change was tried too often."""
    return [name for name, one in known.items() if not one.done and one.attempts >= MOST_ATTEMPTS]


def count_unresolved(found: Found, before: Mapping[str, int]) -> dict[str, int]:
    """Return the documents that were not resolved for a reason that may pass, each with the number of such runs."""
    return {path: min(before.get(path, 0) + 1, MOST_ATTEMPTS) for path in sorted(found.passing)}


def list_unresolved(unresolved: Mapping[str, int]) -> list[str]:
    """List the documents that the next run tries to resolve again."""
    return [path for path, runs in unresolved.items() if runs < MOST_ATTEMPTS]


def _is_given_up(one: Deployed, digest: str, again: bool) -> bool:
    return not again and not one.done and one.attempts >= MOST_ATTEMPTS and one.digest == digest
