"""The three workspaces of an execution: who has the process, who calls, and who executes; pure.

| process is       | the caller is          | executed by | inputs, outputs and job of |
| ---------------- | ---------------------- | ----------- | -------------------------- |
| any              | a member of its own    | its own     | its own                    |
| private          | of another workspace   | refused     |                            |
| public           | of another workspace   | the caller's | the caller's              |
| a user service   | of another workspace   | its own     | the caller's               |
"""

from dataclasses import dataclass

from zoo_runner.access_documents import Kind
from zoo_runner.model.errors import InputError


@dataclass(frozen=True)
class Workspaces:
    """Of one execution: the workspace that has the process, that of the caller, whose job it is, and where it runs."""

    deploying: str
    calling: str
    executing: str


def choose_calling(deploying: str, member_of: frozenset[str] | None, wanted: str | None) -> str:
    """Choose the workspace that calls: the one that is wanted, else that of the process, else the caller's only one.

    `member_of` are the workspaces of the caller's token; None: nobody asks who calls. Raises `InputError`
    (`identity.workspace`, `workspace.choice`).
    """
    if member_of is None:
        return deploying
    if wanted is not None and wanted not in member_of:
        raise InputError(
            f"the caller may not use the workspace {wanted}",
            "Leave the input `workspace` out, or name a workspace of your own.",
            code="identity.workspace",
        )
    if wanted is not None or deploying in member_of:
        return wanted or deploying
    if len(member_of) != 1:
        raise InputError(
            f"the caller is a member of {len(member_of)} workspaces, and the job belongs to one: "
            f"{', '.join(sorted(member_of)) or 'none is named'}",
            'Name it in the request: {"inputs": {"workspace": "…"}}.',
            code="workspace.choice",
        )
    return next(iter(member_of))


def find_workspaces(kind: Kind, deploying: str, calling: str) -> Workspaces:
    """Find where a process runs; raises `InputError` (`workspace.private`) where the caller may not execute it."""
    if calling == deploying:
        return Workspaces(deploying, calling, deploying)
    if kind is Kind.PRIVATE:
        raise InputError(
            f"the process is private to the workspace {deploying}, and the caller is of {calling}",
            "Ask its owner to make it public or a user service.",
            code="workspace.private",
        )
    return Workspaces(deploying, calling, deploying if kind is Kind.USER_SERVICE else calling)
