"""The programs of the pods of argo-native, one after the other as Argo starts them, without Argo and without images.

What a package gives is what the local engine gives; the programs run in processes of their own, and each script in a
shell.
"""

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.features import FEATURES, WORKING, show
from tests.site import Site
from tests.steps import write_package
from tests.values import ROOT
from zoo_runner.engines.argo.native.dag import StepNode, build_dag, list_obstacles
from zoo_runner.engines.argo.native.slots import OUTPUTS, Slot, name_script
from zoo_runner.engines.argo.native.staging import write_run
from zoo_runner.engines.pipeline import run_stage_in, run_stage_out
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.files import read_unlinked
from zoo_runner.model.cancellation import Cancellation

MODULE = "zoo_runner.engines.argo.native.evaluate"
PATH = "/usr/local/bin:/usr/bin:/bin"
# each for a reason of docs/argo.md
ONE_POD = {"expression-entry", "expressions", "inplace", "secrets", "workdir"} & set(WORKING)


class Pods:
    """What the pods of a Workflow do, in one folder; `earlier` are the runs that it continues."""

    def __init__(self, site: Site, job: JobSpec, *earlier: Path, jobs_per_pod: int = 1) -> None:
        self._site, self._job = site, job
        self.steps = build_dag(job.package)
        self.run = job.paths.scratch
        self.said: list[str] = []
        self.run.mkdir(parents=True)
        staged = run_stage_in(job, site.workspace.storage, lambda _: None, Cancellation())
        write_run(job, staged, earlier, jobs_per_pod=jobs_per_pod)

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

    def choose(self) -> dict[str, str]:
        """Find out what is known after stage-in: the pods of open steps, and which steps with one job need one."""
        folder = self.run / f"choices-{time.monotonic_ns()}"
        assert self.evaluate("begin", str(folder)), self.said
        return {path.name: path.read_text() for path in folder.iterdir()}

    def list_numbers(self, step: StepNode) -> list[int]:
        """Find the pods of a step."""
        if not step.is_open:
            return [0]
        if not step.needs:
            first: list[int] = json.loads(self.choose()[step.name])
            return first
        assert self.evaluate("list", step.name, str(self.run / "numbers")), self.said
        numbers: list[int] = json.loads((self.run / "numbers").read_text())
        return numbers

    def run_job(self, step: StepNode, number: int) -> bool:
        """Run the jobs of a pod; whether they succeeded."""
        script = name_script(str(self.run), step.name, str(number))
        if not self.evaluate("prepare", step.name, str(number)):
            return False
        # nothing is cleaned: this is no container
        subprocess.run(["/bin/sh", script], env={"PATH": PATH}, check=True, capture_output=True)
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


EMPTY = """
cwlVersion: v1.2
class: CommandLineTool
id: empty
baseCommand: [sh, -c, 'mkdir -p made/e/mpty none; echo a > made/a.txt']
inputs: []
outputs:
  made: {type: Directory, outputBinding: {glob: made}}
  none: {type: Directory, outputBinding: {glob: none}}
"""


@pytest.mark.parametrize("engine", ["local", "argo-native"])
def test_empty_folders_of_a_step_are_kept_where_the_settings_say_so(engine: str, site: Site, tmp_path: Path) -> None:
    keeping = site.having(STAGEOUT_KEEP_EMPTY_FOLDERS="true")
    (tmp_path / "empty.cwl").write_text(EMPTY)
    job = keeping.accept(tmp_path / "empty.cwl")
    if engine == "local":
        assert keeping.run(job).outcome.diagnosis is None
    else:
        Pods(keeping, job).run_all()
    assert list((keeping.results / "made/e/mpty").iterdir()) == []
    assert (keeping.results / "made/a.txt").read_text() == "a\n"
    assert not [path for path in (keeping.results / "none").iterdir() if path.suffix != ".json"]


def test_a_job_that_has_ended_is_not_run_again(site: Site, tmp_path: Path) -> None:
    pods = Pods(site, site.accept(write_package(tmp_path, "date +%N; echo begun >> $HOME/../../count")))
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


@pytest.mark.parametrize("folder", ["out", "tmp"])
def test_a_step_that_puts_a_link_in_the_place_of_its_folder_fails(folder: str, site: Site, tmp_path: Path) -> None:
    own = '"$HOME"' if folder == "out" else '"${TMPDIR%/tmp}"'
    script = f"set -e; own={own}; mv $own $own-1; ln -s $own-1 $own; echo done"
    pods = Pods(site, site.accept(write_package(tmp_path, script)))
    (step,) = pods.steps
    assert not pods.run_job(step, 0)
    (line,) = [line for line in pods.said if f"/{folder}/step-work-0/0" in line]
    assert line.startswith("engine error: [job work]")


