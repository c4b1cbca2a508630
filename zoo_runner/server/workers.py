"""The worker processes of a server: started, woken, listened to, started again when they die, stopped in time."""

import contextlib
import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from time import monotonic

logger = logging.getLogger(__name__)


class WorkerPool:
    """Worker processes, each in its own process group, so that a signal for the server's terminal spares their jobs.

    `on_end` is called with the id of each job that a worker has brought to its end, from a thread of the pool.
    """

    def __init__(self, count: int, variables: Mapping[str, str], on_end: Callable[[str], None]) -> None:
        self._variables, self._on_end = dict(variables), on_end
        self._processes: list[subprocess.Popen[str]] = []
        self._threads: list[threading.Thread] = []
        self._lock, self._stopping = threading.Lock(), threading.Event()
        self._stopped_at: float | None = None
        for number in range(count):
            thread = threading.Thread(target=self._keep_one, name=f"worker-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    @property
    def alive(self) -> int:
        """How many workers run now."""
        with self._lock:
            return sum(process.poll() is None for process in self._processes)

    def wake(self, job_id: str) -> None:
        """Have the workers look at the queue, and at the job that they run, now."""
        with self._lock:
            for process in self._processes:
                _write(process, f"{job_id}\n")

    def begin_stop(self) -> None:
        """Have the workers take no further job, from now on; may be called by a signal's handler."""
        self._stopped_at = self._stopped_at or monotonic()
        # the lock may be held by what the signal has interrupted
        threading.Thread(target=self._end_orders, name="stopper", daemon=True).start()

    def stop(self, seconds: float) -> None:
        """Take no further job, give those that run so much time to end, and stop what runs then.

        The time counts from `begin_stop`, where that was called before.
        """
        processes = self._end_orders()
        end_processes(processes, (self._stopped_at or monotonic()) + seconds)
        for thread in self._threads:
            thread.join()

    def _end_orders(self) -> "list[subprocess.Popen[str]]":
        """Close what the workers read, which has them stop after their jobs; return them."""
        self._stopping.set()
        with self._lock:
            for process in self._processes:
                with contextlib.suppress(OSError, ValueError):
                    process.stdin and process.stdin.close()
            return list(self._processes)

    def _keep_one(self) -> None:
        while not self._stopping.is_set():
            process = self._start()
            for line in process.stdout or ():
                self._on_end(line.strip())
            if process.wait() and not self._stopping.is_set():
                logger.error("a worker has ended with %d, and is started again", process.returncode)
            with self._lock:
                self._processes.remove(process)
            # one that cannot start must not be started again at once, for ever
            self._stopping.wait(1)

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "zoo_runner", "worker", "--stdin"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._variables,
            text=True,
            start_new_session=True,
        )
        with self._lock:
            self._processes.append(process)
        if self._stopping.is_set() and process.stdin:
            process.stdin.close()
        return process


def end_processes(processes: "Iterable[subprocess.Popen[str]]", until: float) -> None:
    """Wait for the end of processes until a time of the monotonic clock, and kill those that run then."""
    for process in processes:
        try:
            process.wait(max(0.0, until - monotonic()))
        except subprocess.TimeoutExpired:
            # what it ran is found by whoever takes its lease
            process.kill()


def _write(process: "subprocess.Popen[str]", text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        if process.stdin:
            process.stdin.write(text)
            process.stdin.flush()
