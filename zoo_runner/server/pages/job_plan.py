"""What a job that waits will run: the steps of its package in their order, with images and what they ask for; pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import islice

from zoo_runner.model.package import Document, Package
from zoo_runner.package.images import read_image_names
from zoo_runner.package.requirements import find_effective, find_run
from zoo_runner.server.pages.words import show_duration

MOST_STEPS = 200
"""What is shown; the package has all."""
NOT_KNOWN = "set by an expression"
"""Stands for an amount that only a run can evaluate."""


@dataclass(frozen=True)
class PlannedStep:
    """A tool where a step runs it; `within` are the steps around it, `after` those of its workflow that it waits for.

    `image` is None for what runs without a container; `cores`, `memory` and `time` are empty where nothing is said.
    `each` are the inputs of whose items it runs once for each; `is_optional` says that a condition decides.
    """

    name: str
    within: tuple[str, ...]
    after: tuple[str, ...]
    image: str | None
    cores: str
    memory: str
    time: str
    each: tuple[str, ...] = ()
    is_optional: bool = False


@dataclass(frozen=True)
class JobPlan:
    """The steps of a package; `is_cut` says that there are more."""

    steps: tuple[PlannedStep, ...]
    is_cut: bool = False


def build_plan(package: Package) -> JobPlan:
    """Plan the steps of a package in an order in which they can run."""
    found = tuple(islice(_walk(package, package.process, package.workflow_id, _Outside()), MOST_STEPS + 1))
    return JobPlan(found[:MOST_STEPS], len(found) > MOST_STEPS)


@dataclass(frozen=True)
class _Outside:
    """What surrounds a process: steps and workflows from the inside out, the names of the steps from the outside in."""

    holders: tuple[Document, ...] = ()
    within: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


def _walk(package: Package, process: Document, name: str, outside: _Outside) -> Iterator[PlannedStep]:
    holders = (process, *outside.holders)
    if process.get("class") != "Workflow":
        yield _plan_step(process, name, holders, outside)
        return
    steps = {_key(step): step for step in process.get("steps") or ()}
    for key, befores in _order(steps):
        step = steps[key]
        # what has to end before the step of a workflow is said of all steps in it
        after = tuple(_name(steps[before]) for before in befores) or outside.after
        within = (*outside.within, name) if outside.holders else ()
        inner = _Outside((step, *holders), within, after)
        yield from _walk(package, find_run(package, step), _name(step), inner)


def _key(step: Document) -> str:
    return str(step["id"]).lstrip("#")


def _name(step: Document) -> str:
    return _key(step).rpartition("/")[2]


def _order(steps: Mapping[str, Document]) -> list[tuple[str, list[str]]]:
    """Order steps as they can run, those that can run at once as written, each with the steps that it waits for."""
    before = {key: [one for one in steps if one in _list_sources(step)] for key, step in steps.items()}
    places, ordered, sorter = {key: place for place, key in enumerate(steps)}, list[str](), TopologicalSorter(before)
    try:
        sorter.prepare()
    except CycleError:  # engines refuse it
        return [*before.items()]
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=places.__getitem__)
        ordered += ready
        sorter.done(*ready)
    return [(key, before[key]) for key in ordered]


def _list_sources(step: Document) -> set[str]:
    """List the steps whose outputs a step takes."""
    given = [one.get("source") for one in step.get("in") or () if isinstance(one, Mapping)]
    sources = [source for one in given for source in (one if isinstance(one, list) else [one])]
    return {source.lstrip("#").rpartition("/")[0] for source in sources if isinstance(source, str)}


def _plan_step(tool: Document, name: str, holders: tuple[Document, ...], outside: _Outside) -> PlannedStep:
    docker, resources, limit = (
        find_effective(holders, one) for one in ("DockerRequirement", "ResourceRequirement", "ToolTimeLimit")
    )
    images = read_image_names(docker.body) if docker and tool.get("class") == "CommandLineTool" else []
    asked, seconds = resources.body if resources else {}, limit.body.get("timelimit") if limit else None
    return PlannedStep(
        name,
        outside.within,
        outside.after,
        next(iter(images), None),
        _show_amount(asked, "cores", ("core", "cores")),
        _show_amount(asked, "ram", ("MiB", "MiB")),
        show_duration(seconds) if isinstance(seconds, int | float) else NOT_KNOWN if seconds else "",
        tuple(_list_scattered(holders)),
        any(holder.get("when") for holder in holders),
    )


def _show_amount(asked: Document, resource: str, units: tuple[str, str]) -> str:
    amount = asked.get(f"{resource}Min", asked.get(f"{resource}Max"))
    if amount is None:
        return ""
    if not isinstance(amount, int | float):
        return NOT_KNOWN
    return f"{amount:g} {units[amount != 1]}"


def _list_scattered(holders: tuple[Document, ...]) -> Iterator[str]:
    for holder in reversed(holders):
        given = holder.get("scatter") or ()
        for one in [given] if isinstance(given, str) else given:
            yield str(one).rpartition("/")[2].lstrip("#")