def start_changing(site: Site, folder: Path, script: str = "echo more >> data.txt") -> Pods:
    """A package of one step, which has its input in its working folder."""
    package = write_package(folder, script)
    document = json.loads(package.read_text())
    flow, tool = document["$graph"]
    tool["requirements"].append({"class": "InitialWorkDirRequirement", "listing": ["$(inputs.x)"]})
    tool["inputs"] = {"x": "File"}
    flow["inputs"], flow["steps"]["work"]["in"] = {"x": "File"}, {"x": "x"}
    package.write_text(json.dumps(document))
    data = folder / "data.txt"
    data.write_text("one\n")
    return Pods(site, site.accept(package, None, f"x={data}"))


def test_a_step_that_changes_an_input_which_others_share_fails(site: Site, tmp_path: Path) -> None:
    pods = start_changing(site, tmp_path)
    (step,) = pods.steps
    assert not pods.run_job(step, 0)
    assert any("changed its input: data.txt" in line for line in pods.said)
    assert (tmp_path / "data.txt").read_text() == "one\n"


def test_so_does_one_whose_attempt_that_was_lost_has_changed_it(site: Site, tmp_path: Path) -> None:
    pods = start_changing(site, tmp_path, "grep -c more data.txt || echo more >> data.txt")
    (step,) = pods.steps
    assert pods.evaluate("prepare", step.name, "0")
    subprocess.run(
        ["/bin/sh", Slot(pods.run, step.name, 0).script], env={"PATH": PATH}, check=True, capture_output=True
    )
    assert not pods.run_job(step, 0)
    assert any("changed its input: data.txt" in line for line in pods.said)


THREE = {"first": "cat $0; echo first", "second": "cat $0; echo second", "third": "cat $0; echo third"}


def write_three(folder: Path, requirements: Sequence[Any] = (), **scripts: str) -> Path:
    """A package of three steps, each of which takes the file of the one before."""
    tools, steps, source = [], {}, "x"
    for name, script in {**THREE, **scripts}.items():
        tools.append(
            {
                "class": "CommandLineTool",
                "id": name,
                "baseCommand": ["sh", "-c", script],
                "inputs": {"x": {"type": "File", "inputBinding": {}}},
                "stdout": f"{name}.txt",
                "outputs": {"y": "stdout"},
                "requirements": list(requirements),
            }
        )
        steps[name] = {"run": f"#{name}", "in": {"x": source}, "out": ["y"]}
        source = f"{name}/y"
    outputs = {"y": {"type": "File", "outputSource": "third/y"}}
    flow = {"class": "Workflow", "id": "flow", "inputs": {"x": "File"}, "outputs": outputs, "steps": steps}
    folder.mkdir(exist_ok=True)
    path = folder / "flow.cwl"
    path.write_text(json.dumps({"cwlVersion": "v1.2", "$graph": [flow, *tools]}))
    return path


def start_three(
    site: Site, folder: Path, *earlier: Pods, data: str = "data", requirements: Sequence[Any] = (), **scripts: str
) -> Pods:
    path = folder / "data.txt"
    package = write_three(folder, requirements, **scripts)
    path.write_text(f"{data}\n")
    return Pods(site, site.accept(f"{package}#flow", None, f"x={path}"), *(one.run for one in earlier))


def read_output(pods: Pods) -> str:
    """Finish a job whose steps have run, and read the file that the package gives."""
    assert pods.evaluate("finish"), pods.said
    outputs = json.loads(read_unlinked(pods.run / OUTPUTS))
    return Path(outputs["y"]["location"].removeprefix("file://")).read_text()


