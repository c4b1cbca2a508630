"""Personal tokens: made by a person for a program, for one workspace and some actions, until they expire.

Such a token has no role, and cannot make tokens or write secrets, so that it never may do more than its owner.
"""

import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from zoo_runner.model import clock
from zoo_runner.model.errors import InputError
from zoo_runner.model.ids import new_uid
from zoo_runner.model.token import PersonalToken
from zoo_runner.server.access.actions import ACTIONS, FURTHER
from zoo_runner.server.access.memberships import ensure_still_member
from zoo_runner.server.access.tokens import Caller
from zoo_runner.server.api import Api, Call
from zoo_runner.server.documents import MadeToken, TokenInfo, TokenList
from zoo_runner.server.invalid_requests import build_invalid
from zoo_runner.server.requests import read_days

PREFIX = "zrt_"
"""How a personal token begins, so that it differs from one of the provider, and found where it was published."""
MOST_OF_AN_OWNER = 100
_WITHHELD = ("token", "secret", "audit", "operations")
_MOST_TITLE = 200


def list_scopes() -> frozenset[str]:
    """List what a token may be for: actions of policies, and families of them."""
    actions = {action for action in (*ACTIONS.values(), *FURTHER) if _get_family(action) not in _WITHHELD}
    return frozenset(actions | {f"{_get_family(action)}.*" for action in actions})


def is_in_scope(caller: Caller | None, action: str) -> bool:
    """Whether the token of a request is for an action, or the request has no personal token."""
    return caller is None or caller.scopes is None or bool({action, f"{_get_family(action)}.*"} & caller.scopes)


def ensure_scope(caller: Caller | None, action: str) -> None:
    """Refuse what the token of a request is not for; raises `InputError` (`identity.scope`)."""
    if caller is None or caller.scopes is None or is_in_scope(caller, action):
        return
    raise InputError(
        f"the personal token is not for this ({action}); it is for {', '.join(sorted(caller.scopes))}",
        "Make a token with this scope, or log in: tokens and secrets are made by people only.",
        code="identity.scope",
    )


def _get_family(action: str) -> str:
    return action.partition(".")[0]


def build_token(
    workspace: str, owner: str, request: Mapping[str, Any], most_days: float
) -> tuple[PersonalToken, str, str]:
    """Build the token that is asked for, with its text, which is shown once, and the digest that is kept.

    Raises `InputError` (`request.invalid`).
    """
    if unknown := sorted(set(request) - {"title", "scopes", "days"}):
        raise build_invalid(f"{unknown[0]} is unknown", "Give title, scopes and days.")
    title, scopes = request.get("title", ""), request.get("scopes")
    if not isinstance(title, str) or len(title) > _MOST_TITLE or not (title or " ").isprintable():
        raise build_invalid("title is not a text of one line", f"Give at most {_MOST_TITLE} characters.")
    days = read_days(request, most_days, most_days)
    text = PREFIX + secrets.token_urlsafe(32)
    expires = clock.days_after(days)
    token = PersonalToken(new_uid(), workspace, owner, title, _read_scopes(scopes), clock.now(), expires)
    return token, text, digest_token(text)


def _read_scopes(given: Any) -> tuple[str, ...]:
    known = list_scopes()
    if not isinstance(given, list) or not given or not all(isinstance(one, str) for one in given):
        raise build_invalid("scopes is not a list of texts", f"Give one or more of {', '.join(sorted(known))}.")
    if unknown := sorted(set(given) - known):
        raise build_invalid(f"invalid scope {unknown[0][:60]!r}", f"Give one or more of {', '.join(sorted(known))}.")
    return tuple(sorted(set(given)))


def digest_token(text: str) -> str:
    """Return what is kept of a token; it is random, so that a slow digest would make it no harder to guess."""
    return sha256(text.encode()).hexdigest()


async def find_owner(api: Api, text: str) -> Caller:
    """Return who made a token, with what it is for; raises `InputError` (`identity.revoked`, `identity.owner`)."""
    token = await api.read(lambda api: api.store.tokens.find(digest_token(text), clock.now()))
    if token is None:
        raise InputError(
            "the personal token is not accepted: it has expired, was revoked, or never existed",
            "Make a new one (POST …/tokens).",
            code="identity.revoked",
        )
    owner = token.owner
    membership = await api.read(lambda api: api.store.memberships.find(owner))
    ensure_still_member(token, membership, api.identity.token_confirm_days)
    return Caller(
        token.owner, frozenset({token.workspace}), by="personal-token", scopes=frozenset(token.scopes), token=token.id
    )


def create_token(api: Api, call: Call, request: Mapping[str, Any]) -> MadeToken:
    """Make a token of the caller; raises `InputError`."""
    token, text, digest = build_token(call.workspace, _get_owner(call), request, api.identity.token_days)
    api.store.tokens.add(digest, token, MOST_OF_AN_OWNER)
    return {**describe_token(token), "token": text}


def list_tokens(api: Api, call: Call) -> TokenList:
    """List the tokens of the caller in a workspace."""
    tokens = api.store.tokens.list_all(call.workspace, _get_owner(call))
    return {"tokens": [describe_token(token) for token in tokens], "links": call.link_pages("tokens", None)}


def revoke_token(api: Api, call: Call, token_id: str) -> None:
    """Revoke a token of the caller; raises `InputError` (`token.not-found`)."""
    api.store.tokens.remove(token_id, call.workspace, _get_owner(call))


def describe_token(token: PersonalToken) -> TokenInfo:
    """Describe a token, without its text, which nobody has but its owner."""
    return {
        "id": token.id,
        "title": token.title,
        "owner": token.owner,
        "scopes": list(token.scopes),
        "created": token.created,
        "expires": token.expires,
    }


def _get_owner(call: Call) -> str:
    if call.caller is None:
        raise InputError(
            "a token needs an owner, and this server does not identify its callers",
            "Ask the operator to set ZOO_RUNNER_OIDC_ISSUER.",
            code="token.no-owner",
        )
    return call.caller
