"""What the audit log keeps of a request: who did what, when, where, by which decision, and what came of it."""

from dataclasses import dataclass

SINCE = r"^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?Z)?$"
"""Times, in UTC, from which entries may be asked for."""
COMMAND_LINE = "(command line)"
"""The caller of what was done with a command at the server; no provider gives such a name."""


@dataclass(frozen=True)
class AuditEntry:
    """One request; None is what does not apply. Neither inputs nor tokens are in it.

    `by` is what the request had to show who sends it, `token` the id of the personal token that it had, or made or
    revoked, `secret` the name of a secret that was set or removed.
    `action` is that of the policy, `decision` the number that the policy agent gave its decision, `status` the HTTP
    status of the answer and `code` that of its error. `request` is the id of the request in the log of the server.
    """

    time: str
    workspace: str
    caller: str | None
    action: str
    status: int
    process: str | None = None
    job: str | None = None
    upload: str | None = None
    code: str | None = None
    decision: str | None = None
    request: str | None = None
    client: str | None = None
    by: str | None = None
    token: str | None = None
    secret: str | None = None