def test_a_job_that_continues_another_runs_what_failed_and_takes_the_rest_from_it(site: Site, tmp_path: Path) -> None:
    failed = start_three(site, tmp_path / "a", third="exit 3")
    first, second, third = failed.steps
    assert failed.run_job(first, 0)
    assert failed.run_job(second, 0)
    assert not failed.run_job(third, 0)
    # the same content from another place, as after another stage-in
    pods = start_three(site, tmp_path / "b", failed)
    assert pods.choose() == {"step-first": "reused", "step-second": "reused", "step-third": "needed"}
    source = json.loads((failed.run / "native.json").read_text())["job"]
    events = [json.loads(line) for line in pods.said if line.startswith("{")]
    assert [(one["event"], one["step"], one["job"]) for one in events] == [
        ("StepReused", "first", source),
        ("StepReused", "second", source),
    ]
    before = {path: path.read_bytes() for path in (failed.run / "out").rglob("*") if path.is_file()}
    assert pods.run_job(third, 0), pods.said
    assert read_output(pods) == "data\nfirst\nsecond\nthird\n"
    # what was reused is still there, for another job
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("end", ["", "; exit 3"])
def test_a_job_that_continues_one_takes_no_output_that_a_later_step_has_changed(
    end: str, site: Site, tmp_path: Path
) -> None:
    listing = [{"class": "InitialWorkDirRequirement", "listing": ["$(inputs.x)"]}]
    failed = start_three(site, tmp_path / "a", second=f"echo more >> first.txt{end}", requirements=listing)
    assert failed.run_job(failed.steps[0], 0)
    assert not failed.run_job(failed.steps[1], 0)
    pods = start_three(site, tmp_path / "b", failed, requirements=listing)
    assert set(pods.choose().values()) == {"needed"}
    for step in pods.steps:
        assert pods.run_job(step, 0), pods.said
    assert read_output(pods) == "data\nfirst\nsecond\nthird\n"


def test_an_input_that_changed_runs_the_steps_that_get_it_and_those_after_it(site: Site, tmp_path: Path) -> None:
    failed = start_three(site, tmp_path / "a", third="exit 3")
    for step in failed.steps[:2]:
        assert failed.run_job(step, 0)
    pods = start_three(site, tmp_path / "b", failed, data="other")
    assert set(pods.choose().values()) == {"needed"}


def test_a_step_that_was_edited_runs_again_and_so_do_those_after_it(site: Site, tmp_path: Path) -> None:
    failed = start_three(site, tmp_path / "a", third="exit 3")
    for step in failed.steps[:2]:
        assert failed.run_job(step, 0)
    pods = start_three(site, tmp_path / "b", failed, second="echo edited")
    assert pods.choose() == {"step-first": "reused", "step-second": "needed", "step-third": "needed"}
    assert pods.run_job(pods.steps[1], 0)
    # a third job finds each step at the latest job that ran it
    again = start_three(site, tmp_path / "c", pods, failed, second="echo edited")
    assert again.choose() == {"step-first": "reused", "step-second": "reused", "step-third": "needed"}
    sources = {one["job"] for one in map(json.loads, again.said)}
    assert len(sources) == 2


def start_with_own_file(folder: Path, site: Site, script: str, *earlier: Pods) -> Pods:
    """A package of one step, which has a file of its own, in the folder of a job as in a pod."""
    (folder / "files" / "0").mkdir(parents=True)
    own = folder / "files" / "0" / "script.txt"
    own.write_text("hello")
    package = write_package(folder, script)
    document = json.loads(package.read_text())
    _, tool = document["$graph"]
    default = {"class": "File", "location": own.as_uri()}
    tool["inputs"] = {"x": {"type": "File", "default": default, "inputBinding": {}}}
    package.write_text(json.dumps(document))
    job = site.accept(package)
    return Pods(site, replace(job, paths=replace(job.paths, scratch=folder / "run")), *(one.run for one in earlier))


def test_a_job_that_continues_another_has_the_files_of_its_package(site: Site, tmp_path: Path) -> None:
    failed = start_with_own_file(tmp_path / "a", site, "exit 3")
    assert not failed.run_job(failed.steps[0], 0)
    pods = start_with_own_file(tmp_path / "b", site, "cat $0", failed)
    assert pods.run_job(pods.steps[0], 0), pods.said


def test_of_a_scattered_step_only_the_jobs_that_have_not_succeeded_run(site: Site, tmp_path: Path) -> None:
    failed = Pods(site, accept(site, "scatter"))
    step = next(one for one in failed.steps if one.is_open)
    for other in failed.steps[: failed.steps.index(step)]:
        assert failed.run_job(other, 0)
    numbers = failed.list_numbers(step)
    assert len(numbers) > 1
    assert failed.run_job(step, numbers[0])
    pods = Pods(site, accept(site, "scatter"), failed.run)
    assert pods.list_numbers(step) == numbers[1:]
    assert show(pods.run_all()) == json.loads((FEATURES / "scatter" / "expected.json").read_text())


