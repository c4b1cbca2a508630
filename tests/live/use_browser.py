"""A person's way through the pages in headless Chromium; prints what was seen as JSON. It has its own environment.

Usage: python -m tests.live.use_browser ADDRESS AXE [FOLDER]     with a folder, pictures of the pages are written there
"""

import json
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from tests.live.browsing import PICTURE, PROGRAMS, Visit, visiting
from tests.live.use_browser_evil import be_attacked
from tests.live.use_browser_plain import use_without_scripts
from tests.live.use_browser_records import fill_in_members, refuse_members

MISTAKEN = """cwlVersion: v1.2
class: CommandLineTool
id: says
label: Says <b>something</b>
baseComand: [echo, something]
inputs:
  words: {type: string, label: Words, inputBinding: {}}
outputs:
  said: stdout
"""
_IS_AT_END = """() => { const log = document.getElementById("log");
  return log.scrollHeight - log.scrollTop - log.clientHeight < 24; }"""
_LOG_LINES = "() => document.querySelectorAll('[data-place]').length"


def run_and_watch(visit: Visit) -> dict[str, Any]:
    """Fill in the form, and watch the job to its end on one page that is never loaded again."""
    page = visit.open("/processes/scene.html")
    page.keyboard.press("Tab")
    first_stop = page.evaluate("() => document.activeElement.textContent")
    page.get_by_label("Index").select_option("ndvi")
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/jobs/*")
    page.evaluate("() => { window.isSamePage = true; }")
    page.wait_for_function("() => document.querySelectorAll('.timeline rect.step').length > 0")
    # only what is longer than its box can be scrolled
    page.wait_for_function(
        "() => { const log = document.getElementById('log'); return log.scrollHeight > 1.2 * log.clientHeight; }"
    )
    before = page.evaluate(_LOG_LINES)
    page.evaluate("() => { document.getElementById('log').scrollTop = 0; document.getElementById('wrap').focus(); }")
    page.wait_for_function("() => document.querySelector('#status .status').textContent === 'successful'")
    return {
        "first stop": first_stop,
        "same page": page.evaluate("() => window.isSamePage === true"),
        "log grew": page.evaluate(_LOG_LINES) > before,
        "log stayed": page.evaluate("() => document.getElementById('log').scrollTop") == 0,
        "focus stayed": page.evaluate("() => document.activeElement.id") == "wrap",
        "bars": page.locator(".timeline rect.step.succeeded").count(),
        "address": page.url,
    }


def edit_and_fail(visit: Visit, address: str) -> dict[str, Any]:
    """Run the job again with another input, and read why it failed."""
    page = visit.page
    page.goto(address)
    page.get_by_role("button", name="Edit inputs").click()
    kept = page.get_by_label("Index").input_value()
    page.get_by_label("fail").select_option("true")
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/jobs/*")
    page.wait_for_function("() => document.querySelector('#status .status').textContent === 'failed'")
    page.reload()
    return {
        "kept": kept,
        "cause": page.locator(".panel .cause").inner_text(),
        "log": page.locator("#log-title code").inner_text(),
        "failed bars": page.locator(".timeline rect.step.failed").count(),
        "evidence": page.locator(".panel pre").first.inner_text(),
        "at the end": page.evaluate(_IS_AT_END),
        "coloured": page.locator("#log .ink-red.bold").all_inner_texts(),
        "ink": page.locator("#log .ink-red.bold").first.evaluate("(one) => getComputedStyle(one).color"),
        "address": page.url,
    }


def refuse(visit: Visit) -> dict[str, Any]:
    """Fill in what does not fit."""
    page = visit.open("/processes/scene.html")
    page.get_by_label("Index").select_option("evi")
    page.get_by_label("Most clouds").fill("many")
    page.get_by_role("button", name="Check without running").click()
    page.wait_for_selector(".field.wrong")
    return {
        "wrong": page.locator(".field.wrong label").all_inner_texts(),
        "kept": page.get_by_label("Most clouds").input_value(),
    }


def survey(visit: Visit) -> dict[str, Any]:
    """Run a process for an area, and look at its results and its job on maps."""
    page = visit.open("/processes/survey.html")
    page.get_by_role("textbox", name="Area").fill("10.2, 46.1, 11.4, 46.9")
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/jobs/*")
    page.wait_for_function("() => document.querySelector('#status .status').textContent === 'successful'")
    address = page.url
    page.goto(f"{address}/results")
    page.wait_for_selector("[data-map][data-state=shown]")
    page.wait_for_function("() => [...document.querySelectorAll('img.quicklook')].every((one) => one.naturalWidth > 0)")
    on_map = {
        "pictures": page.locator("img.quicklook").count(),
        "items": page.locator(".map .shape.item").count(),
        "vectors": page.locator(".map .shape.vector").count(),
        "land": page.locator(".map .land").count() > 1,
        "chart": page.locator(".chart polyline").count(),
    }
    page.goto(f"{visit.address}/jobs.html")
    page.wait_for_selector("[data-map][data-state=shown]")
    # the one that lies above the others
    page.locator(".map .shape.successful").last.click()
    page.wait_for_url("**/jobs/*")
    return {**on_map, "leads to a job": page.url.startswith(f"{visit.address}/jobs/"), "address": address}


def fill_in(visit: Visit) -> dict[str, Any]:
    """Draw a box, learn at once what does not fit, send a file, and fill the form in from JSON."""
    page = visit.open("/processes/survey.html")
    page.wait_for_selector("[data-draw][data-state=shown]")
    page.get_by_role("button", name="Draw a box").click()
    map_ = page.locator("[data-draw]")
    map_.scroll_into_view_if_needed()
    place = map_.bounding_box()
    assert place
    page.mouse.move(place["x"] + place["width"] * 0.5, place["y"] + 40)
    page.mouse.down()
    page.mouse.move(place["x"] + place["width"] * 0.6, place["y"] + 120, steps=5)
    page.mouse.up()
    drawn = [float(edge) for edge in page.get_by_role("textbox", name="Area").input_value().split(",")]
    page.get_by_role("textbox", name="Area").fill("somewhere")
    page.keyboard.press("Tab")
    page.wait_for_selector(".field.wrong .problem")
    wrong = page.locator(".field.wrong .problem").count()
    page = visit.open("/processes/scene.html")
    page.locator("[data-send-to]").first.set_input_files(
        {"name": "mask.txt", "mimeType": "text/plain", "buffer": b"mask"}
    )
    page.wait_for_function("() => document.querySelector('.extra output').textContent.startsWith('Sent')")
    sent = page.get_by_role("textbox", name="Mask").input_value()
    page.get_by_text("Fill in from JSON").click()
    page.get_by_label("Inputs as JSON").fill('{"inputs": {"index": "savi", "clouds": 7}}')
    page.get_by_role("button", name="Fill in", exact=True).click()
    page.wait_for_url("**/form")
    return {
        "drawn": len(drawn) == 4 and drawn[0] < drawn[2] and drawn[1] < drawn[3],
        "wrong": wrong,
        "sent": sent.endswith("/mask.txt"),
        "pasted": [page.get_by_label(name).input_value() for name in ("Index", "Most clouds")],
    }


