"""Interprets references as paths or URLs, in one place.

A CWL `path` is a path, with any characters. A CWL `location` and a STAC `href` are URI references (RFC 3986):
without a scheme they are relative to the document that has them, percent-encoded, and may end in a query or fragment.
"""

import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote, urljoin, urlsplit

from zoo_staging.errors import Kind, StagingError

LOCAL = "file"
# asked several times for each of thousands of addresses
_USUAL = ("https://", "http://", "s3://")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")


def get_scheme(href: str) -> str:
    """Return the scheme of a URI reference in lower case; `file` where it has none."""
    if href.startswith(_USUAL):
        return href[: href.index(":")]
    match = _SCHEME.match(href)
    return match[1].lower() if match else LOCAL


def is_remote(href: str) -> bool:
    """Whether a URI reference is on another machine: it has a scheme other than `file`."""
    return get_scheme(href) != LOCAL


def is_relative(href: str) -> bool:
    """Whether a URI reference is relative to the document that has it."""
    return not _SCHEME.match(href) and not href.startswith("/")


def is_reference(href: str) -> bool:
    """Whether a text is a valid URI reference: `http://[` is not (RFC 3986, section 3.2.2)."""
    # what can be wrong with others; an item may have thousands of addresses
    if href.isascii() and "[" not in href and "]" not in href:
        return "\0" not in href
    try:
        urljoin("http://host/", href)
        urlsplit(href)
    except ValueError:
        return False
    return "\0" not in href


def read_paths(href: str) -> Iterator[str]:
    """Return the paths that a URI reference without scheme, or with `file:`, may mean, most likely first.

    By the standard it is decoded, without query and fragment. Tools that write names as they are (`a#b.tif`) mean
    the second one.
    """
    if href[:5].lower() == "file:":
        yield unquote(urlsplit(href).path)
        return
    yield unquote(urlsplit(href).path)
    yield href


def local_path(href: str, base_folder: Path) -> Path:
    """Return the absolute path that a local URI reference, relative to `base_folder`, means.

    The file system is checked only if the reference is ambiguous. Raises `StagingError` (`UNSUPPORTED`)
    for a `file:` URL of another machine.
    """
    return Path(_find_path(href, os.fspath(base_folder)))


def _find_path(href: str, base_folder: str) -> str:
    """Do what `local_path` does without a `Path`, which costs more than the rest for each of thousands of assets."""
    if href[:5].lower() == "file:":
        parts = urlsplit(href)
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise StagingError(
                Kind.UNSUPPORTED, href, "not a file URL of this machine", "Write it as file:///absolute/path."
            )
    paths = [os.path.join(base_folder, path) for path in dict.fromkeys(read_paths(href)) if path]  # noqa: PTH118
    if len(paths) == 1:
        return paths[0]
    return next((path for path in paths if os.path.lexists(path)), paths[0])


def name_of(href: str) -> str:
    """Return the last part of a URL's path, decoded, or of a local path; may be empty or unsafe.

    A `data:` URL has no name: its path is its content.
    """
    if href[:5].lower() == "data:":
        return ""
    return posixpath.basename(href.rstrip("/")) if not is_remote(href) else unquote(split_path(href)[-1])


def split_path(href: str) -> list[str]:
    """Return the parts of a URL's path, still encoded, or of a local path; a trailing slash is ignored."""
    path = urlsplit(href).path if is_remote(href) else href
    return path.rstrip("/").split("/")


def resolve_href(base: str, href: str) -> str:
    """Return the absolute address of `href` in the document at `base`; local ones become plain paths.

    Raises `StagingError` (`REFUSED`) where a remote document refers to a file of this machine.
    """
    if is_remote(href):
        return href
    if not is_remote(base):
        slash = "/" if href.endswith("/") else ""
        return posixpath.normpath(_find_path(href, posixpath.dirname(base))) + slash
    if href[:5].lower() == "file:":
        raise StagingError(
            Kind.REFUSED,
            href,
            f"the remote document {base} refers to a file of this machine",
            "The publisher of the document must use a public address.",
        )
    # urljoin knows http only; every scheme with an authority joins the same way (RFC 3986, section 5.2)
    joined = urljoin(f"http:{base.partition(':')[2]}", href)
    return f"{get_scheme(base)}:{joined.partition(':')[2]}"


def build_relative_href(target: str, document: str) -> str:
    """Return the href that leads from one document to another path of the same tree, percent-encoded."""
    relative = posixpath.relpath(target, posixpath.dirname(document) or ".")
    return quote(relative if relative.startswith("../") else f"./{relative}")
