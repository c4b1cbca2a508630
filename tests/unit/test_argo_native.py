"""A Workflow with one pod for each step: what Argo is given, what it is not, and how the jobs of steps are found."""

import json
import resource
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hera.workflows.models import Workflow

from tests.unit.test_argo_dag import package_of, step, workflow
from tests.values import small_package, workspace_of
from zoo_runner.config.argo import ArgoSettings
from zoo_runner.config.kubernetes import load_kubernetes_settings
from zoo_runner.engines.argo.native.dag import build_dag
from zoo_runner.engines.argo.native.follower import is_stage
from zoo_runner.engines.argo.native.nodes import NODE_ANNOTATION
from zoo_runner.engines.argo.native.pods import find_container_failure
from zoo_runner.engines.argo.native.printed import Printed, read_exit_code
from zoo_runner.engines.argo.native.script import build_pod_script, build_tool_script
from zoo_runner.engines.argo.native.sharing import count_sharing, share_pods
from zoo_runner.engines.argo.native.slots import Slot, SlotJob
from zoo_runner.engines.argo.native.workflow import build_native_workflow
from zoo_runner.engines.kubernetes.manifests import CONFINED, NETWORK_LABEL
from zoo_runner.engines.kubernetes.names import Manifest, build_names
from zoo_runner.model.package import Package

OPEN = package_of(
    workflow(
        "main",
        step("main", "a"),
        step("main", "many", "a/out", scatter="#main/many/a"),
        step("main", "b", "many/out"),
        source="b/out",
    )
)


def build(
    package: Package, environ: dict[str, str] | None = None, limit: float | None = None, *, generation: int = 0
) -> Manifest:
    cluster = load_kubernetes_settings(environ or {})
    names = build_names("j1", cluster, workspace_of())
    for number in range(generation):
        names = names.build_next(f"job-again-{number}")
    return build_native_workflow(names, cluster, ArgoSettings(), build_dag(package), limit)


def get_template(manifest: Manifest, name: str) -> Manifest:
    (found,) = [one for one in manifest["spec"]["templates"] if one["name"] == name]
    return dict(found)


def get_containers(manifest: Manifest, name: str) -> dict[str, Manifest]:
    return {one["name"]: one for one in get_template(manifest, name)["containerSet"]["containers"]}


def get_tasks(manifest: Manifest) -> dict[str, Manifest]:
    return {one["name"]: one for one in get_template(manifest, "job")["dag"]["tasks"]}


def test_all_fields_are_those_of_argos_api() -> None:
    manifest = build(OPEN, {"POD_ENV_VARS": '{"HTTP_PROXY": "http://proxy:1"}'}, 30.0)
    # a field that Hera's models do not know is dropped by them
    assert Workflow.model_validate(manifest).model_dump(mode="json", by_alias=True, exclude_none=True) == manifest
    assert manifest["spec"]["activeDeadlineSeconds"] == 30
    assert manifest["spec"]["suspend"] is True


def test_each_step_is_a_node_that_waits_for_those_before_it() -> None:
    waits = {name: task.get("dependencies") for name, task in get_tasks(build(OPEN)).items()}
    assert waits == {
        "stage-in": None,
        "step-a": ["stage-in"],
        "list-many": ["step-a"],
        "step-many": ["list-many"],
        "step-b": ["step-many"],
        "stage-out": ["step-a", "step-many", "step-b"],
    }


def test_a_scattered_step_has_a_pod_for_each_job_that_was_found() -> None:
    tasks = get_tasks(build(OPEN))
    assert tasks["step-many"]["withParam"] == "{{tasks.list-many.outputs.parameters.numbers}}"
    assert tasks["step-many"]["arguments"]["parameters"] == [{"name": "number", "value": "{{item}}"}]
    assert tasks["step-a"]["arguments"]["parameters"] == [{"name": "number", "value": "0"}]


def test_what_evaluates_or_runs_a_package_has_neither_credentials_nor_token_nor_the_whole_volume() -> None:
    manifest = build(OPEN)
    containers = [*get_containers(manifest, "step-a").values(), get_containers(manifest, "stage-out")["finish"]]
    containers.append(get_template(manifest, "list-many")["container"])
    for container in containers:
        assert "envFrom" not in container
        assert all("valueFrom" not in entry for entry in container.get("env") or ())
        assert all(mount["name"] == "work" and mount["subPath"] for mount in container["volumeMounts"])
        assert container["securityContext"] == CONFINED


