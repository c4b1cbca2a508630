"""Resolves a package in a child process: cwltool takes a hundred megabytes that a waiting service does not need.

Inside a ZOO kernel it also leaves objects that raise errors when the interpreter ends.
"""

import json
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from math import ceil
from pathlib import Path
from time import monotonic
from types import MappingProxyType
from typing import Any

from zoo_runner.config.settings import Settings
from zoo_runner.model.codec import from_plain
from zoo_runner.model.diagnosis import Diagnosis
from zoo_runner.model.errors import EngineError, Fault, InvalidPackageError, PackageError
from zoo_runner.model.package import Package
from zoo_runner.package.documents import Documents, is_remote
from zoo_runner.package.findings import Place
from zoo_runner.package.loading import load_kept_package, load_resolved_package
from zoo_runner.package.resolution import build_too_large
from zoo_runner.package.resolver import Resolve, resolve_in_new_process
from zoo_runner.package.sent_documents import UPLOAD_HOST, build_fetch_with, build_not_sent, refer_to_upload

NO_FILES: Mapping[str, str] = MappingProxyType({})
LONGEST_CPU_SECONDS = 180
LONGEST_SECONDS, LONGEST_REQUEST_SECONDS = 600.0, 60.0
"""What resolving a package may take, and what where a request waits for it; of memory, `LARGEST_BYTES`.

A hostile one could take any amount.
"""
LONGEST_LOCATING_SECONDS = 20.0
"""What finding lines may take: they are worth no more, and what was found is shown without them."""


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
            raise build_not_sent(location)
    return package


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
    fetch = build_fetch_with(confined, NO_FILES, monotonic() + LONGEST_LOCATING_SECONDS)
    return Documents(uri, confined, fetch).read(uri).decode("utf-8-sig", "replace")


def _confine(settings: Settings, files: Mapping[str, str] = NO_FILES) -> Settings:
    """Return the settings under which a package of a client is read: without this network, with what it has sent."""
    hosts = settings.package_hosts
    return replace(
        settings,
        reach=replace(settings.reach, private=False),
        package_hosts=(*hosts, UPLOAD_HOST) if hosts and files else hosts,
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
    fetch = build_fetch_with(settings, files, started + seconds / 2)
    if kept := load_kept_package(reference, settings, fetch):
        return kept
    child = run(_build_order(reference, settings, files, started + seconds - monotonic()), settings)
    if problem := _read_problem(child.stdout):
        raise problem
    if child.returncode == -signal.SIGXCPU:
        raise build_too_large(reference, f"{LONGEST_CPU_SECONDS} s of CPU time")
    if child.returncode == -signal.SIGALRM:
        raise build_too_large(reference, f"{seconds:g} s")
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
