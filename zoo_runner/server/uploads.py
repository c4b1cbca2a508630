"""Files that clients send to be inputs: stored beside the results of their workspace, and known by their addresses."""

import asyncio
import logging
import shutil
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from zoo_runner.engines.pipeline import load_stage_out_options, translated
from zoo_runner.model import clock
from zoo_runner.model.errors import InputError, JobNotFoundError, RunnerError, SettingsError, StageOutError
from zoo_runner.model.ids import new_uid
from zoo_runner.model.job import Status
from zoo_runner.model.masking import list_texts
from zoo_runner.model.problems import ValuePath, build_problem
from zoo_runner.model.upload import Upload
from zoo_runner.model.workspace import StorageProfile, Workspace
from zoo_runner.server.api import Api, Call
from zoo_runner.server.documents import UploadInfo
from zoo_runner.server.installation import UPLOADS, build_destination, find_folder
from zoo_runner.server.receiving import discard, read_size, receive_files
from zoo_runner.store.protocol import JobQuery
from zoo_runner.store.selection import iterate_jobs

if TYPE_CHECKING:
    from stageout.destinations import Destination

PATH = "files"
_SECONDS_PER_HOUR = 3600
# a job that was accepted just before is stored by then, and keeps its files
_GRACE_SECONDS = 3600.0
_REST, _REST_SECONDS = "upload-", 3600.0
_WAITING = (Status.ACCEPTED, Status.RUNNING)

logger = logging.getLogger(__name__)


async def receive_upload(api: Api, call: Call, request: Request) -> Upload:
    """Store the files of a form; raises `InputError`, `SettingsError`, `EngineError`, `StageOutError`."""
    workspace = api.find_configuration(call.workspace).workspace
    upload_id, place = new_uid(), build_destination(api.settings, workspace, UPLOADS)
    folder = find_folder(place)
    _ensure_within_reach(api, workspace, folder)
    destination = f"{folder or place}/{upload_id}"
    scratch = workspace.folders.scratch / f"{_REST}{upload_id}"
    most_bytes = int(api.settings.max_upload_mib * 2**20)
    try:
        async with _reserving(api, workspace.name, request, read_size(request, most_bytes)):
            files = await receive_files(request, scratch, most_bytes)
            times = clock.now(), clock.after(api.settings.upload_hours * _SECONDS_PER_HOUR)
            upload = Upload(upload_id, workspace.name, destination, files, *times, call.caller)
            # known before it is stored: nothing stays that nobody knows
            await run_in_threadpool(api.store.uploads.add, upload, _find_room(api))
        await _store(api, upload, workspace.storage, scratch)
    finally:
        await run_in_threadpool(shutil.rmtree, scratch, ignore_errors=True)
    return upload


@asynccontextmanager
async def _reserving(api: Api, workspace: str, request: Request, size_bytes: int) -> AsyncIterator[None]:
    """Keep room for what arrives: many requests at once must not fill the disk. Raises `InputError`."""
    # counted before it is compared, so that two that come at once see each other
    api.arriving[workspace] += size_bytes
    try:
        try:
            await run_in_threadpool(api.store.uploads.ensure_room, workspace, api.arriving[workspace], _find_room(api))
        except InputError:
            await discard(request.stream())
            raise
        yield
    finally:
        api.arriving[workspace] -= size_bytes
        if not api.arriving[workspace]:
            del api.arriving[workspace]


def _find_room(api: Api) -> float:
    return api.settings.uploads_max_mib * 2**20


def _ensure_within_reach(api: Api, workspace: Workspace, folder: Path | None) -> None:
    engine = api.context.find_engine(api.configuration.settings.engine, workspace)
    if folder and engine.capabilities.remote:
        raise SettingsError(
            f"jobs of the engine {engine.name} cannot read files that lie on the server",
            "Refer to files by their own addresses, or ask the operator to set STAGEOUT_OUTPUT to object storage.",
            code="upload.out-of-reach",
        )


async def _store(api: Api, upload: Upload, storage: StorageProfile, source: Path) -> None:
    try:
        with translated(StageOutError):
            destination = _open(upload, storage)
            for file in upload.files:
                await destination.put_file(file.name, source / file.name, file.media_type)
    except BaseException:
        with suppress(RunnerError):
            await remove_upload(api, upload)
        raise


def _open(upload: Upload, storage: StorageProfile) -> "Destination":
    # the libraries of object storage are needed here only
    from stageout.destinations import open_destination

    options = load_stage_out_options(storage, upload.id, UPLOADS)
    return open_destination(upload.destination, replace(options, takes_files=True))


async def remove_upload(api: Api, upload: Upload) -> None:
    """Remove files, then what is known of them; raises `StageOutError`."""
    with translated(StageOutError):
        destination = _open(upload, api.find_configuration(upload.workspace).workspace.storage)
        await destination.discard([file.name for file in upload.files])
    await run_in_threadpool(api.store.uploads.remove, upload.id)