def write_many(folder: Path, script: str, number: int) -> Path:
    """A package of so many jobs of a step that asks for little; each says its number `i`, which is its first word."""
    tool = {
        "class": "CommandLineTool",
        "id": "one",
        "requirements": [{"class": "ResourceRequirement", "coresMin": 0.1, "ramMin": 64}],
        "baseCommand": ["sh", "-c", script],
        "inputs": {"i": {"type": "int", "inputBinding": {}}},
        "stdout": "said.txt",
        "outputs": {"text": "stdout"},
    }
    inputs = {"i": {"type": "int[]", "default": list(range(number))}}
    steps = {"many": {"run": "#one", "scatter": "i", "in": {"i": "i"}, "out": ["text"]}}
    outputs = {"texts": {"type": "File[]", "outputSource": "many/text"}}
    flow = {
        "class": "Workflow",
        "id": "flow",
        "requirements": [{"class": "ScatterFeatureRequirement"}],
        "inputs": inputs,
        "steps": steps,
        "outputs": outputs,
    }
    folder.mkdir(exist_ok=True)
    path = folder / "flow.cwl"
    path.write_text(json.dumps({"cwlVersion": "v1.2", "$graph": [flow, tool]}))
    return path


def start_many(site: Site, folder: Path, script: str, number: int, *earlier: Pods) -> Pods:
    job = site.accept(f"{write_many(folder, script, number)}#flow")
    return Pods(site, job, *(one.run for one in earlier), jobs_per_pod=10)


def read_texts(pods: Pods) -> list[str]:
    assert pods.evaluate("finish"), pods.said
    outputs = json.loads(read_unlinked(pods.run / OUTPUTS))
    return [Path(one["location"].removeprefix("file://")).read_text() for one in outputs["texts"]]


def test_small_jobs_share_pods_and_each_has_its_own_folders_outputs_and_events(site: Site, tmp_path: Path) -> None:
    pods = start_many(site, tmp_path / "a", "echo $0 in $(ls | wc -l) files; echo log $0 >&2", 12)
    (step,) = pods.steps
    numbers = pods.list_numbers(step)
    assert numbers == [0, 2, 4, 5, 6, 7, 8, 9, 10, 11]
    assert all(pods.run_job(step, number) for number in numbers), pods.said
    assert read_texts(pods) == [f"{number} in 1 files\n" for number in range(12)]
    logs = [line for line in pods.said if "log" in line and not line.startswith("{")]
    assert sorted(logs) == sorted(f"[many{f'_{number + 1}' if number else ''}] log {number}" for number in range(12))
    events = [json.loads(line) for line in pods.said if line.startswith("{")]
    order = [(one["event"], one["step"]) for one in events if one["event"] in ("StepStarted", "StepEnded")][:4]
    assert order == [("StepStarted", "many"), ("StepEnded", "many"), ("StepStarted", "many_2"), ("StepEnded", "many_2")]


def test_of_a_shared_pod_the_jobs_before_the_one_that_failed_are_not_run_again(site: Site, tmp_path: Path) -> None:
    failed = start_many(site, tmp_path / "a", "[ $0 != 3 ] || exit 7; echo $0", 24)
    (step,) = failed.steps
    numbers = failed.list_numbers(step)
    assert numbers[:3] == [0, 3, 6]
    assert failed.run_job(step, 0)
    assert not failed.run_job(step, 3)
    assert "engine warning: [job many_4] exited with status: 7" in failed.said
    # a pod that is started again after it was lost runs what has not ended
    assert not failed.run_job(step, 3)
    pods = start_many(site, tmp_path / "b", "[ $0 != 3 ] || exit 7; echo $0", 24, failed)
    assert pods.list_numbers(step)[0] == 3
    reused = [json.loads(line)["step"] for line in pods.said if '"StepReused"' in line]
    assert reused == ["many", "many_2", "many_3"]


def test_a_shared_pod_that_is_started_again_runs_only_what_has_not_ended(site: Site, tmp_path: Path) -> None:
    script = "echo $0; echo $0 >> $HOME/../../runs; [ $0 = 0 -o -e $HOME/../go ] || exit 1"
    pods = start_many(site, tmp_path / "a", script, 20)
    (step,) = pods.steps
    pods.list_numbers(step)
    assert not pods.run_job(step, 0)
    first = Slot(pods.run, step.name, 0, 0)
    kept = {path: path.read_bytes() for path in first.out.iterdir()}
    (first.out.parent / "go").touch()
    assert pods.run_job(step, 0), pods.said
    assert {path: path.read_bytes() for path in kept} == kept
    assert (pods.run / "out" / "runs").read_text() == "0\n1\n1\n"
