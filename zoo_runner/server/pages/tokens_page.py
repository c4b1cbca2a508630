"""The form that makes a personal token."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from zoo_runner.server.access.personal_tokens import list_scopes
from zoo_runner.server.invalid_requests import build_invalid

_MOST_FIELDS = 200


@dataclass(frozen=True)
class TokensPage:
    """What the form offers; single actions are for the API."""

    most_days: float

    @property
    def scopes(self) -> tuple[str, ...]:
        """The families of actions that a token may be for."""
        return tuple(sorted(scope for scope in list_scopes() if scope.endswith(".*")))


def read_token_form(body: bytes) -> dict[str, Any]:
    """Read what the form sends as the request that it stands for; raises `InputError`."""
    try:
        sent = parse_qsl(body.decode("utf-8", "replace"), max_num_fields=_MOST_FIELDS)
        fields = dict(sent)
        days = {"days": float(fields["days"])} if "days" in fields else {}
    except ValueError as error:
        raise build_invalid("the form cannot be read", "Give the days as a number.") from error
    return {
        "title": fields.get("title", ""),
        "scopes": [value for name, value in sent if name == "scope"],
        **days,
    }
