"""The page of the tour: the pictures, the numbers, and links to results and logs."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2b24; --muted: #66736b; --paper: #fff; --line: #dfe5e1; --green: #1f7a45 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4ebe7; --muted: #9aa8a0; --paper: #141a17; --line: #2c3631; --green: #5fc08a }
}
body { margin: 2.5rem auto; max-width: 64rem; padding: 0 1.2rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.55 system-ui, sans-serif }
h1, h2 { line-height: 1.2 } h2 { margin-top: 2.6rem } a { color: var(--green) }
img { max-width: 100%; border-radius: 4px; background: #fff }
pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: .8rem 1rem; border: 1px solid var(--line);
  border-radius: 4px; font-size: .85rem }
.dates { display: grid; grid-template-columns: repeat(auto-fill, minmax(7.2rem, 1fr)); gap: .9rem }
figure { margin: 0 } figcaption, footer { color: var(--muted); font-size: .85rem }
ul { padding-left: 1.2rem }
"""


@dataclass(frozen=True)
class Picture:
    """An image below the page's folder and what it shows."""

    path: Path
    caption: str


@dataclass(frozen=True)
class Chapter:
    """One run: what was typed, what came out, where it lies."""

    title: str
    about: str
    command: str
    main: Picture
    small: Sequence[Picture]
    links: Sequence[tuple[str, Path]]


def build_page(chapters: Sequence[Chapter], folder: Path) -> str:
    """Write the page as HTML, with links relative to `folder`."""
    body = "\n".join(_build_chapter(chapter, folder) for chapter in chapters)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>zoo-runner: what the demo made</title><style>{_STYLE}</style></head><body>
<h1>What the demo made</h1>
<p>Two application packages, run on this machine by <code>zoo-runner</code> on real satellite data.</p>
{body}
<footer><p>Landsat data courtesy of the U.S. Geological Survey. Contains modified Copernicus Sentinel data 2017.</p>
</footer></body></html>
"""


def _build_chapter(chapter: Chapter, folder: Path) -> str:
    small = "".join(_build_figure(picture, folder) for picture in chapter.small)
    links = "".join(f'<li><a href="{_href(path, folder)}">{escape(text)}</a></li>' for text, path in chapter.links)
    return f"""<h2>{escape(chapter.title)}</h2>
<p>{escape(chapter.about)}</p>
<pre>$ {escape(chapter.command)}</pre>
{_build_figure(chapter.main, folder)}
<div class="dates">{small}</div>
<ul>{links}</ul>"""


def _build_figure(picture: Picture, folder: Path) -> str:
    caption, source = escape(picture.caption), _href(picture.path, folder)
    image = f'<a href="{source}"><img src="{source}" alt="{caption}"></a>'
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"


def _href(path: Path, folder: Path) -> str:
    return quote(path.relative_to(folder).as_posix())
