"""A hook of the documentation's site: links to files outside of docs/ lead to them in the repository."""

import re
from pathlib import Path
from typing import Any

_OUTSIDE = re.compile(r"\]\(((?:\.\./)+)([^)#\s]+)(#[^)\s]*)?\)")


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Replace relative links that leave docs/ by addresses in the repository."""
    root = Path(config["docs_dir"]).parent

    def lead(link: re.Match[str]) -> str:
        target = (Path(page.file.abs_src_path).parent / link[1] / link[2]).resolve()
        kind = "tree" if target.is_dir() else "blob"
        return f"]({config['repo_url'].rstrip('/')}/{kind}/main/{target.relative_to(root)}{link[3] or ''})"

    return _OUTSIDE.sub(lead, markdown)
