"""Looks at results that lie in a bucket, in headless Chromium; prints what was seen as JSON.

Usage: python -m tests.live.use_browser_of_bucket ADDRESS AXE SURVEY KINDS     with the ids of two jobs
"""

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, sync_playwright

from tests.live.browsing import PROGRAMS, Visit, visiting

_DRAWN = "() => [...document.querySelectorAll('img.quicklook')].every((one) => one.naturalWidth > 0)"
_TEXTS = ("text/html", "application/json", "application/geo+json", "text/csv", "text/plain")


def look_at_map(visit: Visit, job: str) -> dict[str, Any]:
    """Look at the results of the survey."""
    page = visit.open(f"/jobs/{job}/results.html")
    page.wait_for_selector("[data-map][data-state=shown]")
    page.wait_for_function(_DRAWN)
    return {
        "pictures": page.locator("img.quicklook").count(),
        "items": page.locator(".map .shape.item").count(),
        "vectors": page.locator(".map .shape.vector").count(),
        "chart": page.locator(".chart polyline").count(),
    }


def look_at_kinds(visit: Visit, job: str) -> dict[str, Any]:
    """Look at a result of each kind."""
    page = visit.open(f"/jobs/{job}/results.html")
    page.wait_for_selector("[data-map][data-state=shown]")
    picture = page.locator("section.shown img")
    picture.scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelector('section.shown img').naturalWidth > 0")
    return {
        "picture": picture.count(),
        "note": page.locator("pre", has_text="seen at noon").count() == 1,
        "vectors": page.locator(".map .shape.vector").count(),
        "lines": page.locator(".chart polyline").count(),
    }


def choose_columns(browser: Browser, address: str, job: str) -> dict[str, Any]:
    """Draw the chart of a table by its form, without scripts."""
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{address}/jobs/{job}/results.html")
        page.get_by_text("Choose columns").click()
        page.get_by_label("Axis: numbers, dates or times").select_option("Row")
        page.get_by_role("checkbox", name="level").uncheck()
        page.get_by_role("button", name="Draw").click()
        page.wait_for_url("**chart=gauges**#file-*")
        return {
            "lines": page.locator(".chart polyline").count(),
            "axis": page.locator(".chart figcaption p").inner_text(),
        }


def download(visit: Visit, job: str) -> str:
    """Download a table."""
    page = visit.open(f"/jobs/{job}/results.html")
    link = page.get_by_role("link", name="Download gauges").first.get_attribute("href") or ""
    text: str = page.request.get(link).text()
    return text


def share(visit: Visit, browser: Browser, job: str) -> list[Any]:
    """Make a link to a text, and open it where nobody is logged in."""
    page = visit.open(f"/jobs/{job}/results.html")
    page.get_by_role("button", name="Make a link to note").first.click()
    page.wait_for_url("**/links")
    link = page.locator("code[data-copy]").first.inner_text()
    with browser.new_context() as context:
        answer = context.request.get(link)
        return [answer.status, answer.text()]


def look_at_all(visit: Visit, asked: set[str], survey: str, kinds: str) -> dict[str, Any]:
    """Look at the results of both jobs, and at a chart of chosen columns, for barriers too; note what is asked for."""
    visit.page.on("request", lambda one: asked.add(one.url))
    on_map = look_at_map(visit, survey)
    visit.look(f"survey-{visit.theme}", None)
    found = look_at_kinds(visit, kinds)
    visit.look(f"kinds-{visit.theme}", None)
    visit.open(f"/jobs/{kinds}/results.html?chart=gauges/gauges.csv&x=1&y=2&y=3")
    visit.look(f"chart-{visit.theme}", None)
    return {"map": on_map, "kinds": found}


def read_answers(visit: Visit, asked: set[str]) -> list[str]:
    """Read what a browser was answered: headers, and the texts of pages and files."""
    found = []
    for url in sorted(asked):
        answer = visit.context.request.get(url)
        is_text = answer.headers.get("content-type", "").startswith(_TEXTS)
        found.append(f"{answer.headers} {answer.text() if is_text else ''}")
    return found


def main(address: str, axe_file: str, survey: str, kinds: str) -> None:
    """Look at the pages, and print what was seen."""
    axe = Path(axe_file).read_text(encoding="utf-8")
    program = next(path for path in PROGRAMS if Path(path).exists())
    seen: dict[str, Any] = {"host": urlsplit(address).netloc, "errors": [], "barriers": {}, "too wide": []}
    asked = set[str]()
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=program) as browser:
        for theme in ("light", "dark"):
            with visiting(browser, address, axe, theme) as visit:
                seen |= look_at_all(visit, asked, survey, kinds)
                seen["errors"] += visit.errors
                seen["barriers"] |= visit.barriers
                seen["too wide"] += visit.too_wide
        with visiting(browser, address, axe, "light") as visit:
            seen["download"], seen["shared"] = download(visit, kinds), share(visit, browser, kinds)
            seen["errors"] += visit.errors
            seen["bodies"] = read_answers(visit, {url for url in asked if "/assets/" not in url})
        seen["chosen"] = choose_columns(browser, address, kinds)
    seen["hosts"] = sorted({urlsplit(url).netloc for url in asked})
    sys.stdout.write(json.dumps(seen, indent=2))


if __name__ == "__main__":
    main(*sys.argv[1:])
