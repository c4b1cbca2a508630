"""Executes a notebook, and prints the text of what its cells show, a list for each cell.

With a second word, a host, this name leads to the machine of the tests in the notebook's process.
"""

import json
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

LOCAL = """
import socket
resolve = socket.getaddrinfo
socket.getaddrinfo = lambda host, *more, **words: resolve("127.0.0.1" if host == {host!r} else host, *more, **words)
"""


def run(path: Path, host: str | None) -> list[str]:
    """Execute a notebook; return what each of its cells shows."""
    notebook = nbformat.reads(path.read_text(), as_version=4)
    nbformat.validate(notebook)
    own = [nbformat.v4.new_code_cell(LOCAL.format(host=host))] if host else []
    notebook.cells = [*own, *notebook.cells]
    NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    ).execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [
        "".join(one.get("text") or one.get("data", {}).get("text/plain", "") for one in cell.outputs).strip()
        for cell in cells
    ]


json.dump(run(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None), sys.stdout)
