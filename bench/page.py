"""The pages docs/bench.md and docs/scale.md, whose parts are written by different measurements."""

import re
from pathlib import Path

_DOCS = Path(__file__).parents[1] / "docs"
PAGE, SCALE = _DOCS / "bench.md", _DOCS / "scale.md"


def write_part(title: str | None, text: str, page: Path = PAGE) -> None:
    """Replace the part under a heading `## title`, or what stands before the first one; others stay as they are."""
    parts = _split(page.read_text() if page.exists() else "")
    parts[title] = text.strip()
    beginning = parts.pop(None, "")
    page.write_text("\n\n".join([beginning, *(f"## {name}\n\n{body}" for name, body in parts.items())]).strip() + "\n")


def _split(page: str) -> dict[str | None, str]:
    beginning, *rest = re.split(r"^## ", page, flags=re.MULTILINE)
    parts: dict[str | None, str] = {None: beginning.strip()}
    for part in rest:
        name, _, body = part.partition("\n")
        parts[name.strip()] = body.strip()
    return parts
