"""Makes the virtual environment `.venv` from a lock file, and makes it anew only when the lock has changed.

Usage: python3 requirements/install.py local|demo|dev

Everything is fetched by pip and checked against the hashes of the lock. Several pips fetch side by side: most of
the time of an installation is waiting for an index to answer.
"""

import hashlib
import json
import os
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
CONTAINS = {"local": ["local"], "demo": ["local", "demo"], "dev": ["local", "demo", "dev"]}
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
        outdated = any(_digest_lock(name) != digest for name, digest in pinned.items())
        if outdated or not pinned:
            _say("making .venv with Python " + sys.version.split()[0])
            venv.create(VENV, clear=True, with_pip=True, symlinks=True)
            pinned = {}
        _install(ROOT / "requirements" / f"{lock}.lock")
    # compat: a plain path entry, which costs a start of Python nothing
    editable = ("--config-settings", "editable_mode=compat", "--editable", str(ROOT))
    _pip("install", "--no-index", "--no-deps", "--no-build-isolation", *editable)
    STAMP.write_text(json.dumps({"locks": {**pinned, **wanted}, "project": project}))
    _say(f"ready in {time.monotonic() - started:.0f} s; a further call finds it done")


def _install(lock: Path) -> None:
    pins = _read_pins(lock)
    with tempfile.TemporaryDirectory(prefix="zoo-runner-wheels-") as folder:
        _say(f"fetching {len(pins)} packages, pinned with hashes in {lock.relative_to(ROOT)}")
        parts = [pins[start::DOWNLOADERS] for start in range(DOWNLOADERS)]
        with ThreadPoolExecutor(DOWNLOADERS) as pool:
            list(pool.map(lambda part: _fetch(part, Path(folder)), enumerate(parts)))
        _say("installing")
        _pip("install", "--no-index", "--find-links", folder, *_EXACT, "--no-compile", "--requirement", str(lock))


_EXACT = ("--require-hashes", "--no-deps", "--only-binary", ":all:")


def _fetch(numbered_part: tuple[int, list[str]], folder: Path) -> None:
    number, pins = numbered_part
    if pins:
        part = folder / f"part-{number}.txt"
        part.write_text("\n".join(pins))
        _pip("download", *_EXACT, "--dest", str(folder), "--requirement", str(part))


def _pip(*words: str) -> None:
    command = [str(VENV / "bin" / "python"), "-m", "pip", *words, "--quiet", "--disable-pip-version-check"]
    # a notice about root is of no use here: the environment is the project's own
    environ = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}  # noqa: TID251 pip's own settings are kept
    done = subprocess.run(command, check=False, env=environ, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"environment: pip {words[0]} failed:\n{done.stdout}{done.stderr}")


def _read_pins(lock: Path) -> list[str]:
    """Split a lock into its entries, each `name==version` with its hashes."""
    lines = [line for line in lock.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return joined.splitlines()


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
