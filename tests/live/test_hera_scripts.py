"""Unmodified Hera scripts, in the idioms of Hera 5.6 and 7, on a real Argo Workflows, followed to their end."""

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cluster import find_argo
from tests.live.hera_scripts import SCRIPTS
from tests.live.hera_site import HeraSite, make_hera_site
from tests.require import require
from tests.values import ROOT

PYTHONS = {5: str(ROOT / ".venv-hera5" / "bin" / "python"), 7: sys.executable}
# these take as long as all else that is tested of Hera; their features are in others too
LEFT_TO_THE_LONG_RUN = ("container", "steps", "diamond", "retries", "arguments-of-the-workflow", "global-configuration")
# one generation of each other script, in turn
CASES = [
    pytest.param(
        generation,
        name,
        marks=[pytest.mark.long] if name in LEFT_TO_THE_LONG_RUN or place != number % len(script.generations) else [],
    )
    for number, (name, script) in enumerate(SCRIPTS.items())
    for place, generation in enumerate(script.generations)
]
AT_ONCE = 4

OBJECTS = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: NAME}
spec: {accessModes: [ReadWriteMany], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: NAME}
data: {HERA_PROXY: proxy.example.org}
"""

Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[tuple[int, str], "Future[Done]"]]:
    """The run of each script that is tested, several at once: a workflow takes seconds with nothing to do."""
    find_argo()
    require(Path(PYTHONS[5]).exists(), "Hera 5.6 has an environment of its own: run `make hera5`")
    name, first = f"hera-scripts-{time.time_ns()}", make_hera_site(tmp_path_factory.mktemp("scripts"))
    site = HeraSite(first.folder, {**first.environ, "KUBEVOLUMECLAIMNAME": name, "KUBECONFIGMAP": name})
    with site.applied(OBJECTS.replace("NAME", name)), ThreadPoolExecutor(AT_ONCE) as pool:
        for script, written in SCRIPTS.items():
            (site.folder / f"{script}.py").write_text(written.text)
        asked = [getattr(item, "callspec", None) for item in request.session.items if item.path == request.path]
        cases = [(one.params["generation"], one.params["name"]) for one in asked if one]
        started = {case: pool.submit(_run, site, *case) for case in cases}
        yield started
        ended = [run.result().stdout for run in started.values() if not run.cancel()]
        names = [line.partition(":")[0] for text in ended for line in text.splitlines() if ": Succeeded" in line]
        if names:
            site.kubectl("delete", "workflow", "--ignore-not-found", "--wait=false", *names)


def _run(site: HeraSite, generation: int, script: str) -> Done:
    return site.run("run", "--python", PYTHONS[generation], f"{script}.py")


@pytest.mark.parametrize(("generation", "name"), CASES, ids=lambda value: str(value))
def test_a_script_runs_and_its_workflow_succeeds(
    generation: int, name: str, runs: dict[tuple[int, str], "Future[Done]"]
) -> None:
    done = runs[generation, name].result()
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": Succeeded") == 1
    assert "Pod " in done.stderr
    assert "eyJ" not in done.stdout + done.stderr
    assert SCRIPTS[name].word in done.stdout + done.stderr


def test_at_least_ten_scripts_are_in_both_idioms_and_as_many_in_every_run() -> None:
    assert sum(script.generations == (5, 7) for script in SCRIPTS.values()) >= 10
    assert len([case for case in CASES if not case.marks]) >= 10
