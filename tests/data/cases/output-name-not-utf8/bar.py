"""Prints a progress bar, bytes that are no text and a long line; leaves read-only folders, and a name in Latin-1."""

import os
import sys
from pathlib import Path

for percent in range(0, 101):
    sys.stderr.write(f"\r{percent}%|{'#' * (percent // 2)}| ünïcode")
    sys.stderr.flush()
sys.stdout.buffer.write(b"\xff\xfe bin \x00\x1b[31mred\x1b[0m\n" + b"x" * 300_000)
sys.stdout.flush()
inner = Path("o", "ro")
inner.mkdir(parents=True)
(inner / "b").write_text("b")
for path, mode in ((inner / "b", 0o400), (inner, 0o500), (inner.parent, 0o500)):
    path.chmod(mode)
if len(sys.argv) > 1:
    Path(os.fsdecode(b"o2\xff\xe9.txt")).write_text("x")
