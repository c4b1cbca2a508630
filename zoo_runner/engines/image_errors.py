"""What a registry means that does not give an image away, in whatever words a runtime passes it on; pure.

Source: OCI Distribution Specification 1.1, "Error Codes".
"""

import re

_DENIED = ("unauthorized", "denied", "authentication", "forbidden")
_MISSING = ("not found", "manifest unknown", "name unknown", "does not exist")
# a number by itself: the port of a registry and the digest of an image have such digits in them too
_STATUS = re.compile(r"(?<![\w.:/@-])\d{3}(?![\w./-])")


def is_denied(said: str) -> bool:
    """Whether the registry does not let us have the image, or not know of it."""
    return _says(said, _DENIED, {"401", "403"})


def is_missing(said: str) -> bool:
    """Whether the registry does not have the image."""
    return _says(said, _MISSING, {"404"})


def _says(said: str, words: tuple[str, ...], statuses: set[str]) -> bool:
    low = said.lower()
    return any(word in low for word in words) or not statuses.isdisjoint(_STATUS.findall(low))
