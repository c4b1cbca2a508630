"""The programs of the pods of argo-native, one after the other as Argo starts them, without Argo and without images.

What a package gives is what the local engine gives; the programs run in processes of their own, and each script in a
shell.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.features import FEATURES, WORKING, show
from tests.site import Site
from tests.steps import write_package
from tests.values import ROOT
from zoo_runner.engines.argo.native.dag import StepNode, build_dag, list_obstacles
from zoo_runner.engines.argo.native.slots import OUTPUTS, Slot
from zoo_runner.engines.argo.native.staging import write_run
from zoo_runner.engines.pipeline import run_stage_in, run_stage_out
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.files import read_unlinked
from zoo_runner.model.cancellation import Cancellation

MODULE = "zoo_runner.engines.argo.native.evaluation"
PATH = "/usr/local/bin:/usr/bin:/bin"
# each for a reason of docs/argo.md
ONE_POD = {"expression-entry", "expressions", "inplace", "secrets", "workdir"} & set(WORKING)


class Pods:
    """What the pods of a Workflow do, in one folder."""

    def __init__(self, site: Site, job: JobSpec) -> None:
        self._site, self._job = site, job
        self.steps = build_dag(job.package)
        self.run = job.paths.scratch
        self.said: list[str] = []
        self.run.mkdir(parents=True)
        write_run(job, run_stage_in(job, site.workspace.storage, lambda _: None, Cancellation()))

    def evaluate(self, *words: str) -> bool:
        """Run one program of the evaluation; whether it succeeded."""
        done = subprocess.run(
            [sys.executable, "-m", MODULE, str(self.run), *words],
            env={"PATH": PATH, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        self.said += done.stdout.splitlines()
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode == 0

    def list_numbers(self, step: StepNode) -> list[int]:
        """Find the jobs of a step."""
        if not step.is_open:
            return [0]
        assert self.evaluate("list", step.name, str(self.run / "numbers")), self.said
        numbers: list[int] = json.loads((self.run / "numbers").read_text())
        return numbers

    def run_job(self, step: StepNode, number: int) -> bool:
        """Run a job of a step; whether it succeeded."""
        slot = Slot(self.run, step.name, number)
        if not self.evaluate("prepare", step.name, str(number)):
            return False
        subprocess.run(["/bin/sh", slot.script], env={"PATH": PATH}, check=True, capture_output=True)
        return self.evaluate("collect", step.name, str(number))

    def run_all(self) -> Mapping[str, Any]:
        """Run all steps, and store the results."""
        for step in self.steps:
            assert all(self.run_job(step, number) for number in self.list_numbers(step)), self.said
        assert self.evaluate("finish"), self.said
        outputs = json.loads(read_unlinked(self.run / OUTPUTS))
        return run_stage_out(self._job, self._site.workspace.storage, outputs, lambda _: None, Cancellation()).document


def accept(site: Site, name: str) -> JobSpec:
    return site.accept(f"{FEATURES / name / name}.cwl#{name}", FEATURES / name / "inputs.yml")


@pytest.mark.parametrize("name", sorted(set(WORKING) - ONE_POD))
def test_a_package_gives_what_the_local_engine_gives(name: str, site: Site) -> None:
    job = accept(site, name)
    assert list_obstacles(job.package) == []
    document = Pods(site, job).run_all()
    assert show(document) == json.loads((FEATURES / name / "expected.json").read_text())


@pytest.mark.parametrize("name", sorted(ONE_POD))
def test_a_package_that_needs_one_pod_is_named_with_its_reason(name: str, site: Site) -> None:
    assert list_obstacles(accept(site, name).package)


def test_a_job_that_has_ended_is_not_run_again(site: Site, tmp_path: Path) -> None:
    pods = Pods(site, site.accept(write_package(tmp_path, "date +%N; echo begun >> $HOME/../count")))
    (step,) = pods.steps
    assert pods.run_job(step, 0)
    assert pods.run_job(step, 0)
    assert (pods.run / "out" / "count").read_text() == "begun\n"


def test_a_pod_that_is_started_again_keeps_the_outputs_of_a_job_that_has_ended(site: Site, tmp_path: Path) -> None:
    pods = Pods(site, site.accept(write_package(tmp_path, "echo kept")))
    (step,) = pods.steps
    assert pods.run_job(step, 0)
    slot, other = Slot(pods.run, step.name, 0), Slot(pods.run, step.name, 1)
    before = {path: path.read_bytes() for path in slot.out.iterdir()}
    assert list(before.values()) == [b"kept\n"]
    assert pods.run_job(step, 0)
    # a slot that has the same job finds the same result
    given = slot.read()
    assert given
    other.keep(given)
    assert pods.run_job(step, 1)
    assert {path: path.read_bytes() for path in slot.out.iterdir()} == before
    assert pods.evaluate("finish")


def test_a_step_that_fails_says_so_with_its_exit_code(site: Site, tmp_path: Path) -> None:
    pods = Pods(site, site.accept(write_package(tmp_path, "echo sorry >&2; exit 3")))
    (step,) = pods.steps
    assert not pods.run_job(step, 0)
    assert "[work] sorry" in pods.said
    assert "engine warning: [job work] exited with status: 3" in pods.said
    assert not pods.evaluate("finish")


def test_an_attempt_that_was_lost_leaves_nothing_for_the_next(site: Site, tmp_path: Path) -> None:
    pods = Pods(site, site.accept(write_package(tmp_path, "ls; ls $HOME | wc -l")))
    (step,) = pods.steps
    assert pods.evaluate("prepare", step.name, "0")
    (Slot(pods.run, step.name, 0).out / "half").write_text("x")
    assert pods.run_job(step, 0)
    assert not (Slot(pods.run, step.name, 0).out / "half").exists()


def test_a_step_that_changes_an_input_which_others_share_fails(site: Site, tmp_path: Path) -> None:
    package = write_package(tmp_path, "echo more >> data.txt")
    document = json.loads(package.read_text())
    flow, tool = document["$graph"]
    tool["requirements"].append({"class": "InitialWorkDirRequirement", "listing": ["$(inputs.x)"]})
    tool["inputs"] = {"x": "File"}
    flow["inputs"], flow["steps"]["work"]["in"] = {"x": "File"}, {"x": "x"}
    package.write_text(json.dumps(document))
    data = tmp_path / "data.txt"
    data.write_text("one\n")
    pods = Pods(site, site.accept(package, None, f"x={data}"))
    (step,) = pods.steps
    assert not pods.run_job(step, 0)
    assert any("changed its input: data.txt" in line for line in pods.said)
    assert data.read_text() == "one\n"
