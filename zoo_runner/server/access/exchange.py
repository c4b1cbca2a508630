"""Tokens for the steps of jobs: the provider exchanges that of a caller for one that can do less, and revokes it.

Sources: RFC 8693 (OAuth 2.0 Token Exchange), sections 2.1 and 2.2; RFC 7009 (OAuth 2.0 Token Revocation), section 2.
"""

import asyncio
import json

from zoo_runner.config.profiles import StepToken
from zoo_runner.model import clock
from zoo_runner.model.diagnosis import Level
from zoo_runner.model.errors import EngineError, InputError
from zoo_runner.model.step_token import IssuedToken
from zoo_runner.server.access.provider import Provider
from zoo_staging.errors import Kind, RetryableError, StagingError

_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


async def exchange_token(provider: Provider, subject: str, wanted: StepToken) -> IssuedToken:
    """Exchange the token of a caller for one with the audience and the scope that are wanted.

    One that this server would accept itself is revoked and refused: the steps that have it could do whatever its caller
    may do here. Raises `EngineError` (`token.exchange`, `identity.provider`).
    """
    fields = {
        "grant_type": _GRANT,
        "subject_token": subject,
        "subject_token_type": _ACCESS_TOKEN,
        "requested_token_type": _ACCESS_TOKEN,
        "audience": wanted.audience,
        **({"scope": wanted.scope} if wanted.scope else {}),
    }
    # one that cannot be revoked is not asked for
    await provider.find_place("revocation")
    try:
        issued = _read_answer(await provider.ask("token", fields))
    except (StagingError, asyncio.TimeoutError, ValueError) as error:
        raise _explain(error, f"the provider gave no token with the audience {wanted.audience!r}") from error
    if await _is_accepted_here(provider, issued.text):
        await revoke_token(provider, issued.text)
        raise _build_refused(
            f"the provider gave a token with the audience {wanted.audience!r} that opens this server too"
        )
    return issued


async def revoke_token(provider: Provider, text: str) -> None:
    """Revoke a token; one that has expired is fine. Raises `EngineError` (`token.exchange`, `identity.provider`)."""
    try:
        await provider.ask("revocation", {"token": text, "token_type_hint": "access_token"})
    except (StagingError, asyncio.TimeoutError, ValueError) as error:
        raise _explain(error, "the provider did not revoke the token") from error


def _read_answer(answer: bytes) -> IssuedToken:
    """Read the answer to an exchange; raises `ValueError`."""
    found = json.loads(answer)
    text, seconds = (found.get(name) if isinstance(found, dict) else None for name in ("access_token", "expires_in"))
    if not isinstance(text, str) or not text:
        raise ValueError("its answer has no access_token")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0:
        raise ValueError("its answer does not say when the token expires (expires_in)")
    return IssuedToken(text, clock.after(min(seconds, clock.SECONDS_PER_DAY)))


async def _is_accepted_here(provider: Provider, text: str) -> bool:
    try:
        await provider.identify(text)
    except InputError:
        return False
    return True


def _explain(error: Exception, what: str) -> EngineError:
    if isinstance(error, asyncio.TimeoutError):
        return _build_refused(f"{what}: it did not answer in time", Level.PLATFORM)
    if not isinstance(error, StagingError):
        return _build_refused(f"{what}: {error}")
    is_away = isinstance(error, RetryableError) or error.kind in (Kind.UNREACHABLE, Kind.TIMEOUT)
    return _build_refused(f"{what}: {error.reason}", Level.PLATFORM if is_away else None)


def _build_refused(cause: str, level: Level | None = None) -> EngineError:
    return EngineError(
        cause,
        "Send the request again later. Operators: compare stepToken in the profile of the workspace, and"
        " ZOO_RUNNER_OIDC_CLIENT with its secret, with what the provider lets that client exchange.",
        level=level,
        code="token.exchange",
    )
