"""What the steps print, read from the volume of the job while they run (`printing`), each line once and in order.

One thread reads for all steps. inotify(7) reports what pods on this node write; a file system of several nodes reports
nothing of the others, and is looked at again and again. The folders are written to by steps: nothing else than regular
files is read, no more of one than a part has, and no link is followed.
"""

import ctypes
import os
import select
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from zoo_runner.engines.kubernetes.job_pod.printing import END, ENDED, LONGEST_PART_BYTES, ONLY_HERE
from zoo_runner.engines.kubernetes.job_pod.used import read_exit
from zoo_runner.files import read_unlinked
from zoo_runner.lines import LONGEST_LINE, LineCutter
from zoo_runner.removal import remove_tree

Take = Callable[[Sequence[str]], object]
"""Takes the next lines, which do not change."""

_CHANGES = 0x2 | 0x8 | 0x100  # IN_MODIFY, IN_CLOSE_WRITE, IN_CREATE
_CHUNK_BYTES = 1 << 20
# how long what comes is gathered: a line for itself costs as much as a thousand together
_GATHER_SECONDS = 0.05
# where nothing is reported: of another node, or where there is no instance of inotify left
_LOOK_SECONDS = 2.0
_LONGEST_END_BYTES = 1024
# a step takes its turn for so many chunks
_CHUNKS_PER_TURN = 16


class Printed:
    """The parts of what one step prints, read as far as they are there; threads may share it.

    `succeed` is called once the step has ended with exit code 0 and all of it is there, with what it used. What failed
    is not reported: why a container has ended with another code, Kubernetes knows.
    """

    def __init__(self, folder: Path, take: Take, succeed: Callable[[str], object] = lambda used: None) -> None:
        self.folder, self._take, self._succeed = folder, take, succeed
        self._has_succeeded = False
        self._lock, self._cutter = threading.Lock(), LineCutter(LONGEST_LINE)
        self._number = self._place = 0
        self.lines = 0

    @property
    def has_begun(self) -> bool:
        """Whether the step keeps what it prints here."""
        return bool(self._number or self._place) or (self.folder / "0").exists()

    def read(self) -> bool:
        """Hand over what is new; return whether there is more already."""
        with self._lock:
            return self._read(_CHUNKS_PER_TURN)

    def look_for_end(self) -> None:
        """Report the end of the step, if it has come."""
        if self._has_succeeded or not (self.folder / END).exists():
            return
        with suppress(OSError, UnicodeDecodeError):
            match read_exit(read_unlinked(self.folder / ENDED, _LONGEST_END_BYTES).decode()):
                case (0, used):
                    self._has_succeeded = True
                    self._succeed(used)

    def finish(self) -> bool:
        """Hand over the rest, after the step has ended; return whether that was all of it."""
        with self._lock:
            while self._read(_CHUNKS_PER_TURN):
                pass
            return (self.folder / END).exists()

    def end(self, *, drop: bool = False) -> None:
        """Hand over what has no end of line, or `drop` it, as it comes again from elsewhere: nothing follows."""
        with self._lock:
            if (last := self._cutter.end()) and not drop:
                self._take(last)

    def _read(self, chunks: int) -> bool:
        for _ in range(chunks):
            try:
                chunk = self._read_next()
            except OSError:  # the step has put something else in its place
                return False
            if not chunk:
                return False
            self.lines += chunk.count(b"\n")
            if lines := self._cutter.feed(chunk):
                self._take(lines)
        return True

    def _read_next(self) -> bytes:
        """Read on in the part that is read, or in the next one."""
        # opened anew: a file system of several nodes looks for what others have written then
        with _opened(self.folder, os.O_DIRECTORY, None) as folder:
            while True:
                has_next = _exists(folder, self._number + 1)
                with _opened(str(self._number), os.O_NONBLOCK, folder) as part:
                    if not stat.S_ISREG(os.fstat(part).st_mode):
                        return b""
                    chunk = os.pread(part, min(_CHUNK_BYTES, LONGEST_PART_BYTES - self._place), self._place)
                self._place += len(chunk)
                if chunk or not has_next:
                    return chunk
                os.unlink(str(self._number), dir_fd=folder)
                self._number, self._place = self._number + 1, 0


