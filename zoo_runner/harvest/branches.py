"""Which branches of a repository a source names; pure."""

import re
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache

MOST_BRANCHES = 100
"""So many branches of a source are harvested at most."""


def matches_branch(patterns: Iterable[str], branch: str) -> bool:
    """Whether a branch is one of those of patterns: `*` and `?` stand for no `/`, `**` for anything."""
    return any(_compile(pattern).fullmatch(branch) for pattern in patterns)


@lru_cache
def _compile(pattern: str) -> re.Pattern[str]:
    words = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile(
        "".join(words.get(part, re.escape(part)) for part in re.split(r"(\*\*|\*|\?)", pattern)), re.DOTALL
    )


def order_branches(patterns: Sequence[str], branches: Collection[str]) -> list[str]:
    """Return the branches that match, in the order of the patterns and then by name."""
    ordered = [branch for pattern in patterns for branch in sorted(branches) if matches_branch((pattern,), branch)]
    return list(dict.fromkeys(ordered))
