"""Opens pages in headless Chromium and prints what that took, as JSON. It has the environment of Playwright.

Usage: python page_views.py < QUESTIONS     {"weigh": {NAME: ADDRESS}, "time": {NAME: ADDRESS}, "rounds": 5}
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

PROGRAMS = ("/usr/bin/chromium", "/usr/bin/chromium-browser")
_PAINTED = """() => new Promise((found) => new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (one.name === "first-contentful-paint") found(one.startTime);
}).observe({ type: "paint", buffered: true }))"""
_END_IS_SEEN = """() => {
  const log = document.querySelector("[data-lines]"), last = log?.querySelector("#log-end");
  return last && last.getBoundingClientRect().top <= log.getBoundingClientRect().bottom + 24 ? performance.now() : 0;
}"""
_MAPS_ARE_SHOWN = """() => [...document.querySelectorAll("[data-map], [data-draw]")].every(
  (one) => one.dataset.state === "shown")"""


@contextmanager
def opening(browser: Browser) -> Iterator[Page]:
    """Open a window whose cache is empty."""
    with browser.new_context(viewport={"width": 1280, "height": 960}) as context:
        yield context.new_page()


def weigh(browser: Browser, address: str) -> dict[str, int]:
    """Count the bytes that are sent for a page with all that it loads, and its requests."""
    with opening(browser) as page:
        sizes: list[int] = []
        protocol = page.context.new_cdp_session(page)
        protocol.on("Network.loadingFinished", lambda event: sizes.append(int(event["encodedDataLength"])))
        protocol.send("Network.enable")
        page.goto(address, wait_until="networkidle")
        page.wait_for_function(_MAPS_ARE_SHOWN)
        return {"bytes": sum(sizes), "requests": len(sizes), "maps": page.locator("[data-map], [data-draw]").count()}


def time(browser: Browser, address: str) -> dict[str, Any]:
    """Measure when a page has its first content and the end of its log, in ms, and what the browser takes, in MiB."""
    before = measure_browser()
    with opening(browser) as page:
        page.goto(address, wait_until="commit")
        end = page.wait_for_function(_END_IS_SEEN).json_value()
        painted = page.evaluate(_PAINTED)
        last = page.locator("[data-place]").last.inner_text()
        lines = page.locator("[data-place]").count()
        grown = measure_browser() - before
    return {"painted": painted, "end": max(end, painted), "last": last, "lines": lines, "browser": grown}


def measure_browser() -> float:
    """Add up the proportional sizes of the processes that come from this one, in MiB."""
    sizes = []
    for pid in list_children(str(os.getpid())):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            # it has ended
            continue
        sizes += [int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")]
    return sum(sizes)


def list_children(pid: str) -> list[str]:
    """List the processes that a process has started, and those that they have started."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        # a thread may have ended
        with suppress(OSError):
            for child in path.read_text().split():
                found += [child, *list_children(child)]
    return found


def main() -> None:
    """Answer the questions."""
    asked = json.load(sys.stdin)
    program = next(path for path in PROGRAMS if Path(path).exists())
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=program) as browser:
        timed = {
            name: [time(browser, address) for _ in range(asked["rounds"] + 1)][1:]
            for name, address in asked["time"].items()
        }
        weighed = {name: weigh(browser, address) for name, address in asked["weigh"].items()}
        about = browser.version
    sys.stdout.write(json.dumps({"weighed": weighed, "timed": timed, "browser": about}))


if __name__ == "__main__":
    main()
