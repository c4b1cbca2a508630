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
path = Path(sys.argv[1])
notebook = nbformat.reads(path.read_text(), as_version=4)
nbformat.validate(notebook)
if len(sys.argv) > 2:
    notebook.cells.insert(0, nbformat.v4.new_code_cell(LOCAL.format(host=sys.argv[2])))
NotebookClient(
    notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
).execute()
shown = []
for cell in notebook.cells:
    if cell.cell_type == "code":
        outputs = [one.get("text") or one.get("data", {}).get("text/plain", "") for one in cell.outputs]
        shown.append("".join(outputs).strip())
json.dump(shown, sys.stdout)
