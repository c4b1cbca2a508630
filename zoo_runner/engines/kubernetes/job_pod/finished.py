"""Jobs of steps that have ended in a run: a pod that takes the place of a lost one does not run them again.

A record for each, written once its files are on the disk of the volume, and taken only where inputs and files are as
they were. The records lie in a folder of the run that no step can mount (`request`), written by the container that
evaluates the package, which says what the outputs of each step are in any case: they count for this job and no other.
"""

import errno
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from zoo_runner.engines.cwl_process.links import list_paths
from zoo_runner.engines.cwl_process.reuse import compute_key, describe_files
from zoo_runner.engines.kubernetes.job_pod.request import OUT, OUTPUTS, RECORDS, VERSIONS
from zoo_runner.files import encode_json, read_unlinked, write_anew
from zoo_runner.model.written import read_json, write_json
from zoo_runner.package.yaml_values import keep_forms, restore_forms
from zoo_runner.removal import remove_tree

MOST_FILES = 10_000
"""Of one job of a step, inputs and outputs: one with more is run again, as to look at them all takes long."""
_OUTPUTS, _FOLDER, _INPUTS, _FILES = "outputs", "folder", "inputs", "files"
_IN_PLACE = "InplaceUpdateRequirement"


@dataclass(frozen=True)
class Known:
    """The outputs of a job, and the folder that they lie in."""

    outputs: dict[str, Any]
    folder: str | None


@dataclass(frozen=True)
class StepJob:
    """A job of a step, or the whole of a run: its key, the same in each pod, and its inputs."""

    key: str
    order: Mapping[str, Any]


class FinishedJobs:
    """The records of a run; threads may share it."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._folder, self._out, self._outputs = run / RECORDS, run / OUT, run / OUTPUTS
        self._lock, self._counts = threading.Lock(), dict[str, int]()
        self._is_synced = True

    def clean_outputs(self) -> None:
        """Remove the outputs of the package that an earlier pod has left."""
        for left in self._outputs.glob("*"):
            remove_tree(left) if left.is_dir() and not left.is_symlink() else left.unlink()

    def clean(self) -> None:
        """Remove the folders of jobs that had not ended when their pod was lost."""
        known = {str(self._read(path).get(_FOLDER)) for path in self._list_records()}
        for folder in self._out.glob("*") if self._out.is_dir() else ():
            if str(folder) not in known:
                remove_tree(folder)

    def identify(self, tool: Any, job_order: Mapping[str, Any]) -> StepJob | None:
        """Identify a job of one of cwltool's tools; None for one that is always run again.

        That are those that change their inputs, and those whose author says that their results are not used again.
        """
        reuse, _ = tool.get_requirement("WorkReuse")
        if tool.get_requirement(_IN_PLACE)[0] or (reuse or {}).get("enableReuse", True) is not True:
            return None
        order = keep_forms(dict(job_order))
        name, identity = str(tool.tool.get("id")), identify_process(tool)
        with self._lock:
            first = compute_key(name, identity, order)
            # a scatter may have several of the same inputs
            number = self._counts[first] = self._counts.get(first, -1) + 1
        return StepJob(compute_key(name, identity, order, number), order)

    def identify_package(self, spec: Mapping[str, Any]) -> StepJob:
        """Identify the whole of a run, whose outputs may be known: its pod was lost while they were stored."""
        order = read_json(Path(spec["order"]).read_bytes())
        return StepJob(compute_key("", Path(spec["package"]).read_text(encoding="utf-8"), order), order)

    def find(self, job: StepJob) -> Known | None:
        """Find what is known of a job; None for one that has not ended, or whose inputs or files have changed."""
        record = self._read(self._folder / job.key)
        if not record or record.get(_INPUTS) != self._describe_inputs(job.order):
            return None
        if record.get(_FILES) != describe_files(record[_OUTPUTS]):
            return None
        return Known(restore_forms(record[_OUTPUTS]), record[_FOLDER])

    def sync(self, outputs: Mapping[str, Any]) -> None:
        """Have the files of a job on the disk, before its record: it takes long, and others may be served meanwhile.

        Where the volume cannot do that, nothing more is kept in this run: its files may be without their content.
        """
        try:
            for path, _ in describe_files(outputs) if _has_few_files(outputs) else ():
                _sync(path)
        except (OSError, ValueError):
            self._is_synced = False

    def keep(self, job: StepJob, folder: str | None, outputs: Mapping[str, Any]) -> None:
        """Store the outputs of a job that succeeded; where that cannot be done, it is run again one day."""
        with suppress(OSError, ValueError):
            if not self._is_synced or not _has_few_files([job.order, outputs]):
                return
            files = describe_files(outputs)
            self._folder.mkdir(exist_ok=True)
            record = {
                _OUTPUTS: keep_forms(dict(outputs)),
                _FOLDER: folder,
                _INPUTS: self._describe_inputs(job.order),
                _FILES: files,
            }
            partial = self._folder / f".{job.key}"
            # half a record, after a machine has stopped, is not read
            write_anew(partial, encode_json(record))
            partial.rename(self._folder / job.key)

    def _describe_inputs(self, order: Mapping[str, Any]) -> list[list[Any]]:
        """Describe the files of inputs by size, and those from outside by what their source calls the version.

        They are staged anew by each pod, at another time.
        """
        return [[path, state[:2], self._versions.get(path, "")] for path, state in describe_files(order)]

    @cached_property
    def _versions(self) -> Mapping[str, str]:
        """The versions of staged files; read when the first job begins, as the order is there by then."""
        try:
            known = read_json(read_unlinked(self._run / VERSIONS))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def _list_records(self) -> list[Path]:
        return [path for path in self._folder.glob("*") if not path.name.startswith(".")]

    def _read(self, path: Path) -> dict[str, Any]:
        """Read a record; an empty one where there is none, or half of one."""
        try:
            record = read_json(read_unlinked(path))
        except (OSError, ValueError):
            return {}
        return record if isinstance(record, dict) and record.keys() == {_OUTPUTS, _FOLDER, _INPUTS, _FILES} else {}


def identify_process(tool: Any) -> str:
    """Compute the digest of one of cwltool's tools with what applies to it, before the first of its jobs is built."""
    if (known := getattr(tool, "identity", "")) == "":
        content = write_json([tool.tool, tool.requirements, tool.hints], sort_keys=True, default=str)
        known = tool.identity = sha256(content.encode(errors="surrogatepass")).hexdigest()
    return str(known)


def _has_few_files(value: Any) -> bool:
    """Whether a document names few files, those in its folders included; no more are counted than that takes."""
    count = 0
    for place in list_paths(value):
        count += 1
        for _, folders, files in os.walk(place):
            count += len(folders) + len(files)
            if count > MOST_FILES:
                return False
    return count <= MOST_FILES


def _sync(path: str) -> None:
    """Have a file or folder on the disk: a machine that stops loses what is in memory alone."""
    with suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        except OSError as error:
            # what is no file has nothing to be written, and some file systems do so for folders
            if error.errno != errno.EINVAL:
                raise
        finally:
            os.close(descriptor)
