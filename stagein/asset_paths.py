"""Computes the paths of an item's assets below its folder: paths relative to the item are kept; pure.

A `manifest.safe` refers to `measurement/...`, a zarr store has folders: plain names would break them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from zoo_staging.hrefs import get_scheme, is_remote, split_path
from zoo_staging.names import safe_name

Folder = tuple[str, ...]
"""Host, then folders of an address."""


def build_asset_paths(document: str, hrefs: Mapping[str, str], taken: Iterable[str]) -> dict[str, PurePosixPath]:
    """Return a path for each asset, by key; `document` is the address of its item, `hrefs` are absolute.

    An asset below the item keeps its relative path. Others keep their path relative to the deepest folder that
    all such assets of one host share. Paths are distinct, whatever the case, and differ from those `taken`.
    """
    home = _read_folder(document)
    folders = {key: _read_folder(href) for key, href in hrefs.items()}
    others = [folder for folder in folders.values() if folder[: len(home)] != home]
    used = {name.casefold() for name in taken}
    paths = {}
    for key, folder in folders.items():
        above = home if folder[: len(home)] == home else _find_shared([each for each in others if each[0] == folder[0]])
        wanted = PurePosixPath(*map(mend_part, folder[len(above) :])) / _read_name(hrefs[key], key)
        paths[key] = next(path for path in _vary(wanted, key) if str(path).casefold() not in used)
        used.add(str(paths[key]).casefold())
    return paths


def mend_part(part: str) -> str:
    """Return a part of a path unchanged, unless it could lead outside or a disk would not accept it."""
    plain = part not in ("", ".", "..") and "/" not in part and part.isprintable() and len(part.encode()) <= 255
    return part if plain else safe_name(part)


def _find_shared(folders: Sequence[Folder]) -> Folder:
    """Return the deepest folder that contains all folders."""
    columns = takewhile(lambda column: len(set(column)) == 1, zip(*folders, strict=False))
    return tuple(column[0] for column in columns)


def _vary(path: PurePosixPath, key: str) -> Iterator[PurePosixPath]:
    """Yield the path, then others like it."""
    yield path
    yield path.with_name(safe_name(f"{key}_{path.name}"))
    for number in range(2, 1_000_000):
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")


def _read_name(href: str, key: str) -> str:
    last = split_path(href)[-1]
    name = "" if get_scheme(href) == "data" else unquote(last) if is_remote(href) else last
    return mend_part(name) if name else safe_name(key, "asset")


def _read_folder(href: str) -> Folder:
    if not is_remote(href):
        return ("file", *filter(None, split_path(href)[:-1]))
    parts = urlsplit(href)
    if parts.scheme == "data":
        return ("data",)
    return (f"{parts.scheme}://{parts.netloc}", *(unquote(part) for part in split_path(href)[:-1] if part))
