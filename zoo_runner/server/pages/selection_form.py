"""The form around the list of jobs: those that are chosen, what is done with them, and the list it leads back to."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from zoo_runner.server.invalid_requests import build_invalid

_MOST_FIELDS, _LONGEST_QUERY = 2000, 4000


@dataclass(frozen=True)
class SelectionForm:
    """What was sent: the request that it stands for, and the parameters of the list."""

    document: dict[str, Any]
    back: str


def read_selection_form(body: bytes) -> SelectionForm:
    """Read what the form sends; raises `InputError`."""
    try:
        sent = parse_qsl(body.decode("utf-8", "replace"), max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise build_invalid("the form has too many fields", "Choose fewer jobs.") from error
    fields = dict(sent)
    document = {"action": fields.get("action"), "jobs": [value for name, value in sent if name == "job"]}
    # written anew, so that it is parameters and nothing else
    return SelectionForm(document, urlencode(parse_qsl(fields.get("back", "")[:_LONGEST_QUERY])))
