"""Computes the paths of an item's assets below its folder: paths relative to the item are kept; pure.

A `manifest.safe` refers to `measurement/...`, a zarr store has folders: plain names would break them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import lru_cache
from itertools import takewhile
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from zoo_staging.hrefs import LOCAL, get_scheme
from zoo_staging.names import fix_part, safe_name

Folder = tuple[str, ...]
"""Host, then folders of an address."""
_BEFORE_HOST = 2
"""Slashes."""
_MARKS = frozenset("?#")


def build_asset_paths(document: str, hrefs: Mapping[str, str], taken: Iterable[str]) -> dict[str, PurePosixPath]:
    """Return a path for each asset, by key; `document` is the address of its item, `hrefs` are absolute.

    An asset below the item keeps its relative path. Others keep their path relative to the deepest folder that
    all such assets of one host share. Paths are distinct, whatever the case, and differ from those `taken`.
    """
    home, _ = _split_address(document)
    addresses = {key: _split_address(href) for key, href in hrefs.items()}
    # thousands of assets lie in few folders
    prefixes = _build_prefixes({folder for folder, _ in addresses.values()}, home)
    used = {name.casefold() for name in taken}
    paths = {}
    for key, (folder, last) in addresses.items():
        wanted = prefixes[folder] + (fix_part(last) if last else safe_name(key, "asset"))
        if (folded := wanted.casefold()) not in used:
            paths[key] = PurePosixPath(wanted)
            used.add(folded)
            continue
        paths[key] = next(path for path in _vary(wanted, key) if str(path).casefold() not in used)
        used.add(str(paths[key]).casefold())
    return paths


def _build_prefixes(folders: Set[Folder], home: Folder) -> dict[Folder, str]:
    """Return, for each folder of an address, how paths of what is in it begin."""
    outside = {folder for folder in folders if folder[: len(home)] != home}
    shared = _find_shared_by_host(outside)
    above = {folder: shared[folder[0]] if folder in outside else home for folder in folders}
    return {folder: "".join(f"{fix_part(part)}/" for part in folder[len(above[folder]) :]) for folder in folders}


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
    place, _, last = href.rpartition("/")
    # an address whose last part is what it seems to be
    if last and place.count("/") >= _BEFORE_HOST and href.isprintable() and not _MARKS & set(href):
        return _split_folder(place, scheme), unquote(last)
    parts = urlsplit(href)
    *folders, last = map(unquote, parts.path.rstrip("/").split("/"))
    return (f"{scheme}://{parts.netloc}", *filter(None, folders)), last


@lru_cache(1024)
def _split_folder(place: str, scheme: str) -> Folder:
    parts = urlsplit(place)
    return (f"{scheme}://{parts.netloc}", *filter(None, map(unquote, parts.path.split("/"))))