def test_a_tool_reads_the_run_and_writes_to_its_own_slot_only() -> None:
    tool = get_containers(build(OPEN), "step-many")["tool"]
    writable = {one["mountPath"] for one in tool["volumeMounts"] if not one.get("readOnly")}
    pod = "step-many-{{inputs.parameters.number}}"
    assert writable == {f"/job/run/out/{pod}", f"/job/run/tmp/{pod}"}
    assert tool["command"] == ["/bin/sh", f"/job/run/slots/{pod}/all.sh", "in-container"]


def test_only_the_nodes_that_stage_have_the_secret_of_the_job() -> None:
    manifest = build(OPEN)
    having = [one["name"] for one in manifest["spec"]["templates"] if "envFrom" in json.dumps(one)]
    assert having == ["stage-in", "stage-out", "keep-logs"]


def test_pods_that_evaluate_or_run_a_package_reach_the_api_alone_unless_their_step_asks_for_the_network() -> None:
    asking: dict[str, Any] = {"hints": {"NetworkAccess": {"networkAccess": True}}}
    package = package_of(workflow("main", step("main", "a"), step("main", "b", **asking), source="b/out"))
    old = replace(package, document={**package.document, "cwlVersion": "v1.0"})
    for manifest, expected in (
        (build(OPEN), {"step-a": "api", "step-many": "api", "list-many": "api", "step-b": "api"}),
        (build(package), {"step-a": "api", "step-b": "allowed"}),
        (build(old), {"step-a": "allowed", "step-b": "allowed"}),
    ):
        labels = {one["name"]: one.get("metadata", {}).get("labels", {}) for one in manifest["spec"]["templates"]}
        found = {name: label[NETWORK_LABEL] for name, label in labels.items() if NETWORK_LABEL in label}
        assert found == expected


def test_argo_replaces_nothing_but_numbers_of_jobs() -> None:
    text = json.dumps(build(OPEN))
    for known in ("{{inputs.parameters.number}}", "{{item}}", "{{tasks.list-many.outputs.parameters.numbers}}"):
        text = text.replace(known, "")
    assert "{{" not in text


@pytest.mark.parametrize(
    ("requirement", "settings", "number"),
    [
        ({}, {}, 4),
        ({"coresMin": 0.01, "ramMin": 16}, {}, 200),
        ({"coresMin": 1, "ramMin": 4096}, {}, 2),
        ({"coresMin": 8}, {}, 1),
        ({"coresMin": 0, "ramMin": 0}, {}, 200),
        ({"coresMin": 0}, {}, 32),
    ],
)
def test_no_more_pods_run_at_a_time_than_the_settings_allow_a_job(
    requirement: dict[str, Any], settings: dict[str, str], number: int
) -> None:
    package = small_package(requirements=[{"class": "ResourceRequirement", **requirement}])
    assert build(package, settings)["spec"]["parallelism"] == number


def test_a_step_requests_what_it_asks_for_at_least_and_is_limited_to_the_most() -> None:
    asks = {"class": "ResourceRequirement", "coresMin": 0.1, "coresMax": 2, "ramMin": 4_000_000, "ramMax": 5_000_000}
    tool = get_containers(build(small_package(requirements=[asks])), "step-water")["tool"]
    assert tool["resources"] == {
        "requests": {"cpu": "100m", "memory": "4000000Mi"},
        "limits": {"cpu": "2000m", "memory": "5000000Mi"},
    }


@pytest.mark.parametrize(
    ("asks", "requests", "limits"),
    [
        ({"coresMin": 0, "ramMin": 0}, {"cpu": "0m", "memory": "0Mi"}, {}),
        ({"coresMin": 0, "coresMax": 2}, {"cpu": "0m", "memory": "256Mi"}, {"cpu": "2000m", "memory": "256Mi"}),
    ],
)
def test_a_step_that_asks_for_nothing_is_not_limited_to_nothing(
    asks: dict[str, Any], requests: dict[str, str], limits: dict[str, str]
) -> None:
    package = small_package(requirements=[{"class": "ResourceRequirement", **asks}])
    tool = get_containers(build(package), "step-water")["tool"]
    assert tool["resources"] == {"requests": requests, "limits": limits}


def test_nodes_have_different_names_whatever_the_names_of_steps() -> None:
    main = workflow(
        "main",
        step("main", "crop", scatter="#main/crop/a"),
        step("main", "crop-list", "crop/out"),
        step("main", "list-crop", "crop/out"),
        step("main", "cut", "crop/out", scatter="#main/cut/a"),
        source="crop-list/out",
    )
    manifest = build(package_of(main))
    expected = {"stage-in", "step-crop", "step-crop-list", "step-list-crop", "list-cut", "step-cut", "stage-out"}
    assert sorted(one["name"] for one in get_template(manifest, "job")["dag"]["tasks"]) == sorted(expected)
    assert sorted(one["name"] for one in manifest["spec"]["templates"]) == sorted({*expected, "job", "keep-logs"})


