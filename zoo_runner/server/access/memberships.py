"""What the provider said last of people, as it limits what is let in without asking it: sessions and personal tokens.

An access token or a login says of which workspaces a person is, when it is issued. The newest is kept, so that a
personal token ends with the membership of its owner, or where the owner does not come for days, and a session with
what a later login said.
"""

from time import monotonic

from fastapi.concurrency import run_in_threadpool

from zoo_runner.model import clock
from zoo_runner.model.errors import InputError
from zoo_runner.model.membership import Membership
from zoo_runner.model.token import PersonalToken
from zoo_runner.server.access.remembered import Remembered
from zoo_runner.server.access.tokens import Caller
from zoo_runner.server.api import Api

_AGAIN_SECONDS = 60.0
"""What has not changed is stored again after so long."""
_REMEMBERED_BYTES = 4 << 20
_COME = "Its owner has to log in, or send a request with a new token of the provider; then it is accepted again."


class Memberships:
    """Keeps what the provider says; one for the whole server."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: Remembered[tuple[frozenset[str], float]] = Remembered(_REMEMBERED_BYTES)

    async def note(self, caller: Caller) -> None:
        """Keep of which workspaces a caller is, as the provider has just said."""
        known = self._known.get(caller.name)
        if caller.issued is None:
            return
        if known and known[0] == caller.workspaces and monotonic() < known[1]:
            return
        await run_in_threadpool(self._api.store.memberships.put, build_membership(caller))
        self._known.put(caller.name, (caller.workspaces, monotonic() + _AGAIN_SECONDS))


def build_membership(caller: Caller) -> Membership:
    """Build what is kept of a caller of whom the provider said the workspaces when it issued the token.

    A login has just been asked for: where its token does not say when, it is now. No token is of a later time.
    """
    now = clock.now()
    return Membership(caller.name, tuple(sorted(caller.workspaces)), min(caller.issued or now, now))


def ensure_still_member(token: PersonalToken, membership: Membership | None, days: float) -> None:
    """Refuse a personal token whose owner left its workspace, or did not come for so many days.

    Of an owner who never came nothing is known: what an operator has made holds until it expires, any other token for
    so many days. Raises `InputError` (`identity.owner`).
    """
    workspace = token.workspace
    if membership is None:
        if not token.by_operator and token.created <= clock.days_after(-days):
            raise _refuse(
                f"its owner {token.owner} has not been seen since this server keeps who is a member, and it was made"
                f" {token.created}, more than {days:g} days ago (ZOO_RUNNER_TOKEN_CONFIRM_DAYS)",
                _COME,
            )
        return
    if workspace not in membership.workspaces:
        raise _refuse(
            f"its owner {membership.name} was no member of the workspace {workspace} when last seen, {membership.seen}",
            "Ask the owner of the workspace to let its owner in; then its owner has to log in.",
        )
    if membership.seen <= clock.days_after(-days):
        raise _refuse(
            f"its owner {membership.name} was last seen {membership.seen}, more than {days:g} days ago"
            " (ZOO_RUNNER_TOKEN_CONFIRM_DAYS)",
            _COME,
        )


def _refuse(why: str, remedy: str) -> InputError:
    return InputError(f"the personal token is not accepted: {why}", remedy, code="identity.owner")


def limit_session(caller: Caller, begun: str, membership: Membership | None) -> frozenset[str]:
    """Return the workspaces of a session: those of its login that the provider still names.

    `begun` is when the provider issued what the login brought. It says that in whole seconds, so that what it said in
    the same second counts too: it may be later, and can only take workspaces away.
    """
    if membership is None or membership.seen < begun:
        return caller.workspaces
    return caller.workspaces & frozenset(membership.workspaces)
