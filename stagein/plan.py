"""Finds the values of a job order that refer to data, and plans their local paths."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from stagein.selection import SELECT
from zoo_staging.checksum import Checksum, parse_cwl_checksum
from zoo_staging.errors import Kind, StagingError, mask_href
from zoo_staging.hrefs import is_reference, is_remote, local_path, name_of
from zoo_staging.names import fix_part, safe_name, unique_name

logger = logging.getLogger(__name__)

Where = tuple[str | int, ...]


@dataclass(frozen=True)
class Reference:
    """One File or Directory of the job order.

    `where` leads to it through the job order, `href` is an absolute path (local) or a URL. A remote one is
    put into the folder `place` (relative to the stage-in folder), a File there under `name`; `is_unnamed`: its address
    has no name with a suffix, so that of the web server is better (`https://host/products/7/$value`); `select` is what
    a Directory selects of a STAC document (`stagein.selection`).
    """

    where: Where
    cwl_class: Literal["File", "Directory"]
    href: str
    place: str
    name: str = ""
    size_bytes: int | None = None
    checksum: Checksum | None = None
    is_unnamed: bool = False
    select: Any = None

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine already."""
        return not is_remote(self.href)


def build_plan(job_order: Mapping[str, Any], base_folder: Path) -> tuple[Reference, ...]:
    """Find every File and Directory in a job order that has a `location` or `path`.

    Arrays and records are searched, plain strings never touched; literals (`contents`, or `listing` without
    a location) stay as they are, but what they list is found. Raises `StagingError` for a `file:` URL of
    another machine or a location that is not text.
    """
    planner = _Planner(base_folder)
    return tuple(reference for name in job_order for reference in planner.visit(job_order[name], (name,), ""))


def build_job_order(job_order: Mapping[str, Any], staged: Mapping[Where, Path]) -> dict[str, Any]:
    """Return a copy of the job order with the local paths of `staged`, as `location` and as `path`."""
    return {name: _replace(value, (name,), staged) for name, value in job_order.items()}


def build_hrefs_plan(
    hrefs: Sequence[str], base_folder: Path, *, as_files: bool
) -> tuple[dict[str, Any], tuple[Reference, ...]]:
    """Build a job order whose only input `staged` has these addresses, and its plan.

    A single one goes into the stage-in folder itself, several into one folder each.
    """
    word = "File" if as_files else "Directory"
    keys = ["location" if is_remote(href) or href[:5].lower() == "file:" else "path" for href in hrefs]
    objects = [{"class": word, key: href} for key, href in zip(keys, hrefs, strict=True)]
    job_order = {"staged": objects[0] if len(objects) == 1 else objects}
    plan = build_plan(job_order, base_folder)
    return job_order, plan if len(plan) > 1 else tuple(replace(reference, place="") for reference in plan)


