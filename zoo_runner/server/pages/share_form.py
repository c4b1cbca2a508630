"""The form that makes a link to a file of results."""

from typing import Any
from urllib.parse import parse_qsl

from zoo_runner.server.invalid_requests import build_invalid

_MOST_FIELDS = 10


def read_share_form(body: bytes) -> dict[str, Any]:
    """Read what the form sends as the request that it stands for; raises `InputError`."""
    try:
        fields = dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=_MOST_FIELDS))
        days = {"days": float(fields["days"])} if "days" in fields else {}
    except ValueError as error:
        raise build_invalid("the form cannot be read", "Give the days as a number.") from error
    return {"path": fields.get("path", ""), **days}
