"""How others tell the process that runs a job to stop, and what it yielded: by the job's private folder alone."""

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from zoo_runner.files import write_atomically
from zoo_runner.model.cancellation import Cancellation
from zoo_runner.model.job import Results
from zoo_runner.model.masking import Masker


@contextlib.contextmanager
def listen_for_cancel(record: Path, cancellation: Cancellation) -> Iterator[None]:
    """Take a `cancel` from other processes, which know the job's id only."""
    control = record / "control"
    with contextlib.suppress(FileExistsError):
        os.mkfifo(control, 0o600)
    descriptor = os.open(control, os.O_RDWR)

    def listen() -> None:
        if os.read(descriptor, 64).startswith(b"cancel"):
            cancellation.cancel()

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield
    finally:
        os.write(descriptor, b"over\n")
        listener.join()
        os.close(descriptor)
        control.unlink(missing_ok=True)


def tell_cancel(record: Path) -> None:
    """Tell whoever runs the job to stop; nobody does: nothing to stop."""
    with contextlib.suppress(OSError):
        control = os.open(record / "control", os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(control, b"cancel\n")
        finally:
            os.close(control)


def write_results(record: Path, results: Results, masker: Masker) -> None:
    """Keep what a job yielded, for whoever waits for it."""
    content = {
        "document": results.document,
        "collection": results.collection,
        "collection_href": results.collection_href,
    }
    write_atomically(record / "results.json", json.dumps(masker.mask_data(content)).encode())


def read_results(record: Path) -> Results:
    """Read what a job yielded; raises `FileNotFoundError` where it yielded nothing."""
    return Results(**json.loads((record / "results.json").read_text()))
