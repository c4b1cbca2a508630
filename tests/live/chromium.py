"""What drives a real browser in tests: Playwright in an environment of its own, Chromium, and axe-core."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.require import require
from tests.values import ROOT

PYTHON = ROOT / ".venv-clients" / "bin" / "python"


def find_axe() -> Path:
    """Return the script of axe-core, or skip the test where there is no browser to run it in."""
    require(PYTHON.exists(), "needs Playwright: make clients")
    require(bool(shutil.which("chromium")), "needs Chromium: sh dev/packages.sh browser")
    axe = subprocess.run(
        [sys.executable, str(ROOT / "dev/npm.py"), "axe"], stdout=subprocess.PIPE, text=True, check=False
    )
    require(axe.returncode == 0, "needs axe-core, which could not be installed; its messages are above")
    return Path(axe.stdout.split("\n")[0]) / "axe-core" / "axe.min.js"
