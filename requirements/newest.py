"""Try the newest versions of all dependencies, beyond the upper bounds of pyproject.toml; a failure is a warning.

Usage: python requirements/newest.py

The environment `.venv-newest` is created again at each call. The tests run there are those of code that uses other
packages' internals: loading and packing of packages, the local engine, the stagers.
"""

import re
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv-newest"
PYTHON = str(VENV / "bin" / "python")
# those of the lock file dev: the unit tests import all of them
EXTRAS = "argo,kubernetes,raster,javascript,server,testing,examples,demo,dev"
TESTS = ("tests/unit", "tests/contract/test_local_engine.py", "tests/contract/test_packages.py")


def main() -> int:
    """Install the newest versions and run the tests; return 0 also if they fail."""
    venv.create(VENV, clear=True, with_pip=True, symlinks=True)
    install = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    steps = (
        [*install, "--editable", f".[{EXTRAS}]"],
        # pip warns that the bounds are exceeded, which is the point
        [*install, "--upgrade", *find_unbounded()],
        [PYTHON, "-m", "pytest", "-q", *TESTS],
    )
    for step in steps:
        if code := subprocess.run(step, cwd=ROOT, check=False).returncode:
            print(f"::warning::newest dependencies: {' '.join(step[1:5])} ... failed with exit code {code}")
            return 0
    print("newest: the tests pass with the newest of " + ", ".join(find_unbounded()))
    return 0


def find_unbounded() -> list[str]:
    """Find the requirements that have an upper bound, and return them without it."""
    stated = (ROOT / "pyproject.toml").read_text().partition("\ndependencies = ")[2].partition("\n[project.scripts]")[0]
    bounded = re.findall(r'"([^"<]+),<[^"]+"', stated)
    return list(dict.fromkeys(bounded))


if __name__ == "__main__":
    sys.exit(main())
