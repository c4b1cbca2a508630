"""Writes the lock files anew: every dependency of an environment, pinned, with the hashes of all its files.

Usage: python requirements/lock.py [--upgrade]

`dev.lock` is resolved first; the others keep to its pins, so that one environment can grow into the next. Hashes
come from the index that pip is set up with; no lock names it.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {
    "dev": ["--all-extras"],
    "demo": [f"--extra={extra}" for extra in ("local", "raster", "examples", "javascript", "demo")],
    "local": ["--extra=local", "--extra=raster"],
}
_HEADER = "# Made by `make lock` from pyproject.toml for Python 3.11 and newer: {about}.\n"
_OPTIONS = [
    "--quiet",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-emit-trusted-host",
    "--no-emit-find-links",
    "--no-header",
    "--strip-extras",
    "--build-deps-for=editable",
    # nothing is unsafe to pin but the project itself, which its own extras refer to
    "--unsafe-package=zoo-runner",
]


def main(words: list[str]) -> None:
    """Resolve each lock; the first one from its former pins unless told to upgrade."""
    with tempfile.TemporaryDirectory() as folder:
        seed = ROOT / "requirements" / "dev.lock"
        for name, extras in LOCKS.items():
            print(f"lock: requirements/{name}.lock", flush=True)
            work = Path(folder) / f"{name}.lock"
            if seed.exists():
                shutil.copy(seed, work)
            _compile([*extras, *(words if name == "dev" else [])], work)
            seed = work
            text = _HEADER.format(about=" ".join(extras)) + _tidy(work.read_text())
            (ROOT / "requirements" / f"{name}.lock").write_text(text)


def _compile(options: list[str], target: Path) -> None:
    command = [sys.executable, "-m", "piptools", "compile", *_OPTIONS, *options, f"--output-file={target}"]
    # files lying about on this machine are no source of hashes
    environ = {name: text for name, text in os.environ.items() if name != "PIP_FIND_LINKS"}  # noqa: TID251 pip's own
    subprocess.run([*command, "pyproject.toml"], check=True, cwd=ROOT, env=environ, stderr=subprocess.DEVNULL)


def _tidy(text: str) -> str:
    """Take out what tells of this machine, and the comment about the project itself; refuse addresses."""
    text = re.sub(r"\n# (WARNING|The following).*", "\n", text, flags=re.DOTALL)
    text = re.sub(r"zoo-runner \([^)]*\)", "zoo-runner", text)
    text = re.sub(r"(#   zoo-runner\n)(\s*#   zoo-runner\n)+", r"\1", text)
    if bad := re.search(r".*(://|file:|/tmp/|@ ).*", text):
        sys.exit(f"lock: an address got into the lock: {bad[0]}")
    return text.rstrip() + "\n"


if __name__ == "__main__":
    main(sys.argv[1:])
