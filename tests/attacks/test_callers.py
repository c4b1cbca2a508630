"""A caller reads files of the machine through the inputs of a harmless package."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.attacks.hostile import Document, Host, find_canary, output, run_here, tool
from tests.site import Site

Inputs = dict[str, Any]


def copying(kind: str) -> Document:
    """A package that copies its input, links followed."""
    inputs = {"x": {"type": kind, "loadListing": "deep_listing", "inputBinding": {"position": 1}}}
    return tool("cp -rL $0 shown", output(kind, "shown"), inputs=inputs)


def folder(host: Host, **more: Any) -> Inputs:
    return {"x": {"class": "Directory", "location": (host.folder.parent / "allowed").as_uri(), **more}}


def file(host: Host, **more: Any) -> Inputs:
    return {"x": {"class": "File", "location": (host.folder.parent / "allowed" / "a.txt").as_uri(), **more}}


def secret(host: Host, key: str = "location") -> Document:
    return {"class": "File", key: host.secret.as_uri() if key == "location" else str(host.secret)}


FOLDERS: dict[str, Callable[[Host], Inputs]] = {
    "a folder": lambda h: {"x": {"class": "Directory", "location": h.folder.as_uri()}},
    "a folder, by steps up": lambda h: {
        "x": {"class": "Directory", "location": f"{(h.folder.parent / 'allowed').as_uri()}/../host"}
    },
    "a Directory, listing": lambda h: folder(h, listing=[secret(h)]),
    "a Directory, listing of paths": lambda h: folder(h, listing=[secret(h, "path")]),
    "a Directory, listing of folders": lambda h: folder(
        h, listing=[{"class": "Directory", "location": h.folder.as_uri()}]
    ),
    "a Directory, deep listing": lambda h: folder(
        h, listing=[{"class": "Directory", "basename": "d", "listing": [secret(h)]}]
    ),
    "listing alone": lambda h: {"x": {"class": "Directory", "basename": "d", "listing": [secret(h)]}},
    "deep listing alone": lambda h: {
        "x": {
            "class": "Directory",
            "basename": "d",
            "listing": [{"class": "Directory", "basename": "e", "listing": [secret(h)]}],
        }
    },
    "listing, secondary files": lambda h: {
        "x": {
            "class": "Directory",
            "basename": "d",
            "listing": [{"class": "File", "basename": "f", "contents": "", "secondaryFiles": [secret(h)]}],
        }
    },
}
FILES: dict[str, Callable[[Host], Inputs]] = {
    "a file": lambda h: {"x": secret(h)},
    "a path": lambda h: {"x": secret(h, "path")},
    "a plain path": lambda h: {"x": str(h.secret)},
    "a file with secondary files": lambda h: file(h, secondaryFiles=[secret(h)]),
    "a literal with secondary files": lambda h: {
        "x": {"class": "File", "basename": "f", "contents": "", "secondaryFiles": [secret(h)]}
    },
    "a name with steps up": lambda h: file(h, basename=f"../../{h.secret.name}"),
    "a file with a location and another path": lambda h: file(h, path=str(h.secret)),
}


@pytest.fixture
def confined(site: Site, host: Host) -> Site:
    """An installation whose callers may use one folder of the machine."""
    allowed = host.folder.parent / "allowed"
    allowed.mkdir()
    (allowed / "a.txt").write_text("allowed")
    return site.having(STAGEIN_ALLOWED_ROOTS=str(allowed))


@pytest.mark.parametrize("name", FOLDERS)
def test_no_caller_reads_a_foreign_folder(name: str, confined: Site, host: Host) -> None:
    run_here(confined, copying("Directory"), FOLDERS[name](host))
    assert find_canary(confined.results) == []


@pytest.mark.parametrize("name", FILES)
def test_no_caller_reads_a_foreign_file(name: str, confined: Site, host: Host) -> None:
    before = host.read()
    run_here(confined, copying("File"), FILES[name](host))
    assert find_canary(confined.results) == []
    assert host.read() == before


@pytest.mark.parametrize("name", ["secret.txt", "below", ""])
def test_a_link_in_an_allowed_folder_leads_nowhere_else(name: str, confined: Site, host: Host) -> None:
    (host.folder.parent / "allowed" / "link").symlink_to(host.folder / name)
    error = run_here(confined, copying("Directory"), folder(host))
    assert find_canary(confined.results) == []
    assert error is not None
    assert error.diagnosis.code == "source.refused"


def test_a_folder_with_a_listing_is_staged_as_it_is(confined: Site, host: Host) -> None:
    assert run_here(confined, copying("Directory"), folder(host, listing=[secret(host)])) is None
    assert [path.name for path in confined.results.rglob("a.txt")] == ["a.txt"]
