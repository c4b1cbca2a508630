"""Reads CWL documents: local files, and URLs within rules (hosts, size)."""

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from time import monotonic
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from zoo_runner.config.settings import Settings
from zoo_runner.model.errors import PackageError
from zoo_runner.model.package import SourceFile
from zoo_runner.package.community_schemas import find_document
from zoo_staging.addresses import ANYWHERE, Reach
from zoo_staging.proxies import NO_PROXIES, Proxies

Fetch = Callable[[str, int], bytes]
"""Fetches a URL, at most so many bytes of it."""


def build_fetch(settings: Settings, until: float | None = None) -> Fetch:
    """Return what fetches the documents of packages, within the rules on hosts of these settings.

    Nothing is waited for beyond `until`, a time of the monotonic clock.
    """
    hosts = settings.package_hosts
    reach = replace(settings.reach, hosts=(*settings.reach.hosts, *hosts), only=hosts)
    return lambda url, max_bytes: fetch_over_http(url, max_bytes, settings.proxies, reach, until)


def fetch_over_http(
    url: str, max_bytes: int, proxies: Proxies = NO_PROXIES, reach: Reach = ANYWHERE, until: float | None = None
) -> bytes:
    """Fetch a document over HTTP(S) with the stagers' client and its rules on addresses. Raises `PackageError`."""
    import asyncio

    from zoo_staging.errors import Kind, StagingError
    from zoo_staging.http import HttpClient, HttpOptions

    options = HttpOptions(reach, proxies=proxies)

    async def fetch() -> bytes:
        content = b""
        async with HttpClient(options) as client, client.get(url) as answer:
            async for chunk in answer.chunks:
                content += chunk
                if len(content) > max_bytes:
                    raise _too_large(url, max_bytes)
        return content

    try:
        # a server that sends a little now and then would hold up its client for ever
        return asyncio.run(asyncio.wait_for(fetch(), None if until is None else until - monotonic()))
    except asyncio.TimeoutError as error:
        remedy = "Look at its server, or send the documents with the request."
        cause = f"cannot fetch {url}: it did not arrive in time"
        raise PackageError(cause, remedy, code="package.unreachable") from error
    except StagingError as error:
        codes = {Kind.NOT_FOUND: "package.not-found", Kind.REFUSED: "package.refused"}
        code = codes.get(error.kind, "package.unreachable")
        raise PackageError(f"cannot fetch {url}: {error.reason}", error.remedy, code=code) from error


def as_uri(reference: str) -> str:
    """Turn what a user writes into a URI: a path, a file: or http(s): URL, with or without `#id`.

    A path that exists with its `#` is that path. Raises `PackageError`.
    """
    try:
        scheme = urlsplit(reference).scheme
        if scheme in ("http", "https", "file"):
            return reference
        path, _, fragment = (reference, "", "") if Path(reference).exists() else reference.partition("#")
        uri = Path(path).absolute().as_uri()
    except (ValueError, RuntimeError, OSError) as error:
        raise _not_a_reference(reference, str(error)) from error
    if reference.startswith(f"{scheme}://"):
        raise _not_a_reference(reference, f"{scheme} is not supported")
    return f"{uri}#{fragment}" if fragment else uri


def _not_a_reference(reference: str, why: str) -> PackageError:
    return PackageError(
        f"{reference!r} is neither a path nor a web address: {why}",
        "Give the path of a file, or an http(s) address.",
        code="package.reference",
    )


def is_remote(uri: str) -> bool:
    """Whether a URI is fetched over the network."""
    return urlsplit(uri).scheme in ("http", "https")


def is_local(uri: str) -> bool:
    """Whether a URI is a file of this machine."""
    return urlsplit(uri).scheme in ("", "file")


