"""Bring the virtual environment `.venv` to what a lock file says; nothing is done where it says the same as before.

Usage: python3 requirements/install.py base|demo|dev

Everything is fetched by pip and checked against the hashes of the lock. Several pips fetch side by side: most of
the time of an installation is waiting for an index to answer. Of a changed lock only what differs is fetched.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "installed.json"
CONTAINS = {"base": ["base"], "demo": ["base", "demo"], "dev": ["base", "demo", "dev"]}
"""Which locks an environment satisfies: each larger one pins what the smaller ones pin."""
DOWNLOADERS = 8


def main(lock: str) -> None:
    """Bring `.venv` to where it satisfies the lock and knows the project."""
    present = _read_stamp()
    pinned = present.get("locks", {})
    wanted = {name: _digest_lock(name) for name in CONTAINS[lock]}
    project = _digest((ROOT / "pyproject.toml").read_bytes())
    if wanted.items() <= pinned.items() and project == present.get("project"):
        return
    started = time.monotonic()
    STAMP.unlink(missing_ok=True)
    if not wanted.items() <= pinned.items():
        if not _is_usable():
            _say("creating .venv with Python " + sys.version.split()[0])
            venv.create(VENV, clear=True, with_pip=True, symlinks=True)
        _install(ROOT / "requirements" / f"{lock}.lock")
        pinned = {}
    # compat: a plain path entry, which costs a start of Python nothing
    editable = ("--config-settings", "editable_mode=compat", "--editable", str(ROOT))
    _pip("install", "--no-index", "--no-deps", "--no-build-isolation", *editable)
    STAMP.write_text(json.dumps({"locks": {**pinned, **wanted}, "project": project}))
    _say(f"ready in {time.monotonic() - started:.0f} s; a further call finds it done")


def _is_usable() -> bool:
    """Tell whether `.venv` is of this Python and lies where it was created."""
    about = "import sys; print(sys.version_info[:2], sys.prefix)"
    try:
        said = subprocess.run([_PYTHON, "-c", about], check=False, capture_output=True, text=True).stdout
    except OSError:
        return False
    return said.strip() == f"{sys.version_info[:2]} {VENV}"


def _install(lock: Path) -> None:
    """Install the pins of a lock that differ from what is there, and remove what it does not have."""
    # of a checkout without a remote, a comment has the project's own name and version
    lines = [line for line in _pip("freeze", "--all").splitlines() if "==" in line and not line.startswith("#")]
    installed = {_normalise(line.partition("==")[0]): line.partition("==")[2] for line in lines}
    entries = _read_pins(lock)
    # of one name there may be several pins, each for some Pythons: pip chooses
    pins = [entry for entry in entries if installed.get(_normalise(entry.partition("==")[0])) not in _version(entry)]
    known = {_normalise(entry.partition("==")[0]) for entry in entries}
    if superfluous := [name for name in installed if name not in known | _KEPT]:
        _pip("uninstall", "--yes", *superfluous)
    if not pins:
        return
    with tempfile.TemporaryDirectory(prefix="zoo-runner-wheels-") as folder:
        _say(f"fetching {len(pins)} of {len(entries)} packages, pinned with hashes in {lock.relative_to(ROOT)}")
        parts = [pins[start::DOWNLOADERS] for start in range(DOWNLOADERS)]
        with ThreadPoolExecutor(DOWNLOADERS) as pool:
            list(pool.map(lambda part: _fetch(part, Path(folder)), enumerate(parts)))
        _say("installing")
        part = Path(folder) / "all.txt"
        part.write_text("\n".join(pins))
        _pip("install", "--no-index", "--find-links", folder, *_EXACT, "--no-compile", "--requirement", str(part))


_PYTHON = str(VENV / "bin" / "python")
_KEPT = {"pip", "zoo-runner"}
_EXACT = ("--require-hashes", "--no-deps", "--only-binary", ":all:")


def _fetch(numbered_part: tuple[int, list[str]], folder: Path) -> None:
    number, pins = numbered_part
    if pins:
        part = folder / f"part-{number}.txt"
        part.write_text("\n".join(pins))
        _pip("download", *_EXACT, "--dest", str(folder), "--requirement", str(part))


def _pip(*words: str) -> str:
    """Run the environment's pip; return what it prints, and end the process where it fails."""
    command = [_PYTHON, "-m", "pip", *words, "--quiet", "--disable-pip-version-check"]
    # a notice about root is of no use here: the environment is the project's own
    environ = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}  # noqa: TID251 pip's own settings are kept
    done = subprocess.run(command, check=False, env=environ, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"environment: pip {words[0]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _read_pins(lock: Path) -> list[str]:
    """Split a lock into its entries, each `name==version` with its hashes."""
    lines = [line for line in lock.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return joined.splitlines()


def _normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _version(entry: str) -> tuple[str, ...]:
    return tuple(entry.partition("==")[2].split(maxsplit=1)[:1])


def _digest_lock(name: str) -> str:
    """Digest of what decides about an environment: Python, place and lock."""
    about = f"{sys.version_info[:2]} {VENV}".encode()
    return _digest(about + (ROOT / "requirements" / f"{name}.lock").read_bytes())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read_stamp() -> dict[str, Any]:
    try:
        return dict(json.loads(STAMP.read_text()))
    except (OSError, ValueError):
        return {}


def _say(text: str) -> None:
    print(f"environment: {text}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in CONTAINS:
        sys.exit(__doc__)
    main(sys.argv[1])
