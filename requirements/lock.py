"""Writes the lock files anew: every dependency of an environment, pinned, with the hashes of all its files.

Usage: python requirements/lock.py [--upgrade]

One lock serves every Python from the oldest supported one on: markers say which pin is for which. `dev.lock` is
resolved first; the others keep to its pins, so that one environment can grow into the next. Hashes come from the
index that uv is set up with (`UV_DEFAULT_INDEX`); no lock names it.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = "3.10"
LOCKS = {
    "dev": ["--all-extras"],
    "demo": [f"--extra={extra}" for extra in ("local", "raster", "examples", "javascript", "demo")],
    "local": ["--extra=local", "--extra=raster"],
    "zoo": ["--extra=kubernetes"],
}
_HEADER = f"# Made by `make lock` from pyproject.toml for Python {OLDEST_PYTHON} and newer: {{about}}.\n"
_OPTIONS = [
    "--quiet",
    "--universal",
    f"--python-version={OLDEST_PYTHON}",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-header",
    "--strip-extras",
    # the project itself, which its own extras refer to
    "--no-emit-package=zoo-runner",
]


def main(words: list[str]) -> None:
    """Resolve each lock; the first one from its former pins unless told to upgrade."""
    build = re.findall(r'^requires = \["(.*)"\]$', (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)
    with tempfile.TemporaryDirectory() as folder:
        seed = ROOT / "requirements" / "dev.lock"
        for name, extras in LOCKS.items():
            print(f"lock: requirements/{name}.lock", flush=True)
            work = Path(folder) / f"{name}.lock"
            if seed.exists():
                shutil.copy(seed, work)
            _compile([*extras, *(words if name == "dev" else [])], build, work)
            seed = work
            text = _HEADER.format(about=" ".join(extras)) + _tidy(work.read_text())
            (ROOT / "requirements" / f"{name}.lock").write_text(text)


def _compile(options: list[str], build: list[str], target: Path) -> None:
    """Pin the extras, and what builds the project."""
    command = [sys.executable, "-m", "uv", "pip", "compile", *_OPTIONS, *options, f"--output-file={target}"]
    subprocess.run([*command, "pyproject.toml", "-"], check=True, cwd=ROOT, input="\n".join(build).encode())


def _tidy(text: str) -> str:
    """Name the project in comments as it is called; refuse addresses."""
    text = re.sub(r"zoo-runner \([^)]*\)", "zoo-runner", text)
    text = text.replace("via -r -", "via the build").replace("#   -r -", "#   the build")
    text = re.sub(r"(#   zoo-runner\n)(\s*#   zoo-runner\n)+", r"\1", text)
    if bad := re.search(r".*(://|file:|/tmp/|@ ).*", text):
        sys.exit(f"lock: an address got into the lock: {bad[0]}")
    return text.rstrip() + "\n"


if __name__ == "__main__":
    main(sys.argv[1:])
