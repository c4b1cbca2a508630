"""The outputs of a job whose results could not be stored: they stay in its scratch folder until they are published.

The record of them lies beside that folder: no launcher has written it.

`zoo-runner gc` removes such a folder with `--active` only, or with the record of a job that is too old.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo_runner.engines.cwl_process.scratch_folder import CONTROL, KEPT, MONITORS, place_beside, remove_beside
from zoo_runner.engines.kept_outputs import reserve_record, write_record
from zoo_runner.model.errors import RunnerError
from zoo_runner.model.masking import Masker

OUTPUTS = "outputs"


def reserve_room(scratch: Path) -> None:
    """Take room for the record: what steps write and results often share a disk, which is full when it is needed."""
    reserve_record(place_beside(scratch, KEPT))


def keep_outputs(
    scratch: Path, job_id: str, outputs: Mapping[str, Any], masker: Masker, error: RunnerError
) -> RunnerError:
    """Record the CWL output object of a job beside its files; return the error, which then says where they are.

    Where that is not possible, it says that they are lost.
    """
    place = f"The results are kept in {scratch / OUTPUTS}: `zoo-runner publish {job_id}` tries again."
    try:
        write_record(place_beside(scratch, KEPT), outputs, masker)
    except OSError as failed:
        place = f"The results are lost: {scratch.parent} has no room to record them ({failed.strerror})."
    return type(error).restore(replace(error.diagnosis, remedy=f"{error.diagnosis.remedy} {place}"))


def read_kept(scratch: Path) -> dict[str, Any] | None:
    """Return the output object that was kept; None where there is none."""
    with suppress(OSError, ValueError):
        outputs = json.loads(place_beside(scratch, KEPT).read_text(encoding="utf-8"))
        return outputs if isinstance(outputs, dict) else None
    return None


def forget_kept(scratch: Path) -> None:
    """Keep the outputs no longer: the folder may be removed."""
    remove_beside(scratch, KEPT)


def remove_rest(scratch: Path, remove: Callable[[Path], None]) -> None:
    """Remove everything of a run but what was kept."""
    for path in scratch.iterdir():
        if path.name != OUTPUTS:
            remove(path)
    for name in (CONTROL, MONITORS):
        remove_beside(scratch, name)