class Documents:
    """Reads the documents of one package and remembers what it read.

    The EO community's well-known documents are included and never fetched. All others on the web are asked for anew by
    each `Documents`: a package is never made of a new document and an old one that it refers to. A remote document may
    not refer to local files.
    """

    def __init__(self, entry_uri: str, settings: Settings, fetch: Fetch | None = None) -> None:
        self._entry = urldefrag(entry_uri)[0]
        self._settings = settings
        self._fetch = fetch or build_fetch(settings)
        self._read: dict[str, bytes] = {}

    @property
    def files(self) -> tuple[SourceFile, ...]:
        """The documents read so far, sorted by URI."""
        return tuple(SourceFile(uri, sha256(content).hexdigest()) for uri, content in sorted(self._read.items()))

    def read(self, uri: str) -> bytes:
        """Return the bytes of a document; raises `PackageError`."""
        uri = urldefrag(uri)[0]
        if uri not in self._read:
            self._read[uri] = self._read_remote(uri) if is_remote(uri) else self._read_local(uri)
        return self._read[uri]

    @property
    def _max_bytes(self) -> int:
        return int(self._settings.package_max_mib * 2**20)

    def is_readable(self, uri: str) -> bool:
        """Whether a package may read a file of this machine: where it is confined, in the folder of its document."""
        if not self._settings.confined or uri == self._entry:
            return True
        folder, path = (os.path.realpath(unquote(urlsplit(one).path)) for one in (join_uri(self._entry, "."), uri))
        return Path(path).is_relative_to(folder)

    def _read_local(self, uri: str) -> bytes:
        if urlsplit(uri).scheme != "file" or is_remote(self._entry):
            raise PackageError(
                f"{self._entry} refers to {uri}, which is not a web address",
                "A package that is fetched from the web may refer to http(s) addresses only.",
                code="package.refused",
            )
        path = Path(unquote(urlsplit(uri).path))
        try:
            if not self.is_readable(uri):
                raise _foreign(self._entry, path)
            size_bytes = _regular_size_bytes(path)
            if size_bytes > self._max_bytes:
                raise _too_large(uri, self._max_bytes)
            return path.read_bytes()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            code = "package.not-found" if isinstance(error, FileNotFoundError) else "package.unreadable"
            raise PackageError(
                f"cannot read {path}: {why}", "Check the path and its permissions.", code=code
            ) from error

    def _read_remote(self, uri: str) -> bytes:
        known = find_document(uri)
        if known is not None:
            return known
        host = urlsplit(uri).hostname
        if not host:
            raise _not_a_reference(uri, "it has no host")
        hosts = self._settings.package_hosts
        if hosts and host not in hosts:
            raise PackageError(
                f"{uri} is on {host}, and CWL is accepted from {', '.join(hosts)} only",
                "Move it there, or ask the operator to add the host to ZOO_RUNNER_PACKAGE_HOSTS.",
                code="package.refused",
            )
        return self._fetch(uri, self._max_bytes)


def _regular_size_bytes(path: Path) -> int:
    """Return the size of a regular file; devices and pipes are refused, because reading them may never end."""
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is not a regular file")
    return found.st_size


def _foreign(entry: str, path: Path) -> PackageError:
    return PackageError(
        f"{entry} refers to {path}, which is not in its folder",
        "Deploy the package with all that it refers to, as one document or in one folder.",
        code="package.refused",
    )


def _too_large(uri: str, max_bytes: int) -> PackageError:
    return PackageError(
        f"{uri} is larger than {max_bytes / 2**20:g} MiB",
        "Check that it is the right document; the operator can raise ZOO_RUNNER_PACKAGE_MAX_MIB.",
        code="package.too-large",
    )


def join_uri(base: str, reference: str) -> str:
    """Resolve a reference against the document that contains it; raises `PackageError`."""
    try:
        return urljoin(base, reference)
    except ValueError as error:
        raise PackageError(
            f"{reference!r}{f' in {base}' if base else ''} is neither a path nor a web address: {error}",
            "Correct the reference: it is the path of a file, or an http(s) address.",
            code="package.reference",
        ) from error
