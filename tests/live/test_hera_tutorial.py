"""docs/hera-tutorial.md, as it is written, on a real Argo Workflows; only the names of what it creates are others."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cluster import find_argo, find_kubeconfig
from tests.live.hera_site import NAMESPACE, SERVER
from tests.values import ROOT

BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
LONGEST_SECONDS = 400


@pytest.mark.timeout(LONGEST_SECONDS + 60)
def test_the_tutorial_works_as_written(tmp_path: Path) -> None:
    find_argo()
    own = str(time.time_ns())
    script = "\n".join(BLOCK.findall((ROOT / "docs" / "hera-tutorial.md").read_text()))
    # others may go through it on the same cluster
    for name in ("tutorial-mean", "KUBEVOLUMECLAIMNAME='tutorial'", "{name: tutorial}", "pvc tutorial", "wrong-"):
        script = script.replace(name, re.sub(r"(tutorial|wrong)", rf"\1-{own}", name))
    script = script.replace("http://127.0.0.1:2746", SERVER).replace("-n argo", f"-n {NAMESPACE}")
    kubectl = Path(str(shutil.which("kubectl"))).parent
    environ = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), str(kubectl), os.defpath]),
        "HOME": str(tmp_path / "home"),
        "KUBECONFIG": find_kubeconfig(),
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    for fact in (
        "mean NDVI -0.00",
        "ndvi.npy",
        "image.not-found",
        '"mean": 4',
        '"title": "Mean of numbers"',
    ):
        assert fact in done.stdout + done.stderr, fact
    assert (tmp_path / "hera.bash").stat().st_mode & 0o077 == 0
    assert list((tmp_path / "results").rglob("scene.npy"))
