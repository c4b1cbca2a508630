"""How many requests a client may send: more are answered with 429."""

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.types import ASGIApp, Receive, Scope, Send

from zoo_runner.model.errors import InputError, SettingsError
from zoo_runner.server.json_answer import JsonAnswer
from zoo_runner.server.problems import build_problem

# who watches the server must not be kept from it by others
_EXEMPT = ("/health", "/health/live", "/health/ready", "/metrics")


def read_rate(text: str) -> RateLimitItem:
    """Read a rate such as `50/second`; raises `SettingsError`."""
    try:
        return parse(text)
    except ValueError as error:
        raise SettingsError(
            f"ZOO_RUNNER_RATE_LIMIT={text!r} is invalid: {error}", "Write a rate such as 50/second or 600/minute."
        ) from error


class Limited:
    """ASGI middleware: refuses a client's requests beyond a rate; clients are distinguished by their address."""

    def __init__(self, app: ASGIApp, rate: RateLimitItem) -> None:
        self._app, self._rate = app, rate
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        client = (scope.get("client") or ("unknown",))[0]
        if scope["type"] != "http" or scope["path"] in _EXEMPT or self._limiter.hit(self._rate, client):
            await self._app(scope, receive, send)
            return
        error = InputError(
            f"more than {self._rate} from {client}", "Wait as long as Retry-After says.", code="request.too-many"
        )
        problem, wait = build_problem(error), str(self._rate.get_expiry())
        answer = JsonAnswer(problem, 429, {"Retry-After": wait}, media_type="application/problem+json")
        await answer(scope, receive, send)
