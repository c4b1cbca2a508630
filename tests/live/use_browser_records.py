"""A person fills in the members of records and the items of lists, with scripts, in headless Chromium."""

import json
from typing import Any

from playwright.sync_api import Page

from tests.live.browsing import Visit

CHANGED = "form[data-state=changed]"
STATIONS = (("Elbe", "river"), ("Müritz", "lake"))


def change(page: Page, name: str) -> str:
    """Press a button that changes what fields the form has; return the name of the field that has the focus then."""
    page.evaluate("() => { document.querySelector('form[data-check]').dataset.state = ''; }")
    page.get_by_role("button", name=name).click()
    page.wait_for_selector(CHANGED)
    focused: str = page.evaluate("() => document.activeElement.name")
    return focused


def fill_in_members(visit: Visit) -> dict[str, Any]:
    """Add items, learn at once what a member is wrong in, choose a type, and send files from members."""
    page = visit.open("/processes/stations.html")
    page.evaluate("() => { window.isSamePage = true; }")
    focused = add_two(page)
    page.keyboard.press("Tab")
    page.wait_for_selector(".field.wrong .problem")
    wrong = page.locator(".field.wrong").evaluate_all("all => all.map((one) => one.querySelector('[name]').name)")
    page.locator("[name='/stations/1/height']").fill("62.5")
    page.keyboard.press("Tab")
    page.wait_for_selector(".field.wrong", state="detached")
    # one that came later has the scripts of the others
    page.locator("[name='/stations/1/scene'] ~ .extra [data-send-to]").set_input_files(
        {"name": "scene.txt", "mimeType": "text/plain", "buffer": b"scene"}
    )
    page.wait_for_function("() => [...document.querySelectorAll('.extra output')].some((one) => one.textContent)")
    page.wait_for_function("() => document.querySelector(\"[name='/stations/1/scene']\").value")
    page.evaluate("() => { document.querySelector('form[data-check]').dataset.state = ''; }")
    page.get_by_label("Type").select_option("nearest")
    page.wait_for_selector(CHANGED)
    page.get_by_label("Distance").fill("12")
    kept = keep_and_use(page)
    same = page.evaluate("() => window.isSamePage === true")
    change(page, "Remove Stations 1")
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/jobs/*")
    page.wait_for_function("() => document.querySelector('#status .status').textContent === 'successful'")
    address = page.url
    page.goto(f"{address}/results")
    shown = json.loads(page.locator("section.shown pre").first.inner_text())
    return {
        "focused": focused,
        "wrong": wrong,
        "kept": kept,
        "same page": same,
        "stations": [{name: one[name] for name in ("name", "height", "kind")} for one in shown["stations"]],
        "has a scene": "location" in str(shown["stations"][0]["scene"]),
        "method": shown["method"],
        "grid": shown["grid"]["width"],
        "address": address,
    }


def add_two(page: Page) -> str:
    """Fill in two stations, the second with a height that does not fit; return what had the focus when it was added."""
    focused = change(page, "Add to Stations")
    for index, (name, kind) in enumerate(STATIONS):
        page.locator(f"[name='/stations/{index}/name']").fill(name)
        page.locator(f"[name='/stations/{index}/kind']").select_option(kind)
    page.locator("[name='/stations/1/height']").fill("high")
    return focused


def keep_and_use(page: Page) -> list[str]:
    """Keep a preset, and use it in a new form; return the stations that are filled in."""
    page.get_by_label("Name of a new preset").fill("two stations")
    page.get_by_role("button", name="Keep what is filled in").click()
    change(page, "Remove Stations 2")
    page.locator("[name='/stations/0/name']").fill("Oder")
    page.locator("#preset").select_option("two stations")
    page.locator(".presets").get_by_role("button", name="Use").click()
    page.wait_for_function("() => document.querySelector('.presets output').textContent.startsWith('Filled in')")
    names = page.locator("[name^='/stations/'][name$='/name']")
    found: list[str] = names.evaluate_all("all => all.map((one) => one.value)")
    page.locator(".presets").get_by_role("button", name="Remove").click()
    return found


def refuse_members(visit: Visit) -> None:
    """Have a form with two items checked, of which one does not fit."""
    page = visit.open("/processes/stations.html")
    add_two(page)
    page.get_by_role("button", name="Check without running").click()
    page.locator(".field.wrong").scroll_into_view_if_needed()
