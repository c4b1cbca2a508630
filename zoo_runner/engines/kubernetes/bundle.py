"""The input of the job pod: package, job order and local inputs in one compressed archive."""

import asyncio
import gzip
import io
import os
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from zoo_runner.config.folders import JobPaths
from zoo_runner.engines.kubernetes.protocol import PROTOCOL, check_protocol
from zoo_runner.engines.pipeline import load_stage_in_options
from zoo_runner.engines.protocol import JobSpec
from zoo_runner.model.errors import InputError, StageInError
from zoo_runner.model.events import Report
from zoo_runner.model.package import Document, Package
from zoo_runner.model.remedies import Readers
from zoo_runner.model.workspace import MOST_LOG_BYTES, StorageProfile
from zoo_runner.model.written import read_json, write_json
from zoo_staging.errors import StagingError

JOB_FILE = "job.json"
FILES_FOLDER = "files"
"""The folder of a bundle, and of the work folder, with all local inputs."""


def build_bundle(
    job: JobSpec, steps: Mapping[str, Any], work_folder: str, report: Report, storage: StorageProfile
) -> bytes:
    """Read the local inputs of a job, which no pod could reach, and pack them with the job; secrets are not included.

    Raises `StageInError` where one cannot be read.
    """
    order, document, paths = _collect_local(job, work_folder, report, storage)
    return pack_bundle(replace(job, order=order, package=replace(job.package, document=document)), steps, paths)


def pack_bundle(job: JobSpec, steps: Mapping[str, Any], files: Mapping[str, Path]) -> bytes:
    """Pack a job that refers to nothing of this machine, with files by their path in the archive.

    Raises `StageInError` where one cannot be read.
    """
    content = {
        "protocol": PROTOCOL,
        "id": job.id,
        "workflow_id": job.workflow_id,
        "package": {
            "document": job.package.document,
            "entry": job.package.entry,
            "types": dict(job.package.types),
            "digest": job.package.digest,
        },
        "order": dict(job.order),
        "destination": job.destination,
        "time_limit_seconds": job.time_limit_seconds,
        "steps": dict(steps),
        "log_bytes": job.log_bytes,
        "readers": job.readers.value,
    }
    packed = io.BytesIO()
    # without the time: a second submission builds the same bundle, parts of which may exist already
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=6, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as archive,
    ):
        _add_bytes(archive, JOB_FILE, write_json(content).encode())
        for name, path in files.items():
            add_input(archive, path.resolve(), name)
    return packed.getvalue()


def check_bundle(bundle: bytes, max_mib: float) -> None:
    """Refuse a bundle that is too large for the API; raises `InputError`."""
    size_mib = len(bundle) / 2**20
    if size_mib > max_mib:
        raise InputError(
            f"package and local inputs take {size_mib:.1f} MiB compressed; at most {max_mib:g} MiB can be sent to the"
            " cluster",
            "Upload the inputs to object storage and refer to them there, or raise ZOO_RUNNER_BUNDLE_MAX_MIB.",
            code="inputs.too-large",
        )


def unpack_bundle(bundle: bytes, work_folder: Path) -> None:
    """Unpack the local inputs of a bundle into the work folder."""
    with _open(bundle) as archive:
        # only files, folders and links among them below the work folder are unpacked
        archive.extractall(work_folder, members=[member for member in archive if _is_plain(member)])


def read_job(bundle: bytes, work_folder: Path, log_folder: Path) -> tuple[JobSpec, dict[str, Any]]:
    """Read the job of a bundle, with its logs elsewhere, and how its steps are run.

    It is read from the bundle itself, which no step can change. Raises `EngineError` for a bundle of another protocol
    version.
    """
    with _open(bundle) as archive, cast(IO[bytes], archive.extractfile(JOB_FILE)) as file:
        content = read_json(file.read())
    check_protocol(content.get("protocol", 0))
    package = content["package"]
    paths = JobPaths(
        content["workflow_id"], content["id"], log_folder / "temp", log_folder / "record", work_folder / "run"
    )
    job = JobSpec(
        paths,
        Package(package["document"], package["entry"], content["workflow_id"], package["types"], package["digest"]),
        content["order"],
        content["destination"],
        content["time_limit_seconds"],
        # a runner of before these members sends none
        log_bytes=content.get("log_bytes", MOST_LOG_BYTES),
        readers=Readers(content.get("readers", Readers.COMMANDS)),
    )
    return job, content["steps"]


