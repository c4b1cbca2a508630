"""A person's way through the pages with scripts switched off, in headless Chromium."""

from typing import Any

from playwright.sync_api import Browser, Page

from tests.live.browsing import PICTURE

# what answers to scripts alone, and yet is seen
_DEAD = "button[type=button]:visible, [data-map]:visible, [data-draw]:visible, input[type=file][data-send-to]:visible"
# forms that change something; to fill a form in is no action
_ACTIONS = "form[method=post]:not([action$='/form'])"


def use_without_scripts(browser: Browser, address: str, pages: dict[str, str]) -> dict[str, Any]:
    """Read every page, and use the forms."""
    with browser.new_context(java_script_enabled=False, viewport=PICTURE) as context:
        page = context.new_page()
        page.set_default_timeout(120_000)
        return {
            "pages": {
                name: read(page, one if one.startswith("http") else f"{address}{one}") for name, one in pages.items()
            },
            "filled in": fill_in(page, address),
            "narrowed": narrow(page, address),
            "chosen": choose(page, address),
        }


def read(page: Page, address: str) -> dict[str, Any]:
    """Open a page: its heading, how much it says, what of it is dead, and whether its actions are shown as calls."""
    page.goto(address)
    return {
        "heading": page.locator("h1").inner_text(),
        "words": len(page.locator("main").inner_text().split()),
        "dead": [one.evaluate("(one) => one.outerHTML.slice(0, 90)") for one in page.locator(_DEAD).all()],
        "calls": page.locator(_ACTIONS).count() == 0 or page.locator("#calls, dl.calls").count() > 0,
    }


def fill_in(page: Page, address: str) -> dict[str, Any]:
    """Fill in items and a type; what is wrong is shown by the page that answers; the Enter key runs the process."""
    page.goto(f"{address}/processes/stations.html")
    page.get_by_role("button", name="Add to Stations").click()
    page.wait_for_url("**/form*")
    for index, (name, kind) in enumerate((("Elbe", "river"), ("Oder", "river"))):
        page.locator(f"[name='/stations/{index}/name']").fill(name)
        page.locator(f"[name='/stations/{index}/kind']").select_option(kind)
    page.get_by_label("Type").select_option("nearest")
    page.get_by_role("button", name="Show the fields of this type").click()
    page.get_by_label("Distance").fill("near")
    page.get_by_role("button", name="Check without running").click()
    page.wait_for_selector(".field.wrong")
    checked = page.locator(".field.wrong .problem").all_inner_texts()
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_selector(".field.wrong")
    refused = page.locator(".field.wrong label").all_inner_texts()
    page.get_by_role("button", name="Remove Stations 1").click()
    left = page.locator("[name^='/stations/'][name$='/name']").evaluate_all("all => all.map((one) => one.value)")
    page.get_by_label("Distance").fill("3")
    page.get_by_label("Distance").press("Enter")
    page.wait_for_url("**/jobs/*")
    # the page is loaded again by itself until the job has ended
    page.locator("#status .status.successful").wait_for()
    page.get_by_role("link", name="Show the results").click()
    page.wait_for_url("**/results*")
    shown = page.locator("section.shown pre").first.inner_text()
    return {"checked": checked, "refused": refused, "left": left, "shown": '"Oder"' in shown and '"Elbe"' not in shown}


def narrow(page: Page, address: str) -> dict[str, Any]:
    """Show the jobs that failed, those of a process, and none."""
    page.goto(f"{address}/jobs.html")
    page.get_by_label("failed", exact=True).check()
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**status=failed**")
    failed = sorted(set(page.locator("tbody .status").all_inner_texts()))
    page.goto(f"{address}/jobs.html?processID=stations")
    of_process = page.locator("tbody tr").count()
    page.goto(f"{address}/jobs.html?datetime=1999-01-01T00:00:00Z")
    return {"failed": failed, "of a process": of_process, "empty": page.locator(".empty").inner_text()}


def choose(page: Page, address: str) -> dict[str, Any]:
    """Choose two jobs and compare them; follow a cause of failures to its jobs."""
    page.goto(f"{address}/jobs.html?processID=patient")
    for place in (0, 1):
        page.get_by_role("checkbox", name="Choose job").nth(place).check()
    page.get_by_role("button", name="Compare two").click()
    page.wait_for_url("**/comparison?*")
    compared = page.locator("tbody tr").count()
    page.goto(f"{address}/failures.html")
    page.locator("tbody a").first.click()
    page.wait_for_url("**/jobs?*code=*")
    return {"compared": compared > 3, "failed": sorted(set(page.locator("tbody .status").all_inner_texts()))}
