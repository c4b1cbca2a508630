"""Real files and folders for the steps into whose container cwltool mounts no inputs, or that have none.

cwltool gives such a step its inputs as symbolic links. A tool that walks its input folder then finds nothing
(`find DIR -type f`), packs links instead of files, looks for neighbouring files at the target of the link, and can
write through the link into the user's own files. Here every link is replaced by its target:

- A file of the job (below its scratch folder: staged in, or made by a step) is hard-linked, so that even
  large files are not copied. A step that changes it in place changes it for others too: this is detected after the
  step, and fails it.
- Any other file is the user's own, which a hard link would put at risk. The job copies it once (copy_file_range, which
  shares the blocks where the file system can) and continues with its copy.
"""

import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo_staging.boundary import Boundary, OutsideError

_LARGE_BYTES = 1 << 30
_PIECE_BYTES = 1 << 30


@dataclass
class StepInputs:
    """The input files of one step, by the path that the step sees.

    Each is the job's own file, with its size in bytes and its time of change in ns from before the step.
    """

    files: dict[Path, tuple[Path, int, int]] = field(default_factory=dict)

    def add(self, shown: Path, kept: Path) -> None:
        """Note a file of the job that the step sees as `shown`."""
        status = kept.stat()
        self.files[shown] = (kept, status.st_size, status.st_mtime_ns)

    def changed(self) -> Iterator[Path]:
        """Return the paths of files that were changed, which other steps would see too."""
        for shown, (kept, size, time_ns) in self.files.items():
            with suppress(FileNotFoundError):
                status = kept.stat()
                if (status.st_size, status.st_mtime_ns) != (size, time_ns):
                    yield shown


def describe_changes(step: str, inputs: StepInputs) -> str | None:
    """Describe which inputs a step has changed; None where it has changed none."""
    changed = sorted(path.name for path in inputs.changed())
    return f"[job {step}] changed its input: {', '.join(changed[:5])}" if changed else None


class RealFiles:
    """Puts real files in place of links; one per job, used by the threads of all steps.

    Links in an input folder that lead out of it stay links; what they lead to belongs to the job (see `Boundary`).
    `report` gets a message for each large file (1 GiB) that has to be copied. `copies` is the name of the folder of
    copies: each process that copies for the job has its own.
    """

    def __init__(
        self, scratch: Path, report: Callable[[str], None], boundary: Boundary, copies: str = "copies"
    ) -> None:
        self._boundary = boundary
        self._own = scratch.resolve()
        self._copies = self._own / copies
        self._report = report
        self._copied: dict[Path, Path] = {}
        self._lock = threading.Lock()

    def replace_links(self, paths: Iterable[str]) -> StepInputs:
        """Replace each link at `paths` by its target, and return the files that the step shares with others.

        Raises `OSError` for a link without target, or where there is no space left.
        """
        inputs = StepInputs()
        for path in map(Path, paths):
            if path.is_symlink():
                source = path.resolve(strict=True)
                path.unlink()
                self._place(source, path, lambda kept, shown: self._link(kept, shown, inputs))
        return inputs

    def keep_copy(self, source: Path) -> Path:
        """Return the job's copy of a file that is not the job's; its own files are kept. Raises `OSError`."""
        source = source.resolve(strict=True)
        if source.is_relative_to(self._own):
            return source
        with self._lock:
            if source not in self._copied:
                folder = self._copies / str(len(self._copied))
                folder.mkdir(parents=True)
                self._place(source, folder / source.name, self._copy)
                self._copied[source] = folder / source.name
            return self._copied[source]

    def _place(self, source: Path, target: Path, place_file: Callable[[Path, Path], None]) -> None:
        if not source.is_dir():
            place_file(source, target)
            return
        for folder, shown in _walk(source, target):
            shown.mkdir()
            for entry in os.scandir(folder):
                there = shown / entry.name
                if entry.is_file(follow_symlinks=False):
                    place_file(Path(entry.path), there)
                elif not entry.is_dir(follow_symlinks=False):
                    self._lend(Path(entry.path))
                    there.symlink_to(_lead(Path(entry.path), source))

    def _lend(self, link: Path) -> None:
        # of the links in a folder that tools write to, the boundary lends none
        with suppress(OutsideError):
            self._boundary.resolve(link)

    def _link(self, source: Path, shown: Path, inputs: StepInputs) -> None:
        kept = self.keep_copy(source)
        try:
            os.link(kept, shown)
        except OSError:  # too many links to it, or a file system without hard links
            self._copy(kept, shown)
        else:
            inputs.add(shown, kept)

    def _copy(self, source: Path, target: Path) -> None:
        status = source.stat()
        if status.st_size >= _LARGE_BYTES:
            self._report(
                f"copying {source} ({status.st_size / (1 << 30):.1f} GiB) once for this job, for a step without"
                " container could change the file itself; in a container none could, and nothing is copied"
            )
        with source.open("rb", buffering=0) as reader, target.open("xb", buffering=0) as writer:
            with suppress(OSError):  # if the kernel cannot do it, the loop below copies everything
                while os.copy_file_range(reader.fileno(), writer.fileno(), _PIECE_BYTES):
                    pass
            shutil.copyfileobj(reader, writer, 1 << 20)
        target.chmod(stat.S_IMODE(status.st_mode) & 0o777 | stat.S_IRUSR)
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def list_staged_links(job: Any) -> Iterator[str]:
    """List where cwltool staged an input of a job that its tool may only read, as a link."""
    for mapper in (job.pathmapper, job.generatemapper):
        for entry in mapper or ():
            if entry.staged and entry.type in ("File", "Directory"):
                yield entry.target


def _walk(source: Path, target: Path) -> Iterator[tuple[Path, Path]]:
    """Yield each folder below `source`, links not followed, with its counterpart below `target`."""
    for folder, _, _ in os.walk(source):
        yield Path(folder), target / Path(folder).relative_to(source)


def _lead(link: Path, tree: Path) -> str:
    """Compute the target of a link in a copied tree: a relative one within the tree stays, others become absolute."""
    try:
        aim = link.readlink()
    except OSError:  # not a link but a socket or a pipe
        return str(link)
    goal = link.parent / aim
    inside = not aim.is_absolute() and Path(os.path.normpath(goal)).is_relative_to(tree)
    return str(aim if inside else Path(os.path.normpath(goal)))
