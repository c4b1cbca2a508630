"""Computes the paths of an item's assets below its folder: paths relative to the item are kept; pure.

A `manifest.safe` refers to `measurement/...`, a zarr store has folders: plain names would break them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from zoo_staging.hrefs import LOCAL, get_scheme
from zoo_staging.names import fix_part, safe_name

Folder = tuple[str, ...]
"""Host, then folders of an address."""


def build_asset_paths(document: str, hrefs: Mapping[str, str], taken: Iterable[str]) -> dict[str, PurePosixPath]:
    """Return a path for each asset, by key; `document` is the address of its item, `hrefs` are absolute.

    An asset below the item keeps its relative path. Others keep their path relative to the deepest folder that
    all such assets of one host share. Paths are distinct, whatever the case, and differ from those `taken`.
    """
    home, _ = _split_address(document)
    addresses = {key: _split_address(href) for key, href in hrefs.items()}
    shared = _find_shared_by_host(folder for folder, _ in addresses.values() if folder[: len(home)] != home)
    used = {name.casefold() for name in taken}
    paths = {}
    for key, (folder, last) in addresses.items():
        above = home if folder[: len(home)] == home else shared[folder[0]]
        wanted = "/".join((*map(fix_part, folder[len(above) :]), fix_part(last) if last else safe_name(key, "asset")))
        paths[key] = next(path for path in _vary(wanted, key) if str(path).casefold() not in used)
        used.add(str(paths[key]).casefold())
    return paths


def _find_shared_by_host(folders: Iterable[Folder]) -> dict[str, Folder]:
    """Return, for each host, the deepest folder that contains all its folders."""
    hosts: dict[str, set[Folder]] = {}
    for folder in folders:
        hosts.setdefault(folder[0], set()).add(folder)
    return {host: _find_shared([*found]) for host, found in hosts.items()}


def _find_shared(folders: Sequence[Folder]) -> Folder:
    columns = takewhile(lambda column: len(set(column)) == 1, zip(*folders, strict=False))
    return tuple(column[0] for column in columns)


def _vary(wanted: str, key: str) -> Iterator[PurePosixPath]:
    """Yield the path, then others like it."""
    path = PurePosixPath(wanted)
    yield path
    yield path.with_name(safe_name(f"{key}_{path.name}"))
    for number in range(2, 1_000_000):
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")


def _split_address(href: str) -> tuple[Folder, str]:
    """Return the folder of an address and its last part, decoded; empty where it has none."""
    scheme = get_scheme(href)
    if scheme == LOCAL:
        *folders, last = href.rstrip("/").split("/")
        return (LOCAL, *filter(None, folders)), last
    if scheme == "data":
        return (scheme,), ""
    parts = urlsplit(href)
    *folders, last = map(unquote, parts.path.rstrip("/").split("/"))
    return (f"{scheme}://{parts.netloc}", *filter(None, folders)), last