def test_a_job_that_continues_another_has_a_folder_of_its_own_and_reads_those_before_it() -> None:
    containers = get_containers(build(OPEN, generation=2), "step-a")
    for name, mounts in {name: one["volumeMounts"] for name, one in containers.items()}.items():
        written = {one["mountPath"] for one in mounts if not one.get("readOnly")}
        assert all(place.startswith("/job/again-2/") for place in written), name
        read = {one["mountPath"]: one["subPath"] for one in mounts if one.get("readOnly")}
        assert read["/job/run"] == "run"
        assert read["/job/again-1/files"] == "again-1/files"
    assert containers["prepare"]["command"][3] == "/job/again-2/run"


def test_of_a_job_that_continues_another_a_step_has_a_pod_only_where_stage_in_finds_that_it_needs_one() -> None:
    manifest = build(OPEN, generation=1)
    tasks = get_tasks(manifest)
    assert tasks["step-a"]["when"] == "{{tasks.stage-in.outputs.parameters.step-a}} == needed"
    # how many jobs an open one has is found when it is its turn
    assert "when" not in tasks["step-many"]
    template = get_template(manifest, "stage-in")
    assert [one["name"] for one in template["outputs"]["parameters"]] == ["step-a", "step-b"]
    containers = get_containers(manifest, "stage-in")
    assert {name for name, one in containers.items() if "envFrom" in one} == {"stage-in"}
    assert {one["subPath"] for one in containers["main"]["volumeMounts"]} >= {"again-1/run", "run"}
    assert Workflow.model_validate(manifest).model_dump(mode="json", by_alias=True, exclude_none=True) == manifest


def test_the_jobs_of_a_scattered_step_that_needs_no_other_are_found_in_the_pod_of_stage_in() -> None:
    package = package_of(workflow("main", step("main", "many", scatter="#main/many/a"), source="many/out"))
    manifest = build(package)
    task = get_tasks(manifest)["step-many"]
    assert task["dependencies"] == ["stage-in"]
    assert task["withParam"] == "{{tasks.stage-in.outputs.parameters.step-many}}"
    template = get_template(manifest, "stage-in")
    assert [one["name"] for one in template["outputs"]["parameters"]] == ["step-many"]
    containers = get_containers(manifest, "stage-in")
    assert {name for name, one in containers.items() if "envFrom" in one} == {"stage-in"}
    assert containers["main"]["dependencies"] == ["stage-in"]
    assert Workflow.model_validate(manifest).model_dump(mode="json", by_alias=True, exclude_none=True) == manifest


@pytest.mark.parametrize(
    ("jobs", "most", "sizes"),
    [
        (0, 10, []),
        (3, 10, [1] * 3),
        (10, 10, [1] * 10),
        (12, 10, [2, 2, *[1] * 8]),
        (100, 10, [10] * 10),
        (105, 10, [10] * 6 + [9] * 5),
        (500, 10, [10] * 50),
        (25, 1, [1] * 25),
    ],
)
def test_jobs_share_pods_where_there_are_many(jobs: int, most: int, sizes: list[int]) -> None:
    pods = share_pods(range(jobs), most)
    assert [len(numbers) for numbers in pods] == sizes
    assert [number for numbers in pods for number in numbers] == list(range(jobs))


@pytest.mark.parametrize(("cores", "ram", "most"), [(0.1, 256, 10), (0, 0, 10), (0.2, 16, 1), (0.01, 257, 1)])
def test_only_jobs_that_ask_for_little_share_a_pod(cores: float, ram: float, most: int) -> None:
    assert count_sharing(cores, ram, 10) == most


def test_between_two_jobs_of_a_pod_what_the_first_has_left_is_removed() -> None:
    slots = [Slot(Path("/job/run"), "step-a", 0, place) for place in range(3)]
    *_, first, clean, second, again, third, end = build_pod_script(slots).splitlines()
    assert first == "/bin/sh /job/run/slots/step-a-0/0.sh"
    assert clean == again == "clean"
    assert [second, third, end] == [f"/bin/sh /job/run/slots/step-a-0/{place}.sh" for place in (1, 2)] + ["exit 0"]


def test_a_slot_remembers_its_job(tmp_path: Path) -> None:
    slot = Slot(tmp_path, "step-a", 3)
    assert slot.read() is None
    slot.keep(SlotJob("k", "a_4", {"x": [1]}))
    assert slot.read() == SlotJob("k", "a_4", {"x": [1]})