def raise_limit(visit: Visit) -> dict[str, Any]:
    """Run what reaches its time limit, and run it again from its page with a higher one."""
    page = visit.open("/processes/patient.html")
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/jobs/*")
    page.get_by_role("button", name="Raise the limit and run again").wait_for()
    failed = page.url
    suggested = page.get_by_label("Time of the step").input_value()
    page.get_by_role("button", name="Raise the limit and run again").click()
    page.wait_for_url(lambda url: url != failed)
    page.wait_for_function("() => document.querySelector('#status .status').textContent === 'successful'")
    return {"suggested": suggested, "failed": failed, "address": page.url}


def choose(visit: Visit) -> dict[str, Any]:
    """Choose two jobs: compare them, and remove copies of them; look at failures by cause."""
    page = visit.open("/jobs.html?processID=patient")
    boxes = page.get_by_role("checkbox", name="Choose job")
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_role("button", name="Compare two").click()
    page.wait_for_url("**/comparison?*")
    compared = {"address": page.url, "differ": page.locator(".differs th").all_inner_texts()}
    page.goto(f"{visit.address}/jobs.html?processID=patient&status=successful")
    page.get_by_role("checkbox", name="Choose job").first.check()
    page.get_by_role("button", name="Run again", exact=True).click()
    page.wait_for_url("**/jobs?*status=successful*")
    page.goto(f"{visit.address}/jobs.html?processID=patient")
    count = page.get_by_role("checkbox", name="Choose job").count()
    page.get_by_role("checkbox", name="Choose job").first.check()
    page.get_by_role("button", name="Dismiss or remove").click()
    page.wait_for_url("**/jobs?processID=patient")
    page.get_by_role("link", name="Failures by cause").click()
    page.wait_for_url("**/failures?*")
    cause = page.locator("tbody tr").first.inner_text()
    page.locator("tbody a").first.click()
    page.wait_for_url("**/jobs?*code=*")
    return {**compared, "count": count, "cause": cause, "listed": page.locator("tbody tr").count()}


