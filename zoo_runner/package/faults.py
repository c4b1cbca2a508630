"""What the loader says of a document, in words that its author understands; pure."""

import re

from zoo_runner.problems import suggest

_UNKNOWN_CLASS = re.compile(r"Field 'class' contains undefined reference to '[^']*?(?P<name>[A-Za-z]+)'")
_UNKNOWN_FIELD = re.compile(r"invalid field '(?P<name>[^']*)', expected one of: (?P<known>'.*')$")
# CWL v1.1, appendix "Changelog"
_SINCE_V1_1 = ("InplaceUpdateRequirement", "LoadListingRequirement", "NetworkAccess", "ToolTimeLimit", "WorkReuse")


def explain(message: str) -> str:
    """Say plainly what a message of the loader means; a message that is plain already is returned as it is."""
    field = _UNKNOWN_FIELD.fullmatch(message)
    if field:
        known = tuple(re.findall(r"'([^']*)'", field["known"]))
        return f"invalid field {field['name']!r}: {suggest(field['name'], known)}"
    unknown = _UNKNOWN_CLASS.search(message)
    if unknown is None:
        return message
    name = unknown["name"]
    if name in _SINCE_V1_1:
        return f"{name} is not in CWL v1.0: write cwlVersion v1.1 or v1.2, or move it to hints"
    return f"CWL has no requirement {name!r}: correct its name, or move it to hints if it is an extension"