def test_words_of_a_command_stay_words_and_output_goes_to_its_file() -> None:
    slot = Slot(Path("/job/run"), "step-a", 0)
    script = build_tool_script(["echo", "a b", "$(x)"], {"X": "1;2"}, slot, stdin="/in put", stdout="sub/out")
    assert "echo 'a b' '$(x)' < '/in put' > sub/out" in script
    assert "export 'X=1;2'" in script
    assert "mkdir -p -- sub" in script
    assert script.endswith("exit 0\n")


def make_slot(tmp_path: Path) -> Slot:
    slot = Slot(tmp_path, "step-a", 0)
    slot.create()
    return slot


def test_what_was_printed_is_read_to_the_end_of_the_program(tmp_path: Path) -> None:
    slot = make_slot(tmp_path)
    slot.log.write_text("one\ntwo")
    slot.exit_code.write_text("3.\n")
    assert [line for lines in Printed(slot, 100).read() for line in lines] == ["one", "two"]
    assert read_exit_code(slot) == 3


def test_a_program_is_followed_to_its_end_where_no_change_can_be_watched(tmp_path: Path) -> None:
    slot = make_slot(tmp_path)
    slot.log.write_text("one\n")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)

    def end() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        slot.exit_code.write_text("0.\n")

    ending = threading.Timer(0.2, end)
    ending.start()
    # as with too many instances of inotify, none is given
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        printed = [line for lines in Printed(slot, 100).read() for line in lines]
    finally:
        ending.join()
    assert printed == ["one"]


def test_no_more_is_read_than_may_be_kept(tmp_path: Path) -> None:
    slot = make_slot(tmp_path)
    slot.log.write_text("one\n" * 100)
    slot.exit_code.write_text("0.\n")
    assert sum(len(lines) for lines in Printed(slot, 20).read()) == 5


@pytest.mark.parametrize("text", ["", "0", "0.", "x.\n"])
def test_an_exit_code_counts_once_all_of_it_is_written(text: str, tmp_path: Path) -> None:
    slot = make_slot(tmp_path)
    slot.exit_code.write_text(text)
    assert read_exit_code(slot) is None


def test_no_link_that_a_program_left_is_followed(tmp_path: Path) -> None:
    slot = make_slot(tmp_path)
    secret = tmp_path / "secret"
    secret.write_text("7.\n")
    slot.log.symlink_to(secret)
    slot.exit_code.symlink_to(secret)
    assert read_exit_code(slot) is None
    slot.exit_code.unlink()
    slot.exit_code.write_text("0.\n")
    assert list(Printed(slot, 100).read()) == []


def make_pod(container: str, **ended: Any) -> Manifest:
    limits = {"resources": {"limits": {"memory": "64Mi"}}}
    return {
        "metadata": {"name": "p", "annotations": {"zoo-runner/step": "work"}},
        "spec": {"containers": [{"name": container, **limits}]},
        "status": {"containerStatuses": [{"name": container, "image": "i:1", "state": {"terminated": ended}}]},
    }


@pytest.mark.parametrize(
    ("container", "ended", "code"),
    [
        ("tool", {"exitCode": 137, "reason": "OOMKilled"}, "step.out-of-memory"),
        ("collect", {"exitCode": 137, "reason": "OOMKilled"}, "engine.memory"),
        ("tool", {"exitCode": 64, "message": 'exec: "/bin/sh": stat /bin/sh: no such file'}, "image.no-shell"),
        ("tool", {"exitCode": 64, "message": 'dependency "prepare" exited with non-zero code: 1'}, None),
        ("tool", {"exitCode": 0}, None),
    ],
)
def test_a_container_that_could_not_report_its_end_is_explained(
    container: str, ended: dict[str, Any], code: str | None
) -> None:
    failure = find_container_failure(make_pod(container, **ended))
    assert (failure and failure.diagnosis.code) == code


@pytest.mark.parametrize(
    ("node", "containers", "staging"),
    [
        ("stage-in", ["main", "wait"], {"main"}),
        # that of a job which continues another evaluates the package in `main`
        ("stage-in", ["stage-in", "main", "wait"], {"stage-in"}),
        ("stage-out", ["finish", "stage-out", "wait"], {"stage-out"}),
        ("step-a", ["prepare", "tool", "collect"], set()),
        ("list-a", ["main"], set()),
    ],
)
def test_where_the_evaluation_fails_it_is_not_taken_for_a_stage(
    node: str, containers: list[str], staging: set[str]
) -> None:
    pod = {
        "metadata": {"annotations": {NODE_ANNOTATION: node}},
        "spec": {"containers": [{"name": name} for name in containers]},
    }
    assert {name for name in containers if is_stage(pod, name)} == staging
