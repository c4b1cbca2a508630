"""Addresses of git repositories; pure."""

import re

# git@host:path, as programs for git write addresses over ssh
_SHORT = re.compile(r"(?:[^@/]+@)?([^:/]+):(?!/)(.+)")
_LONG = re.compile(r"[a-z+]+://(?:[^@/]*@)?([^/:]+)(?::\d+)?/+(.+)", re.I)


def is_over_ssh(url: str) -> bool:
    """Whether a repository is read by the program `ssh`."""
    scheme, separator, _ = url.partition("://")
    return scheme in ("ssh", "git+ssh") if separator else bool(_SHORT.fullmatch(url))


def find_web_address(url: str) -> str:
    """Return the address of a repository in the form of others: `git@host:path` is `ssh://host/path`."""
    short = None if "://" in url else _SHORT.fullmatch(url)
    return f"ssh://{short[1]}/{short[2]}" if short else url


def find_place(url: str) -> tuple[str, str]:
    """Return host and path of a repository: the same for all of its addresses."""
    host, path = read_address(url)
    return host.lower(), path.lower()


def read_address(url: str) -> tuple[str, str]:
    """Read host and path of the address of a repository; the host is empty where it has none."""
    found = _LONG.fullmatch(url) or _SHORT.fullmatch(url)
    host, path = found.groups() if found else ("", url)
    return host, path.rstrip("/").removesuffix(".git")
