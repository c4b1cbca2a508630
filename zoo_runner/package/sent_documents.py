"""The documents of a package that a request has sent: the addresses that stand for them, and what reads them there."""

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import quote, unquote, urlsplit

from zoo_runner.config.settings import Settings
from zoo_runner.model.errors import PackageError
from zoo_runner.package.documents import Fetch, build_fetch

UPLOAD_HOST = "upload.invalid"
"""Stands in addresses for the documents of a request; no such host can exist (RFC 2606)."""

_NOT_SENT = "the package refers to {}, which was not sent with it"
_ADDRESS = re.compile(rf"https://{re.escape(UPLOAD_HOST)}/[0-9a-f]+/")


def find_not_sent(cause: str) -> str:
    """Return the name of the document in the cause of `build_not_sent`; empty for another cause."""
    before, after = _NOT_SENT.split("{}")
    return cause[len(before) : -len(after)] if cause.startswith(before) and cause.endswith(after) else ""


def name_documents(text: str) -> str:
    """Write the names of documents in the place of the addresses that stand for them.

    >>> name_documents("https://upload.invalid/0123456789abcdef/a/b.cwl has several processes")
    'a/b.cwl has several processes'
    """
    return _ADDRESS.sub("", text)


def refer_to_upload(files: Mapping[str, str], main: str, workflow: str | None) -> str:
    """Return the address that stands for the texts of a request."""
    digest = sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:16]
    reference = f"https://{UPLOAD_HOST}/{digest}/{quote(main)}"
    return f"{reference}#{workflow}" if workflow else reference


def name_document(uri: str) -> str:
    """Return how a document is called for people: by the name it was sent with, or by its address."""
    parts = urlsplit(uri)
    return _read_name(uri) if parts.hostname == UPLOAD_HOST else parts._replace(fragment="").geturl()


def build_fetch_with(settings: Settings, files: Mapping[str, str], until: float | None = None) -> Fetch:
    """Return what fetches documents; `files` are those at UPLOAD_HOST, by their path below the first folder."""
    over_http = build_fetch(settings, until)

    def fetch(url: str, max_bytes: int) -> bytes:
        if not files or urlsplit(url).hostname != UPLOAD_HOST:
            return over_http(url, max_bytes)
        name = _read_name(url)
        if name not in files:
            raise build_not_sent(url)
        return files[name].encode()

    return fetch


def _read_name(url: str) -> str:
    return unquote(urlsplit(url).path).lstrip("/").partition("/")[2]


def build_not_sent(url: str) -> PackageError:
    """Build the error of a package that refers to what was not sent with it."""
    return PackageError(
        _NOT_SENT.format(_read_name(url) or url),
        "Send all its documents in one request (multipart/form-data), have it refer to a web address, or pack it"
        " into one document; make a file that its steps read an input.",
        code="package.not-found",
    )
