"""The page docs/bench.md, whose parts are written by different measurements."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "bench.md"


def write_part(title: str | None, text: str) -> None:
    """Replace the part under a heading `## title`, or what stands before the first one; others stay as they are."""
    parts = _split(PAGE.read_text() if PAGE.exists() else "")
    parts[title] = text.strip()
    beginning = parts.pop(None, "")
    PAGE.write_text("\n\n".join([beginning, *(f"## {name}\n\n{body}" for name, body in parts.items())]).strip() + "\n")


def _split(page: str) -> dict[str | None, str]:
    beginning, *rest = re.split(r"^## ", page, flags=re.MULTILINE)
    parts: dict[str | None, str] = {None: beginning.strip()}
    for part in rest:
        name, _, body = part.partition("\n")
        parts[name.strip()] = body.strip()
    return parts
