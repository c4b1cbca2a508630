"""Which defaults inside of a package no run can use, because what they stand in for is always given; pure.

Source: CWL v1.2, Workflow Description, WorkflowStepInput: a default applies where the value is missing or null.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from zoo_runner.model.package import Document, Package
from zoo_runner.package.cwltypes import Parameter, accepts_null, parse_inputs, parse_outputs_of, short_name
from zoo_runner.package.processes import Located, PackageView
from zoo_runner.package.requirements import find_run


def find_unused_defaults(view: PackageView) -> frozenset[str]:
    """Find them, each by its JSON pointer in the packed document; in doubt a default is used."""
    workflows = [_Workflow(view.package, located) for located in view.of_class("Workflow")]
    return frozenset((*_list_of_steps(workflows), *_list_of_processes(view, workflows)))


class _Workflow:
    """A workflow with its steps, and which of its sources always have a value; read once, and only if asked."""

    def __init__(self, package: Package, located: Located) -> None:
        self._package, self._process, self.place = package, located.process, located.place
        self.steps: list[Document] = list(located.process.get("steps", ()))
        self._by_id = {str(step["id"]): step for step in self.steps}
        self._outputs: dict[str, dict[str, Parameter]] = {}

    @cached_property
    def _inputs(self) -> dict[str, Parameter]:
        ids = [str(one["id"]) for one in self._process.get("inputs", ())]
        return dict(zip(ids, parse_inputs(self._package, self._process), strict=True))

    def has_value(self, source: Any) -> bool:
        """Whether what a step input names as its source is never null."""
        if isinstance(source, list) and len(source) == 1:
            return self.has_value(source[0])
        if not isinstance(source, str):
            return bool(source)  # of several sources, a list is made
        if source in self._inputs:
            return _is_never_null(self._inputs[source])
        step_id, _, name = source.rpartition("/")
        step = self._by_id.get(step_id)
        if step is None or "when" in step:
            return False
        found = self._read_outputs(step_id).get(name)
        return found is not None and (bool(step.get("scatter")) or _is_never_null(found))

    def _read_outputs(self, step_id: str) -> dict[str, Parameter]:
        if step_id not in self._outputs:
            read = parse_outputs_of(self._package, find_run(self._package, self._by_id[step_id]))
            self._outputs[step_id] = {output.name: output for output in read}
        return self._outputs[step_id]

    def find_callers(self, process: Document) -> Iterator[Document]:
        """Find the steps that run a process."""
        return (step for step in self.steps if find_run(self._package, step) is process)


def _list_of_steps(workflows: Iterable[_Workflow]) -> Iterator[str]:
    for workflow in workflows:
        for number, step in enumerate(workflow.steps):
            for index, entry in enumerate(step.get("in", ())):
                if "default" in entry and workflow.has_value(entry.get("source")):
                    yield f"{workflow.place}/steps/{number}/in/{index}/default"


def _list_of_processes(view: PackageView, workflows: Sequence[_Workflow]) -> Iterator[str]:
    for located in view.processes:
        defaults = [one for one in enumerate(located.process.get("inputs", ())) if "default" in one[1]]
        if located is view.entry or not defaults:
            continue
        callers = [(workflow, step) for workflow in workflows for step in workflow.find_callers(located.process)]
        entries = [(workflow, step, _index_entries(step)) for workflow, step in callers]
        for position, declared in defaults:
            name = short_name(str(declared["id"]))
            if all(_is_given(workflow, step, known.get(name)) for workflow, step, known in entries):
                yield f"{located.place}/inputs/{position}/default"


def _index_entries(step: Document) -> dict[str, Document]:
    return {short_name(str(one["id"])): one for one in reversed(step.get("in", ()))}


def _is_given(workflow: _Workflow, step: Document, entry: Document | None) -> bool:
    """Whether a step always gives an input a value; an expression or an element of a list may be null."""
    scattered = step.get("scatter", ())
    if (
        entry is None
        or "valueFrom" in entry
        or entry["id"] in ([scattered] if isinstance(scattered, str) else scattered)
    ):
        return False
    return entry.get("default") is not None or workflow.has_value(entry.get("source"))


def _is_never_null(parameter: Parameter) -> bool:
    return parameter.default is not None or not accepts_null(parameter.type)
