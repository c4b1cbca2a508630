"""Which paths the patterns of a source choose, by the rules of .gitignore."""

from collections.abc import Callable, Sequence

from dulwich.ignore import IgnoreFilter


def build_matcher(include: Sequence[str], exclude: Sequence[str]) -> Callable[[str], bool]:
    """Build the question whether a path is included and not excluded."""
    included, excluded = (IgnoreFilter([one.encode() for one in patterns]) for patterns in (include, exclude))
    return lambda path: _matches(included, path) and not _matches(excluded, path)


def _matches(patterns: IgnoreFilter, path: str) -> bool:
    """Whether a path matches, or a folder that it is in."""
    parts = path.split("/")
    folders = ("/".join(parts[:count]) + "/" for count in range(1, len(parts)))
    return bool(patterns.is_ignored(path)) or any(patterns.is_ignored(folder) for folder in folders)
