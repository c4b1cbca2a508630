"""A package, inputs and log lines that would be more than text on a page, opened in headless Chromium."""

from typing import Any

from tests.live.browsing import Visit
from tests.markup import EVIL

COMMIT = "0123456789abcdef0123456789abcdef01234567"
_LINK = f'<https://git.example/"><script>alert(3)</script>>; rel="via"; commit="{COMMIT}"; path="%3Cscript%3Ealert(4)"'
_RECORD = {
    "type": "record",
    "label": EVIL,
    "fields": [
        {"name": "words", "type": "string", "label": EVIL, "doc": EVIL},
        {
            "name": "kind",
            "type": ["null", {"type": "enum", "symbols": ["<img src=x onerror=alert(5)>"]}],
            "label": EVIL,
        },
        {"name": "more", "type": ["null", {"type": "record", "name": "<b>", "fields": []}, "string"], "doc": EVIL},
    ],
}
PACKAGE: dict[str, Any] = {
    "cwlVersion": "v1.2",
    "class": "CommandLineTool",
    "id": "evil",
    "label": EVIL,
    "doc": EVIL,
    "requirements": {"InlineJavascriptRequirement": {}},
    "inputs": {
        "text": {"type": "string", "label": EVIL, "doc": EVIL, "default": EVIL},
        "rows": {"type": {"type": "array", "items": _RECORD}, "label": EVIL, "doc": EVIL},
    },
    "baseCommand": ["sh", "-c", 'echo "$0" >&2; echo "ERROR $0" >&2; echo "$0"; test -z "$1"'],
    "arguments": ["$(inputs.text)", "$(inputs.rows.length > 1 ? 'fails' : '')"],
    "stdout": "said.txt",
    "outputs": {"said": {"type": "stdout", "label": EVIL, "doc": EVIL}},
}


def be_attacked(visit: Visit) -> dict[str, Any]:
    """Deploy and run the package, and open every page that shows what it, its inputs and its log say."""
    page, dialogs = visit.page, list[str]()

    def note(dialog: Any) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", note)
    headers = {"Content-Type": "application/cwl+json", "Link": _LINK}
    deployed = page.request.post(f"{visit.address}/processes", data=PACKAGE, headers=headers)
    rows = [{"words": EVIL, "more": EVIL}]
    jobs = [execute(visit, {"text": EVIL, "rows": rows * number}) for number in (1, 2)]
    seen: dict[str, Any] = {"deployed": deployed.status, "dialogs": dialogs, "strange": [], "shown": []}
    for address in (
        "/processes.html",
        "/processes/evil.html",
        *jobs,
        *(f"{job}/logs" for job in jobs),
        f"{jobs[0]}/results",
        f"/comparison.html?job={jobs[0].rpartition('/')[2]}&job={jobs[1].rpartition('/')[2]}",
        "/failures.html",
        "/jobs.html?q=%22%3E%3Cscript%3Ealert(6)%3C/script%3E",
    ):
        page.goto(address if address.startswith("http") else f"{visit.address}{address}")
        note_page(visit, seen, address)
    page.goto(jobs[0])
    page.get_by_role("button", name="Edit inputs").click()
    page.wait_for_selector("[name='/rows/0/words']")
    note_page(visit, seen, "/form")
    page.locator("button[name='[add]']").click()
    page.wait_for_selector("[name='/rows/1/words']")
    page.locator("[name='/rows/1/words']").fill(EVIL)
    page.get_by_role("button", name="Check without running").click()
    page.wait_for_selector(".panel")
    note_page(visit, seen, "/execution")
    return seen


def execute(visit: Visit, inputs: dict[str, Any]) -> str:
    """Run the process to its end; return the address of its job."""
    page = visit.page
    headers = {"Prefer": "respond-async"}
    address = f"{visit.address}/processes/evil/execution"
    job = page.request.post(address, data={"inputs": inputs}, headers=headers).headers["location"]
    page.goto(job)
    page.locator("#status .status:is(.successful, .failed)").wait_for()
    return str(job)


def note_page(visit: Visit, seen: dict[str, Any], address: str) -> None:
    """Note what a page has that is more than text, and whether it shows the text."""
    page = visit.page
    if page.locator("img[src=x], main script, [onerror], [onload]").count():
        seen["strange"].append(address)
    if "alert(2)" in page.locator("main").inner_text():
        seen["shown"].append(address.rpartition("/")[2])
