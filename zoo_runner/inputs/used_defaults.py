"""Which defaults inside of a package no run can use, because what they stand in for is always given; pure.

Source: CWL v1.2, Workflow Description, WorkflowStepInput: a default applies where the value is missing or null.
"""

from collections.abc import Iterator
from typing import Any

from zoo_runner.model.package import Document
from zoo_runner.package.cwltypes import Parameter, accepts_null, parse_inputs, parse_outputs_of, short_name
from zoo_runner.package.processes import Located, PackageView
from zoo_runner.package.requirements import find_run


def find_unused_defaults(view: PackageView) -> frozenset[str]:
    """Find them, each by its JSON pointer in the packed document; in doubt a default is used."""
    return frozenset((*_list_of_steps(view), *_list_of_processes(view)))


def _list_of_steps(view: PackageView) -> Iterator[str]:
    for workflow in view.of_class("Workflow"):
        for number, step in enumerate(workflow.process.get("steps", ())):
            for index, entry in enumerate(step.get("in", ())):
                if _has_value(view, workflow, entry.get("source")):
                    yield f"{workflow.place}/steps/{number}/in/{index}/default"


def _list_of_processes(view: PackageView) -> Iterator[str]:
    for located in view.processes:
        if located is view.entry:
            continue
        callers = list(_find_callers(view, located))
        for parameter in parse_inputs(view.package, located.process):
            if all(_is_given(view, workflow, step, parameter.name) for workflow, step in callers):
                yield f"{located.place}/inputs/{parameter.position}/default"


def _find_callers(view: PackageView, located: Located) -> Iterator[tuple[Located, Document]]:
    for workflow in view.of_class("Workflow"):
        for step in workflow.process.get("steps", ()):
            if find_run(view.package, step) is located.process:
                yield workflow, step


def _is_given(view: PackageView, workflow: Located, step: Document, name: str) -> bool:
    """Whether a step always gives an input a value; an expression or an element of a list may be null."""
    entry = next((one for one in step.get("in", ()) if short_name(str(one["id"])) == name), None)
    scattered = step.get("scatter", ())
    if (
        entry is None
        or "valueFrom" in entry
        or entry["id"] in ([scattered] if isinstance(scattered, str) else scattered)
    ):
        return False
    return entry.get("default") is not None or _has_value(view, workflow, entry.get("source"))


def _has_value(view: PackageView, workflow: Located, source: Any) -> bool:
    if isinstance(source, list) and len(source) == 1:
        return _has_value(view, workflow, source[0])
    if not isinstance(source, str):
        return bool(source)  # of several sources, a list is made
    names = [str(one["id"]) for one in workflow.process.get("inputs", ())]
    if source in names:
        return _is_never_null(parse_inputs(view.package, workflow.process)[names.index(source)])
    step = next((one for one in workflow.process.get("steps", ()) if source.startswith(f"{one['id']}/")), None)
    if step is None or "when" in step:
        return False
    outputs = parse_outputs_of(view.package, find_run(view.package, step))
    found = next((output for output in outputs if output.name == short_name(source)), None)
    return found is not None and (bool(step.get("scatter")) or _is_never_null(found))


def _is_never_null(parameter: Parameter) -> bool:
    return parameter.default is not None or not accepts_null(parameter.type)