def _open(bundle: bytes) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(bundle), mode="r:gz")


def _collect_local(
    job: JobSpec, work_folder: str, report: Report, storage: StorageProfile
) -> tuple[dict[str, Any], Document, dict[str, Path]]:
    """Stage local STAC items into folders, as stage-in does, and assign every local input a path in the archive.

    With the files that lie beside them and that the package declares as their secondary files: no pod sees these.
    Returns the order and the document with these paths, and what lies there. Files that the package refers to itself
    are among them.
    """
    # imported where it is used: a pod that reads a bundle needs none of it
    from stagein.plan import build_job_order, build_plan
    from stagein.stage import stage_references
    from zoo_runner.inputs.neighbours import add_secondary_files, find_local_files
    from zoo_runner.inputs.package_files import place_files

    files = find_local_files(job.package)
    # the name of an input has no slash, a pointer begins with one
    everything = {**add_secondary_files(job.package, job.order), **files}
    try:
        references = [reference for reference in build_plan(everything, Path.cwd()) if reference.is_local]
        folder = job.paths.scratch / "local-inputs"
        staged = asyncio.run(stage_references(references, folder, load_stage_in_options(storage), report))
    except StagingError as error:
        raise StageInError(str(error), error.remedy, code=error.code) from error
    names = {where: f"{FILES_FOLDER}/{number}/{path.name}" for number, (where, path) in enumerate(staged.items())}
    order = build_job_order(everything, {where: Path(work_folder) / name for where, name in names.items()})
    placed = {pointer: order.pop(pointer) for pointer in files}
    document = place_files(job.package.document, placed) if placed else job.package.document
    return order, document, {names[where]: path for where, path in staged.items()}


def add_input(archive: tarfile.TarFile, path: Path, name: str) -> None:
    """Pack a file or folder under a name; raises `StageInError` where it cannot be read.

    A link within the input stays a link, any other is replaced by its target.
    """
    try:
        _add(archive, path, name, (path, name))
    except OSError as error:
        raise StageInError(
            f"cannot read the input {path}: {error}",
            "Check that all of it exists and may be read.",
            code="source.failed",
        ) from error


def _add(archive: tarfile.TarFile, path: Path, name: str, tree: tuple[Path, str]) -> None:
    stays = path.is_symlink() and _leads_inside(PurePosixPath(name), str(path.readlink()), tree[1])
    archive.dereference = not (stays and path.resolve().is_relative_to(tree[0]))
    archive.add(path, name, recursive=False, filter=_without_time)
    if path.is_dir() and archive.dereference:
        for entry in sorted(path.iterdir()):
            _add(archive, entry, f"{name}/{entry.name}", tree)


def _without_time(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime = 0
    return member


def _is_plain(member: tarfile.TarInfo) -> bool:
    path = PurePosixPath(member.name)
    if member.name == JOB_FILE:
        return False
    plain = (
        member.isfile() or member.isdir() or (member.issym() and _leads_inside(path, member.linkname, _find_tree(path)))
    )
    return plain and not path.is_absolute() and ".." not in path.parts


def _find_tree(path: PurePosixPath) -> str:
    return "/".join(path.parts[:3])  # files/<number>/<name>


def _leads_inside(link: PurePosixPath, aim: str, own: str) -> bool:
    """Whether a link points into the input that it is part of, `own`."""
    goal = os.path.normpath(link.parent / aim)
    return goal == own or goal.startswith(f"{own}/")


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
