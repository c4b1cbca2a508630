"""Files and folders that a Workflow of a template gets: argument artifacts, which Argo reads by signed addresses.

They are staged in here, like the inputs of any package, and stored beside the results of the job until it has ended:
so pods of a template need no credentials, and the template no repository. A folder is an archive there, which Argo
unpacks.
"""

import logging
import shutil
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from zoo_runner.engines.kubernetes.bundle import add_input
from zoo_runner.engines.pipeline import load_stage_out_options, run_stage_in, switching, translated
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.errors import InputError, StageInError, StageOutError
from zoo_runner.model.events import Report
from zoo_runner.model.workspace import StorageProfile
from zoo_staging.destination import is_object_storage

_FOLDER = ".inputs"

logger = logging.getLogger(__name__)


def find_given(artifacts: Iterable[str], order: Mapping[str, Any]) -> dict[str, Any]:
    """Find the files and folders that a job order gives to artifacts; pure."""
    return {name: order[name] for name in artifacts if order.get(name) is not None}


def ensure_readable(job: JobSpec, given: Mapping[str, Any]) -> None:
    """Refuse a job with file inputs that Argo could not read; pure. Raises `StageOutError`, `InputError`."""
    if given and not is_object_storage(job.destination):
        raise StageOutError(
            f"the file inputs of a WorkflowTemplate wait beside the results, and pods cannot read {job.destination}",
            "Choose a destination in object storage: -o s3://<bucket>/<prefix> (also gs: and az:).",
            code="destination.unsupported",
        )
    for name, value in given.items():
        if not {"location", "path"} & value.keys():
            raise InputError(
                f"the input {name!r} has no address, but a content of its own",
                "Write it to a file, and give the address of that.",
                code="inputs.value",
            )


def stage_artifacts(
    job: JobSpec, given: Mapping[str, Any], storage: StorageProfile, report: Report, cancellation: Cancellation
) -> dict[str, str]:
    """Stage files and folders in, and store them; return the address of each by which Argo reads it.

    Raises `StageInError`.
    """
    from stageout.signed import put_signed

    try:
        order = run_stage_in(job, storage, report, cancellation).order
        cancellation.check()
        packed = job.paths.scratch / "packed"
        packed.mkdir(parents=True, exist_ok=True)
        files = {name: _pack(Path(order[name]["path"]), packed / f"{name}.tgz") for name in given}
        with translated(StageInError), switching(cancellation) as switch:
            options = load_stage_out_options(storage, job.id, job.workflow_id)
            return put_signed(files, name_inputs_folder(job.destination, job.id), options, switch)
    finally:
        shutil.rmtree(job.paths.scratch, ignore_errors=True)


def _pack(path: Path, archive: Path) -> Path:
    if not path.is_dir():
        return path
    with tarfile.open(archive, mode="w:gz", compresslevel=1) as packed:
        add_input(packed, path.resolve(), path.name)
    return archive


def remove_artifacts(names: Iterable[str], destination: str, storage: StorageProfile, job_id: str) -> None:
    """Remove what was stored for a job; where that is not possible, log where it stays.

    The job itself may be gone by then, and its removal must not fail for ever.
    """
    if not (keys := list(names)):
        return
    from stageout.signed import remove_signed

    folder = name_inputs_folder(destination, job_id)
    try:
        with translated(StageOutError):
            remove_signed(keys, folder, load_stage_out_options(storage, job_id, job_id))
    except StageOutError as error:
        logger.warning("the file inputs of job %s stay in %s: %s", job_id, folder, error)


def name_inputs_folder(destination: str, job_id: str) -> str:
    """Name the folder of the files of a job: jobs may have the same destination.

    >>> name_inputs_folder("s3://results/maps/", "j1")
    's3://results/maps/.inputs/j1'
    """
    return f"{destination.rstrip('/')}/{_FOLDER}/{job_id}"
