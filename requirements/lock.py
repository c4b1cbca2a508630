"""Write the lock files: every dependency of an environment, pinned, with the hashes of all its files.

Usage: python requirements/lock.py [--upgrade] [NAME...]     names of locks; all without

One lock serves every Python from the oldest supported one on: markers say which pin is for which. `dev.lock` is
resolved first; the others keep its pins, so that one environment can grow into the next. Hashes come from the
index that uv is configured with (`UV_DEFAULT_INDEX`); no lock names it.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = (ROOT / "pyproject.toml").read_text()
OLDEST_PYTHON = "3.10"


@dataclass(frozen=True)
class Lock:
    """What one lock file holds: the project with some extras, or only the requirements listed."""

    extras: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    keeps_pins_of_dev: bool = True

    @property
    def about(self) -> str:
        """Say for the header what the lock was resolved from."""
        return ", ".join(self.only) or " ".join(["zoo-runner", *(f"[{extra}]" for extra in self.extras)])


def find_requirements(*names: str) -> tuple[str, ...]:
    """Find the project's own requirements on the packages named, as pyproject.toml has them."""
    stated = PROJECT.partition("\ndependencies = ")[2].partition("\n[project.scripts]")[0]
    lines = re.findall(r'^ {4}"([^"]+)",$|= \["([^"]+)"\]$', stated, flags=re.MULTILINE)
    known = {re.split(r"[<>=;\[ ]", line, maxsplit=1)[0]: line for line in map("".join, lines)}
    return tuple(known[name] for name in names)


_STAGER = ("async-timeout", "click", "obstore", "pycurl", "ruamel.yaml")
LOCKS = {
    "dev": Lock(
        ("argo", "bus", "harvest", "kubernetes", "raster", "server", "otel", "testing", "examples", "demo", "dev")
    ),
    "demo": Lock(("raster", "server", "examples", "demo")),
    "base": Lock(),
    "zoo": Lock(("kubernetes",)),
    "server": Lock(("argo", "bus", "harvest", "kubernetes", "raster", "server", "otel")),
    # the stagers' images have no CWL
    "stagein": Lock(only=find_requirements(*_STAGER)),
    "stageout": Lock(only=find_requirements(*_STAGER, "rasterio")),
    "calrissian": Lock(only=("calrissian.in",), keeps_pins_of_dev=False),
    "clients": Lock(only=("clients.in",), keeps_pins_of_dev=False),
    # the older idiom of Hera scripts: another pydantic, too
    "hera5": Lock(only=("hera5.in",), keeps_pins_of_dev=False),
    "docs": Lock(("docs",)),
    "conformance": Lock(only=("conformance.in",)),
    "go": Lock(only=("go.in",), keeps_pins_of_dev=False),
}
_HEADER = f"# Made by `make lock` for Python {OLDEST_PYTHON} and newer from: {{about}}.\n"
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
    """Resolve the locks named, or all; `dev` and independent ones from their former pins unless asked to upgrade."""
    options, names = [word for word in words if word.startswith("-")], [word for word in words if word in LOCKS]
    build = re.findall(r'^requires = \["(.*)"\]$', PROJECT, flags=re.MULTILINE)
    with tempfile.TemporaryDirectory() as folder:
        dev = ROOT / "requirements" / "dev.lock"
        for name, lock in LOCKS.items():
            if names and name not in names:
                continue
            print(f"lock: requirements/{name}.lock", flush=True)
            target = ROOT / "requirements" / f"{name}.lock"
            work = Path(folder) / f"{name}.lock"
            seed = dev if lock.keeps_pins_of_dev else target
            if seed.exists():
                shutil.copy(seed, work)
            own_pins = name == "dev" or not lock.keeps_pins_of_dev
            _compile(lock, build, work, options if own_pins else [])
            target.write_text(_HEADER.format(about=lock.about) + _tidy(work.read_text()))


def _compile(lock: Lock, build: list[str], target: Path, words: list[str]) -> None:
    """Pin the project's requirements with some extras and what builds it, or only the requirements listed."""
    options = [*_OPTIONS, *words, f"--output-file={target}"]
    if lock.only:
        sources, lines = ["-"], _read_only(lock)
    else:
        sources, lines = [*(f"--extra={extra}" for extra in lock.extras), "pyproject.toml", "-"], build
    command = [sys.executable, "-m", "uv", "pip", "compile", *options, *sources]
    subprocess.run(command, check=True, cwd=ROOT, input="\n".join(lines).encode())


def _read_only(lock: Lock) -> list[str]:
    """Return the requirements of a lock, those of a `.in` file read from it."""
    lines = []
    for one in lock.only:
        lines += (ROOT / "requirements" / one).read_text().splitlines() if one.endswith(".in") else [one]
    return lines


def _tidy(text: str) -> str:
    """Name the project in comments as it is called; refuse addresses."""
    text = re.sub(r"zoo-runner \([^)]*\)", "zoo-runner", text)
    text = text.replace("via -r -", "via the project").replace("#   -r -", "#   the project")
    text = re.sub(r"(#   zoo-runner\n)(\s*#   zoo-runner\n)+", r"\1", text)
    if bad := re.search(r".*(://|file:|/tmp/|@ ).*", text):
        sys.exit(f"lock: an address got into the lock: {bad[0]}")
    return text.rstrip() + "\n"


if __name__ == "__main__":
    main(sys.argv[1:])