class PrintedReader:
    """Reads what all steps of a job print, in one thread that starts with the first of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._read: dict[Printed, int] = {}
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._changes = -1
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._is_refused = False

    def refuse(self) -> None:
        """Create no more folders: the cluster takes no pods that mount them."""
        self._is_refused = True

    def open(self, name: str, take: Take, succeed: Callable[[str], object] = lambda used: None) -> Printed | None:
        """Create the folder of a step, and read it from now on; None where it cannot be created, or mounted."""
        if self._is_refused:
            return None
        folder = self._folder / name
        printed = Printed(folder, take, succeed)
        with self._lock:
            if self._thread is None:
                # of an earlier pod of the job
                remove_tree(self._folder)
            try:
                self._folder.mkdir(exist_ok=True)
                folder.mkdir()
                # the user of the step may be any
                folder.chmod(0o777)
            except OSError:
                return None
            if self._thread is None:
                self._changes = self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
                self._thread = threading.Thread(target=self._run, name="printed", daemon=True)
                self._thread.start()
            self._read[printed] = self._watch(folder)
        self._wake.set()
        return printed

    def close(self, printed: Printed) -> None:
        """Read no further, and remove what is left."""
        with self._lock:
            watch = self._read.pop(printed, -1)
            if watch >= 0:
                self._libc.inotify_rm_watch(self._changes, watch)
        remove_tree(str(printed.folder))

    def _watch(self, folder: Path) -> int:
        if self._changes < 0:
            return -1
        return int(self._libc.inotify_add_watch(self._changes, os.fsencode(folder), _CHANGES))

    def _run(self) -> None:
        pause, behind = threading.Event(), False
        while True:
            # without steps there is nothing to look at
            self._wake.wait()
            if not behind:
                self._wait_for_change()
                pause.wait(_GATHER_SECONDS)
            with self._lock:
                steps = list(self._read)
                if not steps:
                    self._wake.clear()
            behind = any([step.read() for step in steps])
            for step in steps:
                step.look_for_end()

    def _wait_for_change(self) -> None:
        if self._changes < 0:
            select.select([], [], [], _LOOK_SECONDS)
        elif select.select([self._changes], [], [], _LOOK_SECONDS)[0]:
            with suppress(BlockingIOError):
                os.read(self._changes, 1 << 16)


@contextmanager
def _opened(path: str | Path, more: int, folder: int | None) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | more, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _exists(folder: int, number: int) -> bool:
    try:
        os.lstat(str(number), dir_fd=folder)
    except FileNotFoundError:
        return False
    return True


class LogRest:
    """What of a pod's log the volume does not have: the lines from `ONLY_HERE` on, and those before that were lost.

    Where the step keeps nothing on the volume, that is all of it.
    """

    def __init__(self, printed: Printed, take: Take) -> None:
        self._printed, self._take = printed, take
        self._held: list[str] = []
        self._is_open, self._begun = False, ""

    @property
    def has_begun(self) -> bool:
        """Whether the log of the pod goes on where the volume took no more."""
        return self._is_open

    def take(self, lines: list[str]) -> None:
        """Take the next lines of the log."""
        if not self._is_open and (at := _find_mark(lines)) is not None:
            self._is_open = True
            self._begun = lines[at].removesuffix(ONLY_HERE)
            missed, self._held = [*self._held, *lines[:at]][self._printed.lines :], []
            # the log of the pod has the first of what was printed: as far as that goes, it has the whole line
            self._printed.end(drop=bool(missed or self._begun))
            self._hand_over(missed)
            lines = lines[at + 1 :]
        if not self._is_open:
            self._held += lines
        elif lines:
            # the mark comes within a line
            first, self._begun = f"{self._begun}{lines[0]}", ""
            self._hand_over([first, *lines[1:]])

    def _hand_over(self, lines: list[str]) -> None:
        if lines:
            self._take(lines)

    def end(self) -> None:
        """Hand over all of the log where the volume has nothing."""
        if self._begun:
            self._hand_over([self._begun])
        if not self._is_open and not self._printed.has_begun:
            self._hand_over(self._held)


def _find_mark(lines: list[str]) -> int | None:
    return next((number for number, line in enumerate(lines) if line.endswith(ONLY_HERE)), None)
