"""Where the jobs of steps are on the volume: a job has a slot, in the folders that its pod mounts.

A tool may write to `out` and `private` of the slots of its pod, and reads everything else of the run, and of the runs
that it continues. Whether a job has ended is found by its content (`cwl_process/reuse`).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo_runner.engines.cwl_process.realfiles import StepInputs
from zoo_runner.files import encode_json, read_unlinked, write_anew
from zoo_runner.model.written import read_json

OUTPUTS = "native-outputs.json"
"""The output object of the package, in the folder of the run."""
SPEC = "native.json"
"""What stage-in wrote for the evaluation, in the folder of the run."""
EVENTS = "events"
"""The folder in which each program of the evaluation keeps its events, as lines of a pod's log."""
SCRIPTS = "slots"
"""The folder with what each job is, and what runs it."""
OUT, PRIVATE, STAGED = "out", "tmp", "tmp/staged"
"""The folders of all slots: outputs, what belongs to the execution, and inputs, which are read only."""


@dataclass(frozen=True)
class SlotJob:
    """The job that has a slot: its key, its name in logs, and its inputs."""

    key: str
    name: str
    order: Mapping[str, Any]


@dataclass(frozen=True)
class Slot:
    """The place of one job: the node of its step, the number of its pod, and its place among the jobs of that."""

    run: Path
    node: str
    number: int
    place: int = 0

    @property
    def name(self) -> str:
        """The name of its folders."""
        return f"{name_pod(self.node, str(self.number))}/{self.place}"

    @property
    def out(self) -> Path:
        """The output folder, which is also where the tool works."""
        return self.run / OUT / self.name

    @property
    def private(self) -> Path:
        """What belongs to the execution, and the tool may change: its log, exit code, temporary folder."""
        return self.run / PRIVATE / self.name

    @property
    def temporary(self) -> Path:
        """The temporary folder of the tool."""
        return self.private / "tmp"

    @property
    def staged(self) -> Path:
        """The inputs, where the tool sees them."""
        return self.run / STAGED / self.name

    @property
    def script(self) -> Path:
        """What runs the tool; the tool cannot change it."""
        return self.run / SCRIPTS / f"{self.name}.sh"

    @property
    def exit_code(self) -> Path:
        """Written by the script at its end."""
        return self.private / "exit"

    @property
    def began(self) -> Path:
        """Written by the script at its begin."""
        return self.private / "began"

    @property
    def used(self) -> Path:
        """What the kernel counted for the tool's container."""
        return self.private / "used"

    @property
    def log(self) -> Path:
        """What the tool prints."""
        return self.private / "log"

    @property
    def _job(self) -> Path:
        return self.run / SCRIPTS / f"{self.name}.json"

    def read(self) -> SlotJob | None:
        """Read which job has the slot; None where it is not known yet."""
        if not self._job.exists():
            return None
        return SlotJob(**read_json(read_unlinked(self._job)))

    def keep(self, job: SlotJob) -> None:
        """Give the slot to a job."""
        self.create()
        write_anew(self._job, encode_json({"key": job.key, "name": job.name, "order": job.order}))

    def keep_inputs(self, inputs: StepInputs) -> None:
        """Note the files that the job shares with others."""
        files = [[str(shown), str(kept), *state] for shown, (kept, *state) in inputs.files.items()]
        write_anew(self._inputs, encode_json(files))

    def read_inputs(self) -> StepInputs:
        """Read which files the job shares with others, and what they were before it ran."""
        files = json.loads(read_unlinked(self._inputs)) if self._inputs.exists() else []
        return StepInputs({Path(shown): (Path(kept), size, time) for shown, kept, size, time in files})

    @property
    def _inputs(self) -> Path:
        return self.run / SCRIPTS / f"{self.name}-inputs.json"

    def find_replaced(self) -> Path | None:
        """Find a folder in whose place a tool has put something else, such as a link to where only others may write."""
        return next((one for one in (self.out, self.private) if one.is_symlink() or one.is_file()), None)

    def create(self) -> None:
        """Create the folders."""
        for folder in (self.out, self.private, self.staged, self._job.parent):
            folder.mkdir(parents=True, exist_ok=True)


def name_pod(node: str, number: str) -> str:
    """Name the folders of a pod; `number` may be a parameter of Argo's."""
    return f"{node}-{number}"


def name_script(run: str, node: str, number: str) -> str:
    """Name the script that runs the jobs of a pod; `number` may be a parameter of Argo's."""
    return f"{run}/{SCRIPTS}/{name_pod(node, number)}/all.sh"


def list_slots(run: Path, node: str, number: int) -> Iterator[Slot]:
    """List the slots of a pod that have jobs, in their order."""
    place = 0
    while (slot := Slot(run, node, number, place)).read() is not None:
        yield slot
        place += 1