class _Planner:
    def __init__(self, base_folder: Path) -> None:
        self._base_folder = base_folder
        self._places: set[str] = set()
        self._names: dict[str, set[str]] = {}

    def visit(self, value: Any, where: Where, place: str) -> Iterator[Reference]:
        """Walk through `value`; `place` is the folder of the File whose secondary file this is, or empty."""
        if isinstance(value, list):
            for index, entry in enumerate(value):
                yield from self.visit(entry, (*where, index), place)
        elif isinstance(value, dict) and value.get("class") in ("File", "Directory"):
            yield from self._visit_object(value, where, place)
        elif isinstance(value, dict):
            for key, entry in value.items():
                yield from self.visit(entry, (*where, key), "")

    def _visit_object(self, value: dict[str, Any], where: Where, place: str) -> Iterator[Reference]:
        if not _refers(value):
            yield from self.visit(value.get("listing"), (*where, "listing"), "")
        else:
            reference = self._build_reference(value, where, place or self._take_place(where))
            # a name that a server gives a secondary file could be that of a file beside it
            yield replace(reference, is_unnamed=reference.is_unnamed and not place)
            place = reference.place
        yield from self.visit(value.get("secondaryFiles"), (*where, "secondaryFiles"), place)

    def _build_reference(self, value: dict[str, Any], where: Where, place: str) -> Reference:
        href = self._read_href(value, where)
        is_file = value["class"] == "File"
        size, checksum = value.get("size"), parse_cwl_checksum(value.get("checksum")) if is_file else None
        if is_file and checksum is None and value.get("checksum") is not None:
            kind = f"{value['checksum']!r:.100}"
            logger.warning("%s: checksum not verified, unknown kind: %s", mask_href(href), kind)
        return Reference(
            where=where,
            cwl_class=value["class"],
            href=href,
            place=place,
            name=self._take_name(place, str(value.get("basename") or name_of(href)), href) if is_file else "",
            size_bytes=size if is_file and isinstance(size, int) else None,
            checksum=checksum,
            is_unnamed=is_file and _is_unnamed(value, href),
            select=None if is_file else value.get(SELECT),
        )

    def _read_href(self, value: dict[str, Any], where: Where) -> str:
        """Read the absolute path or the URL: a `location` is a URI reference, a `path` a path (or a URL with `://`)."""
        key = "location" if "location" in value else "path"
        written = value[key]
        if not isinstance(written, str) or not written or not is_reference(written):
            raise StagingError(
                Kind.UNSUPPORTED,
                ".".join(map(str, where)),
                f"invalid `{key}`, neither a path nor a URL: {written!r:.100}",
                "Write the path or URL as text.",
            )
        if key == "path" and "://" not in written:
            return str(self._base_folder / written)
        return written if is_remote(written) else str(local_path(written, self._base_folder))

    def _take_place(self, where: Where) -> str:
        name = safe_name(str(where[0]), "input")
        numbers = "".join(f"-{step + 1}" for step in where if isinstance(step, int))
        return unique_name(f"{name}{numbers}".replace(".", "_"), self._places)

    def _take_name(self, place: str, wanted: str, href: str) -> str:
        name = unique_name(fix_part(wanted, "file"), self._names.setdefault(place, set()))
        if wanted and name != wanted and is_remote(href):
            logger.warning(
                "%s: file with a name that a disk does not take: %.100r, stored as %r", mask_href(href), wanted, name
            )
        return name


def _refers(value: Mapping[str, Any]) -> bool:
    """Whether a File or Directory has an address; a literal (CWL v1.2) has contents or a listing instead."""
    location = value.get("location", value.get("path"))
    return location is not None and not str(location).startswith("_:")


def _is_unnamed(value: Mapping[str, Any], href: str) -> bool:
    """Whether nobody named a File; one with secondary files, whose names depend on its own, keeps its name."""
    return not (value.get("basename") or value.get("secondaryFiles") or PurePosixPath(name_of(href)).suffix)


def _replace(value: Any, where: Where, staged: Mapping[Where, Path]) -> Any:
    if isinstance(value, list):
        return [_replace(entry, (*where, index), staged) for index, entry in enumerate(value)]
    if not isinstance(value, dict):
        return value
    path = staged.get(where)
    # of a folder that has an address, an engine reads the content there: a listing could name any other file
    kept = {key: entry for key, entry in value.items() if path is None or key not in ("listing", SELECT)}
    copy = {key: _replace(entry, (*where, key), staged) for key, entry in kept.items()}
    return copy if path is None else {**copy, "location": path.as_uri(), "path": str(path)}


def check_staged(job_order: Mapping[str, Any], staged: Iterable[Path]) -> None:
    """Check that a job order refers to staged files and folders only; raises `StagingError` for any other."""
    places = {path.as_uri(): str(path) for path in staged}
    for name, value in job_order.items():
        _check_staged(value, (name,), places)


def _check_staged(value: Any, where: Where, places: Mapping[str, str]) -> None:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        _check_staged(member, (*where, key), places)
    if not isinstance(value, dict) or value.get("class") not in ("File", "Directory") or not _refers(value):
        return
    if "listing" in value or value.get("path") != places.get(str(value.get("location")), ""):
        raise StagingError(
            Kind.REFUSED,
            ".".join(map(str, where)),
            "refers to data that was not staged",
            "Give each file and folder as an input with its own address.",
        )
