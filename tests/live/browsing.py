"""A browser that visits pages in tests, and takes note of what goes wrong; it has an environment of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

PROGRAMS = ("/usr/bin/chromium", "/usr/bin/chromium-browser")
WIDTHS = (360, 768, 1280, 3840)
PICTURE = {"width": 1280, "height": 960}
WAIT_MS = 120_000
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_OVERFLOW = "() => document.scrollingElement.scrollWidth - window.innerWidth"
_WIDEST = """() => [...document.querySelectorAll("body *")]
  .filter(one => one.getBoundingClientRect().right > document.documentElement.clientWidth)
  .map(one => one.outerHTML.slice(0, 90)).slice(-4)"""
_IS_SHOWN = """() => [...document.querySelectorAll("[data-map], [data-draw]")].every(
  (one) => one.dataset.state === "shown")
  && [...document.images].every((one) => one.naturalWidth > 0 || one.getBoundingClientRect().top > innerHeight)"""


class Visit:
    """A browser that takes note of what goes wrong in it."""

    def __init__(self, browser: Browser, address: str, axe: str, theme: str) -> None:
        self.address, self.axe, self.theme = address, axe, theme
        self.context: BrowserContext = browser.new_context(color_scheme=theme, viewport=PICTURE)
        self.context.set_default_timeout(WAIT_MS)
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.barriers: dict[str, list[str]] = {}
        self.too_wide: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda one: self.errors.append(one.text) if one.type == "error" else None)

    def open(self, path: str) -> Page:
        """Go to a page."""
        self.page.goto(f"{self.address}{path}")
        return self.page

    def look(self, name: str, folder: Path | None) -> None:
        """Check the page that is open for barriers, and at each width for what does not fit."""
        self.page.wait_for_function(_IS_SHOWN)
        if folder:
            self.page.screenshot(path=folder / f"page-{name}-{self.theme}.png")
        self.page.evaluate(self.axe)
        found = self.page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
        if violations := [_describe(one) for one in found["violations"]]:
            self.barriers[name] = violations
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": PICTURE["height"]})
            if self.page.evaluate(_OVERFLOW) > 0:
                self.too_wide.append(f"{name} at {width}: {', '.join(self.page.evaluate(_WIDEST))}")
        self.page.set_viewport_size(PICTURE)


def _describe(violation: dict[str, Any]) -> str:
    places = [f"{node['target']} {node.get('failureSummary', '')}" for node in violation["nodes"][:3]]
    return f"{violation['id']}: {violation['help']}: {places}"


@contextmanager
def visiting(browser: Browser, address: str, axe: str, theme: str) -> Iterator[Visit]:
    """Visit the pages in light or dark."""
    visit = Visit(browser, address, axe, theme)
    try:
        yield visit
    finally:
        visit.context.close()
