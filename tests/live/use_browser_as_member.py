"""A member's way from the login at the provider to a shared result, in headless Chromium; prints what was seen as JSON.

Usage: python -m tests.live.use_browser_as_member ADDRESS AXE PACKAGE USER PASSWORD OTHER [PACKAGE …]

With more packages, those of tests/data/pages, the member deploys them too, and makes the journeys of `use_browser`.
"""

import json
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.live.browsing import PROGRAMS, Visit, visiting
from tests.live.use_browser import (
    MISTAKEN,
    choose,
    edit_and_fail,
    fill_in,
    mistake,
    narrow,
    pass_on,
    raise_limit,
    refuse,
    run_and_watch,
    search,
    survey,
)
from tests.live.use_browser_records import fill_in_members


def log_in(page: Page, user: str, password: str) -> None:
    """Log in at the form of Keycloak, to which the server leads."""
    page.wait_for_selector("#username")
    page.fill("#username", user)
    page.fill("#password", password)
    page.click("#kc-login")


def go_the_whole_way(visit: Visit, package: str, user: str, password: str) -> dict[str, Any]:
    """Log in, deploy a package, run it, look at its result, and share that."""
    page = visit.open("/processes.html")
    log_in(page, user, password)
    page.get_by_label("or the CWL document itself").fill(package)
    page.get_by_role("button", name="Deploy", exact=True).click()
    page.wait_for_url("**/processes/*")
    # the answer to a form keeps the fragment of its address
    process = page.url.partition("#")[0]
    page.get_by_label("Message").fill("seen by others")
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/jobs/*")
    job = page.url
    page.wait_for_function("() => document.querySelector('#status .status').textContent === 'successful'")
    page.get_by_role("link", name="Show the results").click()
    page.wait_for_url("**/results")
    shown = page.locator("section.shown pre").first.inner_text()
    visit.look("results", None)
    page.get_by_role("button", name="Make a link to").first.click()
    page.wait_for_url("**/links")
    link = page.locator("[data-copy]").inner_text()
    page.goto(f"{visit.address}/usage.html")
    has_operations = page.get_by_role("link", name="Operations").count() == 1
    token = make_and_revoke_token(visit)
    found = {"process": process, "job": job, "shown": shown.strip(), "link": link}
    return {**found, "operations": has_operations, "token": token}


def make_and_revoke_token(visit: Visit) -> str:
    """Make a personal token from the page of the workspace, and revoke it."""
    page = visit.page
    page.get_by_role("link", name="Tokens").click()
    page.get_by_label("Title").fill("nightly")
    page.get_by_label("process.*").check()
    page.get_by_role("button", name="Make the token").click()
    page.locator("[data-copy]").wait_for()
    token: str = page.locator("[data-copy]").inner_text()
    page.get_by_role("link", name="All tokens").click()
    visit.look("tokens", None)
    page.get_by_role("button", name="Revoke nightly").click()
    page.wait_for_selector(".empty")
    return token


def deploy_files(visit: Visit, packages: list[str]) -> list[str]:
    """Deploy packages from files; return their titles."""
    titles = []
    for package in packages:
        page = visit.open("/processes.html")
        page.locator("#deploy-files").set_input_files(package)
        page.get_by_role("button", name="Deploy", exact=True).click()
        page.wait_for_url("**/processes/*")
        titles.append(page.locator("h1").inner_text())
    return titles


def correct(visit: Visit) -> str:
    """Have a package with a mistake checked, correct it beside what was found, and deploy it."""
    mistake(visit)
    page = visit.page
    page.get_by_label("the CWL document itself").fill(MISTAKEN.replace("baseComand", "baseCommand"))
    page.get_by_role("button", name="Deploy", exact=True).click()
    page.wait_for_url("**/processes/says*")
    heading: str = page.locator("h1").inner_text()
    return heading


def make_journeys(visit: Visit, browser: Browser, packages: list[str]) -> dict[str, Any]:
    """Make the journeys that others make without a login."""
    seen: dict[str, Any] = {"files": deploy_files(visit, packages), "correct": correct(visit)}
    seen["refused"] = refuse(visit)
    seen["run"] = run_and_watch(visit)
    seen["fail"] = edit_and_fail(visit, seen["run"]["address"])
    seen["survey"] = survey(visit)
    seen["fill in"], seen["members"] = fill_in(visit), fill_in_members(visit)
    seen["raise"], seen["choose"], seen["narrow"] = raise_limit(visit), choose(visit), narrow(visit)
    seen["pass on"] = pass_on(visit, browser, seen["survey"]["address"])
    return {**seen, "search": search(visit)}


def look_from_outside(browser: Browser, found: dict[str, Any]) -> dict[str, Any]:
    """Open the link, and the job itself, without a login."""
    with browser.new_context() as context:
        shared, job = context.request.get(found["link"]), context.request.get(f"{found['job']}?f=json")
        revoked = context.request.get(found["job"], headers={"Authorization": f"Bearer {found['token']}"})
        return {
            "shared": [shared.status, shared.text().strip()],
            "job": job.status,
            "revoked": revoked.status,
        }


def look_as_other(browser: Browser, address: str, axe: str, found: dict[str, Any], other: str, password: str) -> str:
    """Log in as a member of another workspace, and open the job."""
    with visiting(browser, address, axe, "light") as visit:
        page = visit.page
        page.goto(found["job"])
        log_in(page, other, password)
        page.wait_for_selector(".panel.failed")
        facts: str = page.locator(".panel .facts").inner_text()
        return facts


def main(address: str, axe_file: str, package: str, user: str, password: str, other: str, *more: str) -> None:
    """Go the whole way, and print what was seen."""
    axe = Path(axe_file).read_text(encoding="utf-8")
    program = next(path for path in PROGRAMS if Path(path).exists())
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=program) as browser:
        with visiting(browser, address, axe, "light") as visit:
            text = Path(package).read_text(encoding="utf-8")
            seen = go_the_whole_way(visit, text, user, password)
            seen["journeys"] = make_journeys(visit, browser, list(more)) if more else {}
            seen |= {"errors": visit.errors, "barriers": visit.barriers, "too wide": visit.too_wide}
        seen["outside"] = look_from_outside(browser, seen)
        seen["other"] = look_as_other(browser, address, axe, seen, other, password)
    sys.stdout.write(json.dumps({name: value for name, value in seen.items() if name != "token"}, indent=2))


if __name__ == "__main__":
    main(*sys.argv[1:])
