"""How another process stops a local job: through a pipe beside the job's scratch folder."""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from zoo_runner.engines.cwl_process.processes import wait_until_readable
from zoo_runner.engines.cwl_process.scratch_folder import CONTROL, place_beside
from zoo_runner.model.cancellation import Cancellation


class Control:
    """The pipe of one job, open from when it is submitted until it is closed; a request to stop is never lost."""

    def __init__(self, scratch: Path) -> None:
        path = place_beside(scratch, CONTROL)
        # of an earlier attempt, which nobody listens to
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
        # opened both ways, so that neither side waits for the other
        self._descriptor = os.open(path, os.O_RDWR)

    @contextlib.contextmanager
    def listening(self, cancellation: Cancellation) -> Iterator[None]:
        """Cancel the job when another process asks for it while the block runs, or did so before."""

        def listen() -> None:
            if b"cancel" in os.read(self._descriptor, 64):
                cancellation.cancel()

        if wait_until_readable([self._descriptor], 0):
            listen()
        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        try:
            yield
        finally:
            os.write(self._descriptor, b"over\n")
            listener.join()

    def close(self) -> None:
        """Close the pipe: from now on no process runs the job."""
        os.close(self._descriptor)


def send_cancel(scratch: Path) -> None:
    """Ask the process that runs the job to stop it; without such a process nothing happens."""
    with contextlib.suppress(OSError), _writing(scratch) as pipe:
        os.write(pipe, b"cancel\n")


def has_listener(scratch: Path) -> bool:
    """Whether a living process has the job."""
    try:
        with _writing(scratch):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def _writing(scratch: Path) -> Iterator[int]:
    # fails at once where no process reads (POSIX.1-2017, open, ENXIO)
    pipe = os.open(place_beside(scratch, CONTROL), os.O_WRONLY | os.O_NONBLOCK)
    try:
        yield pipe
    finally:
        os.close(pipe)
