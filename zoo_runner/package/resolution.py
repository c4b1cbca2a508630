"""Resolves a package, or finds its parts in its documents, in a child process with limits."""

import json
import resource
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, astuple
from hashlib import sha256
from pathlib import Path
from typing import Any

from zoo_runner.config.settings import Settings
from zoo_runner.model.codec import to_plain
from zoo_runner.model.errors import InvalidPackageError, PackageError
from zoo_runner.package.documents import Documents, Fetch, as_uri
from zoo_runner.package.findings import Place
from zoo_runner.package.loading import load_package, load_resolved_package
from zoo_runner.package.sent_documents import build_fetch_with
from zoo_staging.addresses import Reach
from zoo_staging.proxies import Proxies

LARGEST_BYTES = 4 << 30
"""The memory that resolving a package may take."""


def _limit(kind: int, most: int) -> None:
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def resolve(order: Mapping[str, Any]) -> None:
    """Store the package in the cache, or print why that failed, or where its parts are; runs in the child process."""
    _limit(resource.RLIMIT_CPU, order["cpu_seconds"])
    _limit(resource.RLIMIT_AS, LARGEST_BYTES)
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
    fetch = build_fetch_with(settings, order["files"])
    try:
        if "pointers" in order:
            sys.stdout.write(json.dumps([astuple(place) for place in _locate(order, settings, fetch)]))
        else:
            load_package(order["reference"], settings, fetch)
    except PackageError as error:
        faults = [asdict(fault) for fault in error.faults] if isinstance(error, InvalidPackageError) else []
        sys.stdout.write(json.dumps({**to_plain(error.diagnosis), "faults": faults}))
    except MemoryError:
        problem = build_too_large(order["reference"], f"{LARGEST_BYTES >> 30} GiB of memory")
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


def build_too_large(reference: str, limit: str) -> PackageError:
    """Build the error of a package that takes more than a limit."""
    return PackageError(
        f"resolving the package {reference} takes more than {limit}",
        "Simplify it: fewer or smaller documents, inputs and lists.",
        code="package.too-large",
    )
