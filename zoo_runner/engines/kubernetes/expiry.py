"""When a token ends, as `doctor` lists it. Source: RFC 7519 (JSON Web Token), "exp"."""

import base64
import json
import time

from zoo_runner.model.errors import EngineError

_LEAST_SECONDS = 3600.0


def read_expiry(token: str) -> float | None:
    """Return when a token ends, in seconds since the epoch; None where it does not say. No signature is checked."""
    try:
        payload = token.split(".")[1]
        content = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(content["exp"])
    except (IndexError, ValueError, KeyError, TypeError):
        return None


def check_expiry(token: str, code: str, remedy: str) -> str:
    """Check that a token is valid for an hour at least; raises `EngineError` with the code and remedy."""
    ends = read_expiry(token)
    if ends is None:
        return "a token that does not say when it ends"
    left = ends - time.time()
    if left < _LEAST_SECONDS:
        when = f"ends in {left / 60:.0f} min" if left > 0 else f"ended {-left / 60:.0f} min ago"
        raise EngineError(f"the token {when}", remedy, code=code)
    return f"the token is valid for {left / 3600:.1f} h"