def pass_on(visit: Visit, browser: Browser, address: str) -> dict[str, Any]:
    """Share a result with somebody who has not logged in, and use one as the input of another process."""
    page = visit.page
    page.goto(f"{address}/results")
    copies = page.get_by_role("button", name="Copy").count()
    page.get_by_role("button", name="Make a link to").first.click()
    page.wait_for_url("**/links")
    link = page.locator("[data-copy]").inner_text()
    visit.look("shared", None)
    with browser.new_context() as others:
        answer = others.request.get(link)
        refused = others.request.get(f"{link}x")
    page.goto(f"{address}/results")
    page.get_by_role("link", name="as input of").first.click()
    page.wait_for_url("**/uses?**")
    used = page.url
    page.get_by_role("button", name="Fill it in").first.click()
    page.wait_for_url("**/form")
    values = page.locator("form.inputs input").evaluate_all("all => all.map((one) => one.value)")
    filled = [value for value in values if "/files/" in value]
    return {
        "copies": copies > 0,
        "opened": answer.status,
        "changed": refused.status,
        "filled": len(filled),
        "uses": used,
    }


def keep_preset(visit: Visit) -> dict[str, Any]:
    """Keep what is filled in under a name, and fill it in again on another visit."""
    page = visit.open("/processes/scene.html")
    page.get_by_label("Index").select_option("evi")
    page.get_by_label("Most clouds").fill("11")
    page.get_by_label("Name of a new preset").fill("cloudless <b>")
    page.get_by_role("button", name="Keep what is filled in").click()
    page = visit.open("/processes/scene.html")
    page.locator("#preset").select_option("cloudless <b>")
    page.locator(".presets").get_by_role("button", name="Use").click()
    filled = [page.get_by_label(name).input_value() for name in ("Index", "Most clouds")]
    page.locator(".presets").get_by_role("button", name="Remove").click()
    return {"filled": filled, "left": page.locator("#preset option").count()}


def search(visit: Visit) -> dict[str, Any]:
    """Search the catalog of the settings by a box, and fill a scene into a form."""
    page = visit.open("/items.html?bbox=-108,39,-105,41")
    page.wait_for_selector("[data-map][data-state=shown]")
    found = {"shapes": page.locator(".map .shape.item").count(), "rows": page.locator("tbody tr").count()}
    page.get_by_role("link", name="as input of").first.click()
    page.wait_for_url("**/uses?**")
    page.get_by_role("button", name="Fill it in").first.click()
    page.wait_for_url("**/form")
    values = page.locator("form.inputs input").evaluate_all("all => all.map((one) => one.value)")
    return {**found, "filled": any("landsat" in value for value in values)}


def read_plan(visit: Visit) -> dict[str, Any]:
    """Create a job without starting it, and read what it will run."""
    body = {"process": "scene", "inputs": {"index": "ndvi"}}
    created = visit.page.request.post(f"{visit.address}/jobs", data=body).json()
    page = visit.open(f"/jobs/{created['jobID']}.html")
    rows = page.locator("#plan tbody tr")
    return {
        "steps": rows.evaluate_all("all => all.map((one) => one.querySelector('th').firstChild.textContent.trim())"),
        "after": rows.evaluate_all("all => all.map((one) => one.querySelector('td').textContent)"),
        "address": page.url,
    }


def narrow(visit: Visit) -> dict[str, Any]:
    """Show the jobs that failed, by the form; the choice is in the address."""
    page = visit.open("/jobs.html")
    page.get_by_label("failed", exact=True).check()
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**status=failed**")
    return {"statuses": sorted(set(page.locator("tbody .status").all_inner_texts()))}


def switch(visit: Visit) -> dict[str, Any]:
    """Switch the theme, which the next page keeps."""
    page = visit.open("/")
    before = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    page.locator("button.theme").click()
    visit.open("/jobs.html")
    after = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    page.locator("button.theme").click()
    return {"switched": before != after}


