"""Prepare the process of a kernel for a job, and restore it afterwards.

A kernel ignores SIGCHLD (every child seems to succeed), sends everything on stdout to the client, has its own stderr
open on the job log at an offset of its own, and puts the folder of the user's processes first on the module path.
"""

import contextlib
import ctypes
import fcntl
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import NoReturn

_PROXIES = ("HTTP_PROXY", "http_proxy")
_PIPE_BYTES = 1 << 20
_MARK = b"\0end of capture\0\n"


@contextlib.contextmanager
def child_signals() -> Iterator[None]:
    """Make exit codes of children available while the block runs.

    Only the main thread may change the handler of a signal; a kernel calls services there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
    finally:
        # None: a handler that C installed, which Python cannot restore
        if former is not None:
            signal.signal(signal.SIGCHLD, former)


@contextlib.contextmanager
def direct_connections(environ: MutableMapping[str, str], api_proxy: str | None) -> Iterator[None]:
    """Remove a proxy of the Kubernetes API: storage clients would send their requests to it. Other proxies stay."""
    names = [name for name in _PROXIES if api_proxy and environ.get(name) == api_proxy]
    former = {name: environ.pop(name) for name in names}
    try:
        yield
    finally:
        environ.update(former)


def end_as_dismissed() -> NoReturn:
    """End this process as a kernel ends that of a dismissed job on its own machine.

    A kernel elsewhere has removed the files of the job; at a return it would write its status and results anew.
    """
    os.kill(os.getpid(), signal.SIGKILL)
    raise SystemExit


def forget_services_folder(folder: Path) -> None:
    """Remove the folder of deployed processes from the module path: none of them may hide one of our modules."""
    folder = folder.resolve()
    sys.path[:] = [entry for entry in sys.path if not entry or Path(entry).resolve() != folder]


@contextlib.contextmanager
def captured_output(take: Callable[[str], None]) -> Iterator[None]:
    """Pass every line that this process or a child writes to stdout or stderr to `take` while the block runs.

    `take` is called from a thread, in order, and for the last time before the block is left.
    """
    _flush()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    former = os.dup(1), os.dup(2)
    # later output to the job log must not overwrite what was added meanwhile
    fcntl.fcntl(2, fcntl.F_SETFL, fcntl.fcntl(2, fcntl.F_GETFL) | os.O_APPEND)
    reader, writer = os.pipe()
    # the kernel may write while it holds the interpreter's lock, which the reading thread needs
    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    os.dup2(writer, 1)
    os.dup2(writer, 2)
    thread = threading.Thread(target=_pump, args=(reader, take), daemon=True)
    thread.start()
    try:
        yield
    finally:
        _flush()
        for number, descriptor in zip((1, 2), former, strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)
        # a child left behind may hold the pipe open for ever, so its end cannot be waited for
        os.write(writer, _MARK)
        os.close(writer)
        thread.join()
        os.close(reader)


def _pump(reader: int, take: Callable[[str], None]) -> None:
    rest = b""
    while chunk := os.read(reader, 65536):
        rest += chunk
        *lines, rest = rest.split(b"\n")
        for line in lines:
            text, marked, _ = (line + b"\n").partition(_MARK)
            if text.strip():
                # a full disk must not stop the reading: a process that writes to the pipe would wait for ever
                with contextlib.suppress(OSError):
                    take(text.rstrip(b"\n").decode("utf-8", "replace"))
            if marked:
                return


def _flush() -> None:
    """Empty the buffers of Python and of C, so that nothing buffered goes to the wrong place."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).fflush(None)