def get_upload(api: Api, call: Call, upload_id: str) -> Upload:
    """Return an upload that has not expired; raises `JobNotFoundError`."""
    upload = api.store.uploads.get(call.workspace, upload_id)
    if upload.expires <= clock.now():
        raise JobNotFoundError(f"the files {upload_id!r} have expired", "Send them again.", code="upload.not-found")
    return upload


def find_file(upload: Upload, name: str) -> Path | str:
    """Return where a file lies: its path on this machine, or its address. Raises `JobNotFoundError`."""
    if all(file.name != name for file in upload.files):
        names = ", ".join(file.name for file in upload.files)
        raise JobNotFoundError(f"there is no file {name!r} here", f"There are: {names}.", code="upload.not-found")
    folder = find_folder(upload.destination)
    return folder / name if folder else f"{_find_address(upload.destination)}/{quote(name)}"


def describe_upload(upload: Upload, call: Call) -> UploadInfo:
    """Describe an upload, with the addresses by which inputs refer to its files."""
    href = call.link(PATH, upload.id)
    return {
        "id": upload.id,
        "created": upload.created,
        "expires": upload.expires,
        "files": [
            {"name": file.name, "href": f"{href}/{quote(file.name)}", "type": file.media_type, "size": file.size_bytes}
            for file in upload.files
        ],
        "links": [{"href": href, "rel": "self", "type": "application/json"}],
    }


def locate_files(api: Api, call: Call, order: Mapping[str, Any]) -> dict[str, Any]:
    """Put the place of each uploaded file that a checked job order refers to into it; raises `InputError`.

    An address without a name is the folder that has all files of an upload.
    """
    offered = call.link(PATH, "")

    @cache
    def find(upload_id: str) -> Upload:
        return get_upload(api, call, upload_id)

    def locate(node: Any, path: ValuePath) -> Any:
        if isinstance(node, list | tuple):
            return [locate(item, (*path, number)) for number, item in enumerate(node)]
        if not isinstance(node, Mapping):
            return node
        changed = {name: locate(member, (*path, name)) for name, member in node.items()}
        location = node.get("location")
        if node.get("class") in ("File", "Directory") and isinstance(location, str) and location.startswith(offered):
            upload_id, _, name = location.removeprefix(offered).partition("/")
            changed["location"] = _locate(find, upload_id, unquote(name), path)
        return changed

    return {name: locate(value, (name,)) for name, value in order.items()}


def _locate(find: Any, upload_id: str, name: str, path: ValuePath) -> str:
    try:
        upload: Upload = find(upload_id)
        if name:
            find_file(upload, name)
    except JobNotFoundError as error:
        problem = build_problem("inputs.reference", ("inputs",), path, error.diagnosis.cause)
        remedy = error.diagnosis.remedy
        raise InputError(str(problem), remedy, code="inputs.reference", problems=(problem,)) from error
    return f"{_find_address(upload.destination)}/{quote(name)}"


def _find_address(destination: str) -> str:
    folder = find_folder(destination)
    return folder.as_uri() if folder else destination


def remove_expired_uploads(api: Api, stopped: threading.Event) -> int:
    """Remove the files that have expired and that no job will read any more; returns of how many uploads."""
    removed, expired = 0, list(api.store.uploads.find_expired(clock.after(-_GRACE_SECONDS)))
    needed = frozenset(_list_needed(api)) if expired else frozenset()
    for upload in expired:
        if stopped.is_set():
            break
        address = _find_address(upload.destination)
        if any(text.startswith(f"{address}/") for text in needed):
            continue
        try:
            asyncio.run(remove_upload(api, upload))
            removed += 1
        except RunnerError as error:
            logger.warning("the files %s could not be removed: %s", upload.id, error)
    return removed


def remove_rests(scratch: Path) -> int:
    """Remove what a server that was killed had received in part, below the scratch folder of all workspaces.

    A server that still receives writes a piece now and then, or refuses the request. Returns of how many uploads.
    """
    removed, until = 0, time() - _REST_SECONDS
    for pattern in (f"{_REST}*", f"ws-*/{_REST}*"):
        for folder in scratch.glob(pattern):
            if max(_list_times(folder), default=until) < until:
                shutil.rmtree(folder, ignore_errors=True)
                removed += 1
    return removed


def _list_times(folder: Path) -> Iterator[float]:
    """List when the parts of a folder were changed."""
    for path in (folder, *folder.rglob("*")):
        # another server may remove it at this moment
        with suppress(OSError):
            yield path.lstat().st_mtime


def _list_needed(api: Api) -> Iterator[str]:
    """List the texts in inputs of jobs that have not ended, which may be addresses of files."""
    for job in iterate_jobs(api.store.jobs, JobQuery(statuses=_WAITING, limit=1000)):
        yield from (text for text in list_texts(job.inputs) if f"/{UPLOADS}/" in text)
