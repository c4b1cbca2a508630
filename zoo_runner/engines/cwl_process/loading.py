"""What the launchers have in common: how they load a package, and how cwltool's own words become events."""

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from zoo_runner.model.events import EngineLine

E = TypeVar("E")

LOADING: dict[str, Any] = {
    "do_validate": False,  # done once, when the package was resolved
    "strict": False,
    "disable_js_validation": True,
    "skip_schemas": True,
    "relax_path_checks": True,  # real products have names with spaces and brackets
}
"""Fields of cwltool's `LoadingContext`, the same on every engine."""


def open_event_stream(encode: Callable[[E], Iterable[str]]) -> Callable[[E], None]:
    """Keep stdout for events alone, each as the lines that `encode` makes: whatever else prints goes to stderr."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    lock = threading.Lock()

    def emit(event: E) -> None:
        with lock, contextlib.suppress(BrokenPipeError):
            stream.write("".join(f"{line}\n" for line in encode(event)))
            stream.flush()

    return emit


EXPRESSIONS = "cwl_utils"
"""The logger of what evaluates expressions; left to itself it prints a traceback for each that fails."""


class EngineLog(logging.Handler):
    """Hands the messages of cwltool, and of what is built on it, on as events."""

    def __init__(self, emit: Callable[[EngineLine], None]) -> None:
        super().__init__(logging.INFO)
        self._emit = emit

    def emit(self, record: logging.LogRecord) -> None:
        """Tell what a logger said."""
        text = record.getMessage()
        severity = "error" if record.levelno >= logging.ERROR else record.levelname.lower()
        # what the step's own events tell already, and advice on cwltool's command line, is no warning here
        if severity == "warning" and (text.startswith(("[step ", "[workflow ")) or "Skipping Docker" in text):
            severity = "info"
        self._emit(EngineLine(severity, text))
