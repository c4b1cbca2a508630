"""Resolves a package in a child process: cwltool takes a hundred megabytes that a waiting service does not need.

Inside a ZOO kernel it also leaves objects that raise errors when the interpreter ends.
"""

import json
import resource
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, replace
from hashlib import sha256
from math import ceil
from pathlib import Path
from time import monotonic
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from zoo_runner.config.settings import Settings
from zoo_runner.model.codec import from_plain, to_plain
from zoo_runner.model.diagnosis import Diagnosis
from zoo_runner.model.errors import EngineError, Fault, InvalidPackageError, PackageError
from zoo_runner.model.package import Package
from zoo_runner.package.documents import Documents, Fetch, as_uri, build_fetch, is_remote
from zoo_runner.package.findings import Place
from zoo_runner.package.loading import load_kept_package, load_package, load_resolved_package
from zoo_runner.package.resolver import Resolve, resolve_in_new_process
from zoo_staging.addresses import Reach
from zoo_staging.proxies import Proxies

UPLOAD_HOST = "upload.invalid"
"""Stands in addresses for the documents of a request; no such host can exist (RFC 2606)."""
NO_FILES: Mapping[str, str] = MappingProxyType({})
LONGEST_CPU_SECONDS = 180
LONGEST_SECONDS, LONGEST_REQUEST_SECONDS = 600.0, 60.0
"""What resolving a package may take, and what where a request waits for it; of memory, `_LARGEST_BYTES`.

A hostile one could take any amount.
"""
LONGEST_LOCATING_SECONDS = 20.0
"""What finding lines may take: they are worth no more, and what was found is shown without them."""
_LARGEST_BYTES = 4 << 30


def prepare_package(reference: str, settings: Settings) -> Package:
    """Load a package from the cache, or let a child process store it there first. Raises `PackageError`."""
    return _prepare(reference, settings)


def prepare_upload(
    files: Mapping[str, str],
    main: str,
    workflow: str | None,
    settings: Settings,
    run: Resolve = resolve_in_new_process,
    seconds: float = LONGEST_SECONDS,
) -> Package:
    """Load a package from the texts of its documents, by name; `main` is the one that has the workflow.

    They may refer to one another and to web addresses, but not to this machine or its network. Raises `PackageError`.
    """
    reference = refer_to_upload(files, main, workflow)
    package = _prepare(reference, _confine(settings, files), files, run, seconds)
    # a step would ask this host for it
    for location in _list_locations(package.document):
        if location.startswith(f"https://{UPLOAD_HOST}/"):
            raise _build_not_sent(location)
    return package


def refer_to_upload(files: Mapping[str, str], main: str, workflow: str | None) -> str:
    """Return the address that stands for the texts of a request."""
    digest = sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:16]
    reference = f"https://{UPLOAD_HOST}/{digest}/{quote(main)}"
    return f"{reference}#{workflow}" if workflow else reference


def name_document(uri: str) -> str:
    """Return how a document is called for people: by the name it was sent with, or by its address."""
    parts = urlsplit(uri)
    return _read_name(uri) if parts.hostname == UPLOAD_HOST else parts._replace(fragment="").geturl()


def _list_locations(node: Any) -> Iterator[str]:
    members = node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ()
    if isinstance(node, Mapping) and node.get("class") in ("File", "Directory"):
        yield str(node.get("location", node.get("path", "")))
    for member in members:
        yield from _list_locations(member)


def prepare_public(
    reference: str, settings: Settings, run: Resolve = resolve_in_new_process, seconds: float = LONGEST_SECONDS
) -> Package:
    """Load a package from an address that a client has sent: one in a private network only if its host is listed.

    Raises `PackageError`.
    """
    return _prepare(reference, _confine(settings), NO_FILES, run, seconds)


def locate_parts(
    package: Package,
    pointers: Sequence[str],
    reference: str,
    settings: Settings,
    files: Mapping[str, str] = NO_FILES,
    run: Resolve = resolve_in_new_process,
) -> tuple[Place, ...]:
    """Find the lines of parts of a package that was prepared a moment ago, by JSON pointers into its packed document.

    A child process parses the documents again, within limits. It finds none where one of them is another by now.
    """
    order = {
        **_build_order(reference, _confine(settings, files), files, LONGEST_LOCATING_SECONDS),
        "pointers": list(pointers),
        "digest": package.digest,
    }
    child = run(order, settings)
    found = json.loads(child.stdout) if child.stdout.startswith("[") and not child.returncode else []
    return tuple(Place(*place) for place in found) or (Place(""),) * len(pointers)


def read_public_text(uri: str, settings: Settings, max_bytes: int) -> str:
    """Read a document at a web address once more, to show it to who gave the address; raises `PackageError`."""
    if not is_remote(uri):
        raise PackageError(f"{uri} is not a web address", "Send the document itself.", code="package.reference")
    confined = replace(_confine(settings), package_max_mib=max_bytes / 2**20)
    fetch = _build_fetch(confined, NO_FILES, monotonic() + LONGEST_LOCATING_SECONDS)
    return Documents(uri, confined, fetch).read(uri).decode("utf-8-sig", "replace")


def _confine(settings: Settings, files: Mapping[str, str] = NO_FILES) -> Settings:
    """Return the settings under which a package of a client is read: without this network, with what it has sent."""
    hosts = settings.package_hosts
    return replace(
        settings,
        reach=replace(settings.reach, private=False),
        package_hosts=(*hosts, UPLOAD_HOST) if hosts and files else hosts,
    )


