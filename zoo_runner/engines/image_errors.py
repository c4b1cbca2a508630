"""Why a registry refused an image, recognised in the messages of any container runtime; pure.

Source: OCI Distribution Specification 1.1, "Error Codes".
"""

import re

_DENIED = ("unauthorized", "denied", "authentication", "forbidden")
_LIMITED = ("toomanyrequests", "too many requests", "rate limit")
_MISSING = ("not found", "manifest unknown", "name unknown", "does not exist")
# a separate number: the port of a registry and the digest of an image may contain these digits too
_STATUS = re.compile(r"(?<![\w.:/@-])\d{3}(?![\w./-])")


def is_denied(said: str) -> bool:
    """Whether the registry denies access to the image, or hides whether it exists."""
    return _says(said, _DENIED, {"401", "403"})


def is_missing(said: str) -> bool:
    """Whether the registry does not have the image."""
    return _says(said, _MISSING, {"404"})


def is_limited(said: str) -> bool:
    """Whether the registry has given this client as many images as it gives in a time."""
    return _says(said, _LIMITED, {"429"})


def _says(said: str, words: tuple[str, ...], statuses: set[str]) -> bool:
    low = said.lower()
    return any(word in low for word in words) or not statuses.isdisjoint(_STATUS.findall(low))
