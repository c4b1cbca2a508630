"""Downloads all files of a job: in one bounded pool, each address once."""

import asyncio
import logging
import secrets
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from stagein.download import Downloader, translate_disk
from stagein.progress import Progress, Transfer, check_files
from stagein.selection import REMEDY
from stagein.settings import StageInOptions
from stagein.sources import Entry, SourceTable
from zoo_staging.checksum import Checksum
from zoo_staging.destination import STORES
from zoo_staging.errors import Kind, StagingError, mask_href, merge_errors
from zoo_staging.folders import ignores_case
from zoo_staging.hrefs import get_scheme
from zoo_staging.names import fix_part
from zoo_staging.pool import run_pool
from zoo_staging.progress import Report

SETTLE_SECONDS = 2.0


logger = logging.getLogger(__name__)

# failures of a source that are tolerated for previews and metadata
SIDE_FAILURES = frozenset(
    {
        Kind.NOT_FOUND,
        Kind.FORBIDDEN,
        Kind.UNREACHABLE,
        Kind.TIMEOUT,
        Kind.UNTRUSTED,
        Kind.CONTENT,
        Kind.SERVICE,
        Kind.UNSUPPORTED,
    }
)


@dataclass(frozen=True)
class Transferral:
    """What is not as planned: the targets of side assets that are missing, and where files with another name are.

    `versions` are what the sources call those of files, by where they are.
    """

    missing: list[Path]
    renamed: dict[Path, Path]
    versions: dict[Path, str] = field(default_factory=dict)


async def transfer_all(
    transfers: Iterable[Transfer], sources: SourceTable, options: StageInOptions, report: Report
) -> Transferral:
    """Download all files, in one bounded pool; the same address is downloaded once and then linked or copied.

    Raises `StagingError`: the first problem, with those that
    occurred at the same time.
    """
    groups = _group(transfers)
    firsts = [group[0] for group in groups]
    if firsts:
        check_files(len(firsts), firsts[-1].href, options.max_files)
    progress = Progress(firsts, report, options)
    _check_space(firsts)
    with closing(Downloader(sources, progress, options)) as downloader:
        run = _Run(downloader, sources, progress, options)
        await run.download_all(groups)
    _warn_of_arrays(groups, run.absent)
    return Transferral(run.missing, downloader.renamed, downloader.versions)


def _warn_of_arrays(groups: Iterable[list[Transfer]], absent: set[Transfer]) -> None:
    """Warn of zarr arrays none of whose chunks is at its source: each value is then the fill value."""
    chunks = [transfer for group in groups for transfer in group if transfer.array]
    empty = sorted({chunk.array for chunk in chunks} - {chunk.array for chunk in chunks if chunk not in absent})
    if empty:
        shown = ", ".join(map(mask_href, empty[:5]))
        logger.warning("zarr arrays without any chunk at their source, all fill values: %d, %s", len(empty), shown)


def _group(transfers: Iterable[Transfer]) -> list[list[Transfer]]:
    """Group the transfers of the same file, in each group first the one that the job needs most.

    The first is the one that is downloaded; what arrives is checked against a media type that any of them states.
    """
    groups: dict[tuple[str, int | None, Checksum | None, bool], list[Transfer]] = {}
    for transfer in transfers:
        same = (transfer.href, transfer.size_bytes, transfer.checksum, transfer.is_unnamed)
        groups.setdefault(same, []).append(transfer)
    return [group if len(group) == 1 else _put_strictest_first(group) for group in groups.values()]


def _put_strictest_first(group: list[Transfer]) -> list[Transfer]:
    first, *others = sorted(group, key=lambda one: one.is_side or one.may_be_missing)
    media_type = next((one.media_type for one in (first, *others) if one.media_type), None)
    return [replace(first, media_type=media_type), *others]


def plan_folder(
    entries: Iterable[Entry], place: Path, ignores_case: Callable[[Path], bool] = ignores_case
) -> list[Transfer]:
    """Plan the files of a remote folder below `place`, under their own names where a disk accepts them.

    A warning names those that get another name: what refers to them does not find them. The disk is asked by
    `ignores_case` only where names differ in nothing else.
    """
    files = [(entry, "/".join(map(fix_part, entry.path.split("/")))) for entry in entries]
    paths = _choose_paths([(entry.path, wanted) for entry, wanted in files], place, ignores_case)
    renamed = [
        f"{entry.path!r:.100} as {path!r:.100}"
        for (entry, _), path in zip(files, paths, strict=True)
        if path != entry.path
    ]
    if renamed:
        shown = ", ".join(renamed[:5])
        logger.warning("%s: files with names that a disk does not take: %d, stored %s", place.name, len(renamed), shown)
    return [
        Transfer(
            entry.href,
            place / path,
            entry.size_bytes,
            media_type=entry.media_type,
            may_be_missing=entry.may_be_missing,
            array=entry.array,
        )
        for (entry, _), path in zip(files, paths, strict=True)
    ]


