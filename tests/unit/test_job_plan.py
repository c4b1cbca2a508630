"""What the page of a job that waits says of the steps to come."""

from typing import Any

from tests.values import small_package
from zoo_runner.model.package import Package
from zoo_runner.server.pages.job_plan import MOST_STEPS, NOT_KNOWN, build_plan


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"class": "CommandLineTool", "id": f"#{name}", "inputs": [], "outputs": [], "baseCommand": "true", **more}


def step(name: str, run: Any, *sources: Any, within: str = "main", **more: Any) -> dict[str, Any]:
    given = [{"id": f"#{within}/{name}/in{number}", "source": one} for number, one in enumerate(sources)]
    return {"id": f"#{within}/{name}", "run": run, "in": given, "out": ["out"], **more}


def workflow(*steps: dict[str, Any], name: str = "main", **more: Any) -> dict[str, Any]:
    return {"class": "Workflow", "id": f"#{name}", "inputs": [], "outputs": [], "steps": [*steps], **more}


def package(*processes: dict[str, Any]) -> Package:
    return Package({"cwlVersion": "v1.2", "$graph": [*processes]}, "#main", "scene", {}, "0" * 64)


def need(name: str, **members: Any) -> list[dict[str, Any]]:
    return [{"class": name, **members}]


def test_steps_are_in_an_order_in_which_they_can_run() -> None:
    steps = (step("last", "#a", ["#main/first/out", "#main/other/out"]), step("other", "#a", "#main/x"))
    plan = build_plan(package(workflow(*steps, step("first", "#a")), tool("a")))
    assert [(one.name, one.after) for one in plan.steps] == [
        *(("other", ()), ("first", ())),
        ("last", ("other", "first")),
    ]


def test_a_step_has_the_image_and_what_it_asks_for_from_wherever_it_is_required() -> None:
    asks = need("ResourceRequirement", coresMin=2, ramMax=512) + need("ToolTimeLimit", timelimit=90)
    main = workflow(step("a", "#a"), step("b", "#b"), hints=need("DockerRequirement", dockerPull="eo/all:1"))
    own = need("DockerRequirement", dockerPull="eo/own:2") + need("ResourceRequirement", ramMin="$(inputs.size)")
    plan = build_plan(package(main, tool("a", requirements=asks), tool("b", requirements=own)))
    assert [(one.image, one.cores, one.memory, one.time) for one in plan.steps] == [
        ("eo/all:1", "2 cores", "512 MiB", "1 min 30 s"),
        ("eo/own:2", "", NOT_KNOWN, ""),
    ]


def test_the_steps_of_a_workflow_within_wait_for_what_their_workflow_waits_for() -> None:
    inner = workflow(
        step("clip", "#a", within="inner"), step("mask", "#a", "#inner/clip/out", within="inner"), name="inner"
    )
    main = workflow(step("tiles", "#inner", "#main/get/out", scatter="#main/tiles/in0"), step("get", "#a"))
    plan = build_plan(package(main, inner, tool("a")))
    assert [(one.name, one.within, one.after, one.each) for one in plan.steps] == [
        ("get", (), (), ()),
        ("clip", ("tiles",), ("get",), ("in0",)),
        ("mask", ("tiles",), ("clip",), ("in0",)),
    ]


def test_what_runs_on_a_condition_or_without_a_container_is_said() -> None:
    sums = {"class": "ExpressionTool", "id": "#sum", "inputs": [], "outputs": [], "expression": "${return {}}"}
    main = workflow(step("sum", "#sum", when="$(inputs.x)"), requirements=need("DockerRequirement", dockerPull="a:1"))
    (one,) = build_plan(package(main, sums)).steps
    assert (one.is_optional, one.image) == (True, None)


def test_a_lone_tool_is_a_plan_of_one_step() -> None:
    assert [one.name for one in build_plan(small_package()).steps] == ["water"]


def test_what_is_shown_of_many_steps_is_bounded() -> None:
    plan = build_plan(package(workflow(*(step(f"s{number}", "#a") for number in range(MOST_STEPS + 5))), tool("a")))
    assert (len(plan.steps), plan.is_cut) == (MOST_STEPS, True)
    few = build_plan(package(workflow(step("a", "#a", "#main/b/out"), step("b", "#a", "#main/a/out")), tool("a")))
    assert (len(few.steps), few.is_cut) == (2, False)
