"""What the loader says of a document, in words that its author understands; pure."""

import re

from zoo_runner.model.problems import suggest

_UNKNOWN_CLASS = re.compile(r"Field 'class' contains undefined reference to '[^']*?(?P<name>[A-Za-z]+)'")
_OTHER_CLASS = re.compile(r"Expected class '[^']*' but this is '(?P<name>[^']+)'")
_UNKNOWN_FIELD = re.compile(r"invalid field '(?P<name>[^']*)', expected one of: (?P<known>'.*')$")
# CWL v1.1, appendix "Changelog"
_SINCE_V1_1 = ("InplaceUpdateRequirement", "LoadListingRequirement", "NetworkAccess", "ToolTimeLimit", "WorkReuse")


_UNKNOWN_TYPE = re.compile(r"Field '(?:type|items)' references unknown identifier '(?P<name>\w+)'")
_OTHER_NAMES = {"integer": "int", "number": "double", "bool": "boolean", "str": "string", "object": "record"}
_PACKED_TWICE = re.compile(r"original_cwlVersion is set")
_TRIED = re.compile(r", tried \S+:.*$")
_PLACE = re.compile(r"(?<=\")(?:file|https?)://[^\s\"]*[#/](?=[^\s\"#/]+\")")
_WORDS = {
    "CommentedMap": "mapping",
    "CommentedSeq": "list",
    "ScalarFloat": "number",
    "ScalarInt": "integer",
    "NoneType": "null",
}


def explain(message: str) -> str:
    """Say plainly what a message of the loader means; a message that is plain already is returned as it is."""
    field = _UNKNOWN_FIELD.fullmatch(message)
    if field:
        known = tuple(re.findall(r"'([^']*)'", field["known"]))
        return f"invalid field {field['name']!r}: {suggest(field['name'], known)}"
    unknown = _UNKNOWN_CLASS.search(message) or _OTHER_CLASS.search(message)
    if unknown:
        return _explain_class(unknown["name"])
    if _PACKED_TWICE.search(message):
        return "original_cwlVersion is a leftover of packing: remove the line from the document"
    return _explain_words(message)


def _explain_class(name: str) -> str:
    if name in _SINCE_V1_1:
        return f"{name} is not in CWL v1.0: write cwlVersion v1.1 or v1.2, or move it to hints"
    return f"CWL has no requirement {name!r}: correct its name, or move it to hints if it is an extension"


def _explain_words(message: str) -> str:
    """The message without the loader's own names of values, and without addresses in front of names."""
    kind = _UNKNOWN_TYPE.match(message)
    if kind and kind["name"] in _OTHER_NAMES:
        return f"CWL has no type {kind['name']!r}: did you mean {_OTHER_NAMES[kind['name']]!r}?"
    words = re.sub("|".join(_WORDS), lambda word: _WORDS[word[0]], _TRIED.sub("", message))
    return _PLACE.sub("", words) if words.startswith("Source ") else words
