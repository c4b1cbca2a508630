"""The API of zoo-calrissian-runner (0.4) on top of this runner: services and handlers change one import line.

    from zoo_runner.calrissian_runner import ExecutionHandler, ZooCalrissianRunner

docs/migration.md says what stays and what changes.
"""

import math
import os
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from zoo_runner.handler import ExecutionHandler, call_optional
from zoo_runner.package.requirements import list_requirements
from zoo_runner.zoo.conf import Conf, get_section
from zoo_runner.zoo.results import build_message
from zoo_runner.zoo.service import Entries, KernelJob, open_kernel
from zoo_runner.zoo.values import convert_value_by_kind, read_items

__all__ = ["CWLWorkflow", "ExecutionHandler", "ZooCalrissianRunner", "ZooConf", "ZooInputs", "ZooOutputs"]

_LONGEST_NAMESPACE = 63
_RESOURCES = tuple(f"{kind}{end}" for kind in ("cores", "ram", "tmpdir", "outdir") for end in ("Min", "Max"))


class ZooConf:
    """The kernel's configuration and the id of the process that runs."""

    def __init__(self, conf: Conf) -> None:
        self.conf = conf
        self.workflow_id = str(get_section(conf, "lenv").get("Identifier", ""))


class ZooInputs:
    """The kernel's inputs."""

    def __init__(self, inputs: Entries | None) -> None:
        self.inputs = inputs or {}

    def get_input_value(self, key: str) -> Any:
        """Return the text (or texts) of an input; raises KeyError."""
        return self.inputs[key]["value"]

    def get_processing_parameters(self, workflow: Any = None) -> dict[str, Any]:
        """Return the inputs by name, converted by the kernel's types."""
        parameters: dict[str, Any] = {}
        for name, entry in self.inputs.items():
            values = [convert_value_by_kind(entry, item.text) for item in read_items(entry)]
            several = entry.get("isArray") == "true" or int(entry.get("maxOccurs") or 1) > 1
            absent = entry.get("inRequest") == "false" and entry.get("value") in (None, "NULL")
            parameters[name] = None if absent else values if several else values[0] if values else None
        return parameters


class ZooOutputs:
    """The kernel's outputs; a service puts its result into the first one."""

    def __init__(self, outputs: Entries | None) -> None:
        self.outputs = {} if outputs is None else outputs
        self.output_key = next(iter(self.outputs), "stac")

    def get_output_parameters(self) -> dict[str, Any]:
        """Return the values by name."""
        return {name: entry.get("value") for name, entry in self.outputs.items()}

    def set_output(self, value: Any) -> None:
        """Set the value of the first output."""
        self.outputs.setdefault(self.output_key, {})["value"] = value


class CWLWorkflow:
    """A package as existing services read it, from the plain document."""

    def __init__(self, cwl: Mapping[str, Any], workflow_id: str) -> None:
        self.raw_cwl, self.workflow_id = cwl, workflow_id
        self.cwl = list(cwl.get("$graph", [cwl]))

    def get_version(self) -> str:
        """Return the version of the package."""
        return str(self.raw_cwl.get("s:softwareVersion", ""))

    def get_label(self) -> str | None:
        """Return the title of the workflow."""
        return self.get_workflow().get("label")

    def get_doc(self) -> Any:
        """Return the description of the workflow."""
        return self.get_workflow().get("doc")

    def get_workflow(self) -> Mapping[str, Any]:
        """Return the workflow that runs, as plain data."""
        return self.get_object_by_id(self.workflow_id)

    def get_object_by_id(self, id: str) -> Mapping[str, Any]:
        """Return a process of the package, as plain data; raises KeyError."""
        processes: dict[str, Mapping[str, Any]] = {str(one.get("id", "")).rpartition("#")[2]: one for one in self.cwl}
        return processes[id.rpartition("#")[2]]

    def get_workflow_inputs(self, mandatory: bool = False) -> list[str]:
        """Return the names of the inputs; `mandatory`: only those without a default that may not be null."""
        inputs = _by_name(self.get_workflow().get("inputs", {}))
        return [name for name, given in inputs.items() if not mandatory or not _is_optional(given)]

    def eval_resource(self) -> dict[str, list[Any]]:
        """Return what the processes request, by the fields of ResourceRequirement."""
        resources: dict[str, list[Any]] = {name: [] for name in _RESOURCES}
        for process in self.cwl:
            for requirement in _requirements(process):
                for name in _RESOURCES:
                    if isinstance(requirement.get(name), int | float):
                        resources[name].append(requirement[name])
        return resources


