"""Hooks of the documentation's site: links to files outside of docs/ lead to the repository, and nothing is loaded from
other hosts."""

import re
from pathlib import Path
from typing import Any

_ELSEWHERE = re.compile(r'<script src="https://[^"]*"></script>')
_OUTSIDE = re.compile(r"\]\(((?:\.\./)+)([^)#\s]+)(#[^)\s]*)?\)")


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Replace relative links that leave docs/ by addresses in the repository."""
    root = Path(config["docs_dir"]).parent

    def lead(link: re.Match[str]) -> str:
        target = (Path(page.file.abs_src_path).parent / link[1] / link[2]).resolve()
        kind = "tree" if target.is_dir() else "blob"
        return f"]({config['repo_url'].rstrip('/')}/{kind}/main/{target.relative_to(root)}{link[3] or ''})"

    return _OUTSIDE.sub(lead, markdown)


def on_post_page(output: str, *, page: Any, config: Any) -> str:
    """Leave out the script that the plug-in `offline` loads from another host, for the search in pages of a disk."""
    return _ELSEWHERE.sub("", output)


def on_post_template(output_content: str, *, template_name: str, config: Any) -> str:
    """Do the same in pages that no document is written for, such as that for an address that is not there."""
    return _ELSEWHERE.sub("", output_content)
