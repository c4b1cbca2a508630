"""The table of docs/cwl.md: what each runner passes of each suite."""

import re

COLUMNS = {"local": 1, "calrissian": 2, "argo-native": 3, "cwltool": 4}


def write_cell(page: str, suite: str, runner: str, passed: int, ran: int) -> str:
    """Return the page with one cell set, such as `366 of 378`; a run of fewer tests than it shows changes nothing."""
    lines = page.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if line.startswith(f"| {suite} |"):
            cells = line.strip().strip("|").split("|")
            shown = re.search(r"of (\d+)", cells[COLUMNS[runner]])
            if shown is None or ran >= int(shown[1]):
                cells[COLUMNS[runner]] = f" {passed} of {ran} "
            lines[number] = f"|{'|'.join(cells)}|\n"
            return "".join(lines)
    raise LookupError(f"the table has no row for {suite}")