def _choose_paths(files: Sequence[tuple[str, str]], place: Path, ignores_case: Callable[[Path], bool]) -> list[str]:
    """Choose a path for each file, given by its own and the wanted path; those that keep their own come first."""
    wanted_paths = {wanted for _, wanted in files}
    folds = len({wanted.casefold() for wanted in wanted_paths}) < len(wanted_paths) and ignores_case(place)
    fold = str.casefold if folds else str
    folders = {fold(path[:end]) for path in wanted_paths for end, letter in enumerate(path) if letter == "/"}
    keeps = [own == wanted and fold(wanted) not in folders for own, wanted in files]
    names, chosen = _Names(set(folders), fold), dict[int, str]()
    for number in sorted(range(len(files)), key=lambda number: not keeps[number]):
        chosen[number] = names.claim(files[number][1])
    return [chosen[number] for number in range(len(files))]


class _Names:
    """The paths of files and folders, each for one: `a-2` where `a` is taken; a disk distinguishes what `fold` does."""

    def __init__(self, folders: set[str], fold: Callable[[str], str]) -> None:
        self._taken, self._fold = folders, fold
        self._next: dict[str, int] = {}

    def claim(self, wanted: str) -> str:
        """Return `wanted`, or with a number where it is taken; as many calls take as many steps."""
        path, claimed = PurePosixPath(wanted), wanted
        number = self._next.get(self._fold(wanted), 2)
        while self._fold(claimed) in self._taken:
            claimed, number = str(path.with_name(f"{path.stem}-{number}{path.suffix}")), number + 1
        self._next[self._fold(wanted)] = number
        self._taken.add(self._fold(claimed))
        return claimed


@dataclass
class _Run:
    """The transfers of one stage-in; `missing` are the targets of side assets that could not be downloaded.

    `absent` are all transfers that were left out.
    """

    downloader: Downloader
    sources: SourceTable
    progress: Progress
    options: StageInOptions
    missing: list[Path] = field(default_factory=list)
    absent: set[Transfer] = field(default_factory=set)

    async def download_all(self, groups: Iterable[list[Transfer]]) -> None:
        _, errors = await run_pool(
            [lambda group=group: self._download(group) for group in groups],  # type: ignore[misc]
            self.options.most_streams,
            settle_seconds=SETTLE_SECONDS,
        )
        if errors:
            raise merge_errors(errors)

    async def _download(self, group: list[Transfer]) -> None:
        """Download the first file of a group, and copy it to the places of the others."""
        first, *others = group
        try:
            await self.downloader.download(first)
        except StagingError as error:
            if not await self._recover(group, error):
                needed = next(one for one in group if not _can_be_left_out(one, error))
                raise error.explain(needed.what, REMEDY) if needed.what else error from error
            return
        if not others:
            return  # as nearly all: the hash of a Path costs more than it seems
        place = self.downloader.renamed.get(first.target, first.target)
        for other in others:
            target = other.target.with_name(place.name) if first.is_unnamed else other.target
            await asyncio.to_thread(_duplicate, place, replace(other, target=target))
            if target != other.target:
                self.downloader.renamed[other.target] = target
            if version := self.downloader.versions.get(place):
                self.downloader.versions[target] = version

    async def _recover(self, group: list[Transfer], error: StagingError) -> bool:
        """Whether the job can continue: the file may be missing, or is a folder, which is then downloaded."""
        first = group[0]
        may_be_folder = error.kind is Kind.NOT_FOUND and any(one.may_be_folder for one in group)
        entries = await self._list_below(first.href) if may_be_folder else []
        if entries:
            files = [file for one in group for file in plan_folder(entries, one.target)]
            self.progress.include(files)
            self.progress.leave_out(first)
            await self.download_all([file] for file in files)
            return True
        if not all(_can_be_left_out(one, error) for one in group):
            return False
        for side in (one for one in group if one.is_side):
            logger.warning("%s is missing, and left out: %s", side.what, error)
            self.missing.append(side.target)
        self.absent.update(group)
        self.progress.leave_out(first)
        return True

    async def _list_below(self, href: str) -> list[Entry]:
        if get_scheme(href) not in STORES:
            return []
        try:
            return await self.sources.get(href).list_folder(f"{href.rstrip('/')}/") or []
        except StagingError as error:
            if error.kind is Kind.REFUSED:
                raise
            return []  # the original error is more informative


def _can_be_left_out(transfer: Transfer, error: StagingError) -> bool:
    """Whether the job can go on without this file."""
    return (transfer.may_be_missing and error.kind is Kind.NOT_FOUND) or (
        transfer.is_side and error.kind in SIDE_FAILURES
    )


def _duplicate(first: Path, other: Transfer) -> None:
    """Duplicate a file: by a hard link where the disk can, else by a copy; visible only when complete."""
    partial = other.target.parent / f".{secrets.token_hex(8)}.part"
    try:
        other.target.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.hardlink_to(first)
        except OSError:
            shutil.copyfile(first, partial)
        partial.replace(other.target)
    except OSError as error:
        raise translate_disk(error, other) from error
    finally:
        partial.unlink(missing_ok=True)


def _check_space(transfers: list[Transfer]) -> None:
    wanted = sum(transfer.size_bytes or 0 for transfer in transfers)
    if not wanted:
        return
    folder = next(parent for parent in transfers[0].target.parents if parent.exists())
    free = shutil.disk_usage(folder).free
    if wanted > free:
        raise StagingError(
            Kind.DISK_FULL,
            str(folder),
            f"the inputs need {wanted} bytes, {free} are free",
            "Free space, or use a folder on a larger disk.",
        )