class ZooCalrissianRunner:
    """Runs a package for a kernel, on the engine of the settings."""

    def __init__(
        self,
        cwl: Mapping[str, Any] | str,
        conf: Conf,
        inputs: Entries | None,
        outputs: Entries | None,
        execution_handler: Any = None,
    ) -> None:
        self.cwl = cwl
        self.conf = self.zoo_conf = ZooConf(conf)
        self.inputs, self.outputs = ZooInputs(inputs), ZooOutputs(outputs)
        self.execution_handler = self.handler = execution_handler or ExecutionHandler(
            conf=conf, inputs=inputs, outputs=outputs
        )
        self.workflow = CWLWorkflow(cwl, self.conf.workflow_id) if isinstance(cwl, Mapping) else None
        # not used: jobs are watched, not polled
        self.monitor_interval = 30
        self.storage_class = _environ("STORAGE_CLASS", "")
        self.execution: Any = None
        self.dedicated_namespace = call_optional(self.handler, "get_namespace")
        usid = get_section(conf, "lenv").get("usid")
        self._namespace_name = self.dedicated_namespace or (self._build_name(usid) if usid else None)
        self._own_namespace_name = self._namespace_name

    @staticmethod
    def shorten_namespace(value: str) -> str:
        """Cut a name to the length of a namespace: 63 characters, the last one not a hyphen."""
        return value if len(value) <= _LONGEST_NAMESPACE else value[:_LONGEST_NAMESPACE].rstrip("-")

    def get_namespace_name(self) -> str:
        """Return the name of the namespace: the site's, or one of the process and the job."""
        return self.shorten_namespace(self._namespace_name or self._build_name(str(uuid.uuid4())))

    def get_annotations(self) -> Any:
        """Return the pod annotations of the configuration."""
        return self.zoo_conf.conf.get("pod_annotations")

    def get_workflow_id(self) -> str:
        """Return the id of the process that runs."""
        return self.conf.workflow_id

    def get_workflow_inputs(self, mandatory: bool = False) -> list[str]:
        """Return the names of the package's inputs."""
        return self.workflow.get_workflow_inputs(mandatory) if self.workflow else []

    def get_processing_parameters(self) -> dict[str, Any]:
        """Return the inputs by name."""
        return self.inputs.get_processing_parameters()

    def assert_parameters(self, mandatory: bool = True) -> bool:
        """Whether all inputs that the package needs are present."""
        return all(name in self.inputs.inputs for name in self.get_workflow_inputs(mandatory))

    def get_max_cores(self) -> int:
        """Return the largest number of cores that a step requests, or DEFAULT_MAX_CORES (2)."""
        return math.ceil(max(self._resources("coresMax"), default=int(_environ("DEFAULT_MAX_CORES", "2"))))

    def get_max_ram(self) -> str:
        """Return the largest memory that a step requests, or DEFAULT_MAX_RAM (4096), as `4096Mi`."""
        return f"{math.ceil(max(self._resources('ramMax'), default=int(_environ('DEFAULT_MAX_RAM', '4096'))))}Mi"

    def get_volume_size(self, unit: str = "Mi") -> str:
        """Return the disk that temporary files and outputs request, or DEFAULT_VOLUME_SIZE, as `10Gi`."""
        asked = (self._resources(f"{kind}Max") or self._resources(f"{kind}Min") for kind in ("tmpdir", "outdir"))
        mib = sum(max(sizes, default=0) for sizes in asked)
        if mib == 0:
            default = _environ("DEFAULT_VOLUME_SIZE", "10Gi")
            return default if default.endswith(unit) else f"10{unit}"
        return f"{math.ceil(mib / 1024) if unit == 'Gi' else math.ceil(mib)}{unit}"

    def update_status(self, progress: int, message: str = "") -> None:
        """Show percent and message in the status of the job."""
        self.conf.conf["lenv"]["message"] = build_message(message)
        open_kernel().update_status(self.conf.conf, progress)

    def execute(self, wall_time: float | None = None) -> int:
        """Run the package: 3 succeeded, 4 failed, with the reason in `conf["lenv"]["message"]`. Never raises.

        `wall_time` is the longest time in seconds.
        """
        job = KernelJob(self._locate(), self.conf.conf, self.inputs.inputs, self.outputs.outputs, self.handler)
        if self._namespace_name != self._own_namespace_name:
            job.namespace = self._namespace_name
        return job.execute(wall_time)

    def _locate(self) -> Mapping[str, Any] | str:
        if isinstance(self.cwl, Mapping):
            return self.cwl
        return self.cwl if "#" in self.cwl else f"{self.cwl}#{self.conf.workflow_id}"

    def _build_name(self, unique: str) -> str:
        return self.shorten_namespace(f"{self.conf.workflow_id.replace('_', '-')}-{unique}")

    def _resources(self, name: str) -> list[Any]:
        return self.workflow.eval_resource()[name] if self.workflow else []


def _environ(name: str, default: str) -> str:
    return os.environ.get(name) or default  # noqa: TID251 names that existing installations set


def _by_name(entries: Any) -> dict[str, Any]:
    if isinstance(entries, Mapping):
        return {name: given if isinstance(given, Mapping) else {"type": given} for name, given in entries.items()}
    return {str(given["id"]).rpartition("/")[2].lstrip("#"): given for given in entries}


def _is_optional(given: Mapping[str, Any]) -> bool:
    kind = given.get("type", "")
    nullable = "null" in kind if isinstance(kind, list) else isinstance(kind, str) and kind.endswith("?")
    return nullable or given.get("default") is not None


def _requirements(process: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (one.body for one in list_requirements(process) if one.name == "ResourceRequirement")
