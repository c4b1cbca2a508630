"""Content codings of pages and of what they load (RFC 9110, section 8.4)."""

import gzip
from collections.abc import Mapping

from starlette.types import Scope

_LEVEL = 6
_LEAST_BYTES = 1024


def encode(body: bytes, scope: Scope) -> tuple[bytes, Mapping[str, str]]:
    """Compress a body where its client takes that, and return the headers that say so."""
    if len(body) < _LEAST_BYTES or not takes_gzip(scope):
        return body, {}
    return gzip.compress(body, _LEVEL, mtime=0), {"Content-Encoding": "gzip"}


def takes_gzip(scope: Scope) -> bool:
    """Whether a client takes gzip; one that gives it the quality 0 does not."""
    codings = b",".join(value for name, value in scope["headers"] if name == b"accept-encoding").decode("latin-1")
    for coding in codings.lower().split(","):
        name, _, quality = coding.replace(" ", "").partition(";q=")
        if name == "gzip":
            return quality.strip("0.") != "" or not quality
    return False
