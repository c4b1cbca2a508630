"""Makes file names from users' and servers' texts: never a path, never a collision."""

import hashlib
import posixpath
import re
from pathlib import PurePosixPath

LONGEST_NAME_BYTES = 180
_UNFIT = re.compile("[/\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff]")
# folders that are one asset: stores of arrays, products of satellite missions
FOLDER_SUFFIXES = frozenset({".zarr", ".safe", ".sen3"})
_KIND = re.compile(r"\.(?=[0-9]*[a-z])[0-9a-z_-]{1,16}")


def safe_name(text: str, otherwise: str = "unnamed") -> str:
    """Turn any text into one plain file name: letters, digits, `._-` and `+=@,` stay, the rest becomes `_`.

    The result is never empty, hidden, an option (`-x`) or a step up (`..`), and at most 180 bytes long: a
    longer one is cut and ends in a digest of the whole, with its suffix kept.
    """
    name = re.sub(r"[^\w.+=@,-]", "_", text, flags=re.ASCII).lstrip(".-")
    if not name.strip("_"):
        return otherwise
    if len(name) <= LONGEST_NAME_BYTES:
        return name
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    suffix = PurePosixPath(name).suffix[:16]
    return f"{name[: LONGEST_NAME_BYTES - 13 - len(suffix)]}-{digest}{suffix}"


def fix_part(part: str, otherwise: str = "unnamed") -> str:
    """Return a part of a path unchanged, unless it could lead outside, break a line, or a disk would not accept it."""
    plain = part not in ("", ".", "..") and not _UNFIT.search(part) and len(part.encode()) <= 255
    return part if plain else safe_name(part, otherwise)


def find_suffix(name: str) -> str:
    """Return the suffix of a name, in lower case, if it says what kind of file it is: `.tif`, not `.0`; else empty."""
    suffix = posixpath.splitext(name)[1].lower()
    return suffix if _KIND.fullmatch(suffix) else ""


def choose_name(*names: str) -> str:
    """Return the first of these names that has a suffix, else the first one: `$value` is no name of a file."""
    return next((name for name in names if posixpath.splitext(name)[1]), names[0])


def read_disposition(header: str) -> str:
    """Return the file name of a `Content-Disposition` header (RFC 6266), one plain name; empty where it has none.

    A server cannot choose a hidden name or an option (`-x`).
    """
    if not header:
        return ""
    from email.message import Message

    message = Message()
    message["content-disposition"] = header
    name = message.get_filename("")
    return fix_part(name.replace("\\", "/").rpartition("/")[2].lstrip(".-"), "")


def is_folder_name(name: str) -> bool:
    """Whether a name is that of a folder that is one asset, such as a zarr store or a Sentinel product."""
    # no Path: it costs as much as the rest of what is planned for a small file
    return posixpath.splitext(name.rstrip("/").lower())[1] in FOLDER_SUFFIXES


def find_folder(path: str) -> str | None:
    """Return the outermost folder of a path that is one asset (`a/c.zarr` of `a/c.zarr/B02/0.0`); None without one."""
    folders = path.split("/")[:-1]
    end = next((number for number, name in enumerate(folders, 1) if is_folder_name(name)), None)
    return "/".join(folders[:end]) if end else None


def unique_name(name: str, taken: set[str]) -> str:
    """Return `name`, or `name-2`, `name-3` … before its suffix if taken (ignoring case), and reserve it."""
    number, candidate = 1, name
    while candidate.casefold() in taken:
        path, number = PurePosixPath(name), number + 1
        candidate = f"{path.stem}-{number}{path.suffix}"
    taken.add(candidate.casefold())
    return candidate