def _build_fetch(settings: Settings, files: Mapping[str, str], until: float | None = None) -> Fetch:
    """Return what fetches documents; `files` are those at UPLOAD_HOST, by their path below the first folder."""
    over_http = build_fetch(settings, until)

    def fetch(url: str, max_bytes: int) -> bytes:
        if not files or urlsplit(url).hostname != UPLOAD_HOST:
            return over_http(url, max_bytes)
        name = _read_name(url)
        if name not in files:
            raise _build_not_sent(url)
        return files[name].encode()

    return fetch


def _read_name(url: str) -> str:
    return unquote(urlsplit(url).path).lstrip("/").partition("/")[2]


def _build_not_sent(url: str) -> PackageError:
    return PackageError(
        f"the package refers to {_read_name(url) or url}, which was not sent with it",
        "Send all its documents in one request (multipart/form-data), have it refer to a web address, or pack it"
        " into one document; make a file that its steps read an input.",
        code="package.not-found",
    )


def _prepare(
    reference: str,
    settings: Settings,
    files: Mapping[str, str] = NO_FILES,
    run: Resolve = resolve_in_new_process,
    seconds: float = LONGEST_SECONDS,
) -> Package:
    started = monotonic()
    # where servers are slow, resolving keeps half of the time, and its errors name the document
    fetch = _build_fetch(settings, files, started + seconds / 2)
    if kept := load_kept_package(reference, settings, fetch):
        return kept
    child = run(_build_order(reference, settings, files, started + seconds - monotonic()), settings)
    if problem := _read_problem(child.stdout):
        raise problem
    if child.returncode == -signal.SIGXCPU:
        raise _too_large(reference, f"{LONGEST_CPU_SECONDS} s of CPU time")
    if child.returncode == -signal.SIGALRM:
        raise _too_large(reference, f"{seconds:g} s")
    # what the child has just read is not asked for again: it may be another version already
    package = None if child.returncode else load_resolved_package(reference, settings)
    if package is None:
        end = f"ended with {child.returncode}" if child.returncode else f"stored nothing in {settings.cache}"
        raise EngineError(
            f"cannot resolve the package {reference}: the resolving program {end}",
            "Report the evidence (its last lines) to the operator.",
            evidence=tuple(child.stderr.splitlines()[-5:]),
            code="package.resolve",
        )
    return package


def _build_order(reference: str, settings: Settings, files: Mapping[str, str], seconds: float) -> dict[str, Any]:
    return {
        "reference": reference,
        "files": dict(files),
        "cache": str(settings.cache),
        "hosts": settings.package_hosts,
        "max_mib": settings.package_max_mib,
        "confined": settings.confined,
        "reach": asdict(settings.reach),
        "proxies": asdict(settings.proxies),
        "cpu_seconds": LONGEST_CPU_SECONDS,
        "seconds": max(1, ceil(seconds)),
        "path": [path for path in sys.path if path and Path(path).is_absolute()],
    }


def _read_problem(text: str) -> PackageError | None:
    if not text.startswith("{"):
        return None
    sent = json.loads(text)
    faults = tuple(Fault(**fault) for fault in sent.pop("faults", ()))
    diagnosis = from_plain(Diagnosis, sent)
    if not faults:
        return PackageError.restore(diagnosis)
    problem = InvalidPackageError.restore(diagnosis)
    problem.faults = faults
    return problem


def _too_large(reference: str, limit: str) -> PackageError:
    return PackageError(
        f"resolving the package {reference} takes more than {limit}",
        "Simplify it: fewer or smaller documents, inputs and lists.",
        code="package.too-large",
    )


def _limit(kind: int, most: int) -> None:
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def resolve(order: Mapping[str, Any]) -> None:
    """Store the package in the cache, or print why that failed, or where its parts are; runs in the child process."""
    _limit(resource.RLIMIT_CPU, order["cpu_seconds"])
    _limit(resource.RLIMIT_AS, _LARGEST_BYTES)
    # servers that answer slowly take no processor time
    signal.alarm(order["seconds"])
    settings = Settings(
        cache=Path(order["cache"]),
        package_hosts=tuple(order["hosts"]),
        package_max_mib=order["max_mib"],
        confined=order["confined"],
        reach=Reach(**order["reach"]),
        proxies=Proxies(**order["proxies"]),
    )
    fetch = _build_fetch(settings, order["files"])
    try:
        if "pointers" in order:
            sys.stdout.write(json.dumps([astuple(place) for place in _locate(order, settings, fetch)]))
        else:
            load_package(order["reference"], settings, fetch)
    except PackageError as error:
        faults = [asdict(fault) for fault in error.faults] if isinstance(error, InvalidPackageError) else []
        sys.stdout.write(json.dumps({**to_plain(error.diagnosis), "faults": faults}))
    except MemoryError:
        problem = _too_large(order["reference"], f"{_LARGEST_BYTES >> 30} GiB of memory")
        sys.stdout.write(json.dumps(to_plain(problem.diagnosis)))


def _locate(order: Mapping[str, Any], settings: Settings, fetch: Fetch) -> Iterator[Place]:
    # it loads a parser of YAML, which only the child needs
    from zoo_runner.package.positions import load_positions

    package = load_resolved_package(order["reference"], settings)
    if package is None or package.digest != order["digest"]:
        return
    digests = {file.uri: file.sha256 for file in package.files}
    documents = Documents(as_uri(order["reference"]), settings, fetch)

    def read(uri: str) -> bytes:
        content = documents.read(uri)
        if sha256(content).hexdigest() != digests.get(uri):
            raise PackageError(f"{uri} has changed", "Send the request again.", code="package.resolve")
        return content

    places = load_positions(package, read)
    yield from map(places.find, order["pointers"])