def correct(browser: Browser, address: str) -> dict[str, Any]:
    """Paste a package with a mistake, read what is wrong beside its line, correct it and deploy it; without scripts."""
    with browser.new_context(java_script_enabled=False, viewport=PICTURE) as context:
        page = context.new_page()
        page.goto(f"{address}/processes.html")
        page.get_by_label("the CWL document itself").fill(MISTAKEN)
        page.get_by_role("button", name="Check without deploying").click()
        row = page.locator(".source tr.marked")
        wrong = row.locator("th").inner_text(), row.locator("code").first.inner_text()
        level = row.locator(".finding .level").inner_text()
        begins = page.locator(".panel.failed").evaluate("(one) => one === document.activeElement")
        kept = page.get_by_label("the CWL document itself").input_value()
        page.locator(".panel.failed").get_by_role("link", name=wrong[0], exact=True).click()
        reached = row.evaluate("(one) => one.getBoundingClientRect().top") < PICTURE["height"]
        page.get_by_label("the CWL document itself").fill(kept.replace("baseComand", "baseCommand"))
        page.get_by_role("button", name="Deploy", exact=True).click()
        page.wait_for_url("**/processes/says*")
    return {"wrong": wrong, "level": level, "kept": kept == MISTAKEN, "reached": reached, "begins": begins}


def mistake(visit: Visit) -> None:
    """Have a package with a mistake checked."""
    page = visit.open("/processes.html")
    page.get_by_label("the CWL document itself").fill(MISTAKEN)
    page.get_by_role("button", name="Check without deploying").click()
    page.wait_for_selector(".source tr.marked")


def main(address: str, axe_file: str, pictures: str | None = None) -> None:
    """Go the whole way, and print what was seen."""
    axe, folder = Path(axe_file).read_text(encoding="utf-8"), Path(pictures) if pictures else None
    program = next(path for path in PROGRAMS if Path(path).exists())
    seen: dict[str, Any] = {}
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=program) as browser:
        with visiting(browser, address, axe, "light") as visit:
            seen["run"] = run_and_watch(visit)
            seen["fail"] = edit_and_fail(visit, seen["run"]["address"])
            seen["survey"] = survey(visit)
            seen["fill in"] = fill_in(visit)
            seen["members"] = fill_in_members(visit)
            seen["raise"] = raise_limit(visit)
            seen["choose"] = choose(visit)
            seen["pass on"] = pass_on(visit, browser, seen["survey"]["address"])
            seen["preset"], seen["search"] = keep_preset(visit), search(visit)
            seen["plan"] = read_plan(visit)
            seen["narrow"], seen["switch"] = narrow(visit), switch(visit)
            seen["errors"] = visit.errors
        addresses = {
            "succeeded": seen["run"]["address"],
            "failed": seen["fail"]["address"],
            "survey": seen["survey"]["address"],
            "limit": seen["raise"]["failed"],
            "comparison": seen["choose"]["address"],
            "uses": seen["pass on"]["uses"],
            "plan": seen["plan"]["address"],
        }
        seen["plain"] = use_without_scripts(browser, address, list_pages(addresses))
        seen["correct"] = correct(browser, address)
        for theme in ("light", "dark"):
            with visiting(browser, address, axe, theme) as visit:
                seen[theme] = look_at_all(visit, addresses, folder)
        # last: what it leaves would be in the pictures
        with visiting(browser, address, axe, "light") as visit:
            seen["evil"] = {**be_attacked(visit), "errors": visit.errors}
    sys.stdout.write(json.dumps(seen, indent=2))


def look_at_all(visit: Visit, addresses: dict[str, str], folder: Path | None) -> dict[str, Any]:
    """Look at every page, and at forms that were refused."""
    for name, page in list_pages(addresses).items():
        visit.page.goto(page if page.startswith("http") else f"{visit.address}{page}")
        visit.look(name, folder)
    refused = refuse(visit)
    visit.look("form-refused", folder)
    refuse_members(visit)
    visit.look("form-members", folder)
    mistake(visit)
    visit.look("deploy-refused", folder)
    found = {"barriers": visit.barriers, "too wide": visit.too_wide, "errors": visit.errors}
    return {**found, "refused": refused}


def list_pages(addresses: dict[str, str]) -> dict[str, str]:
    """List the pages to be looked at."""
    return {
        "start": "/",
        "processes": "/processes.html",
        "process": "/processes/scene.html",
        "process-box": "/processes/survey.html",
        "process-members": "/processes/stations.html",
        "jobs": "/jobs.html",
        "job": addresses["succeeded"],
        "job-failed": addresses["failed"],
        "results": f"{addresses['survey']}/results",
        "logs": f"{addresses['succeeded']}/logs",
        "job-limit": addresses["limit"],
        "job-plan": addresses["plan"],
        "comparison": addresses["comparison"],
        "failures": "/failures.html",
        "uses": addresses["uses"],
        "search": "/items.html?bbox=-108,39,-105,41",
        "workspace": "/usage.html",
        "operations": "/operations.html",
        "people": "/operations/people.html",
        "engine": "/operations/engine.html",
        "problem": "/jobs/nobody",
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
